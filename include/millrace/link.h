/* link.h - an ordered, bounded, back-pressured channel between two workers.
 *
 * One ZeroMQ PUSH/PULL pair for each (upstream worker, downstream worker); high-water mark 2 on
 * both sides; messages of two frames, header and body (batch.h). Nothing is ever re-connected: a
 * lost peer is a death, and ends the incarnation. The receiving end checks version, incarnation,
 * sender, sequence, lengths and the double entry before anything reaches a stage.
 *
 * PROTOCOL.md 2 and 3; measured on libzmq 4.3.4: a sender that closes before its receiver has
 * acknowledged `end` loses what is still in the socket buffer. */
#ifndef MILLRACE_LINK_H
#define MILLRACE_LINK_H

#include "millrace/batch.h"

struct mr_link_tx;
struct mr_link_rx;

/* `context` is the process's ZeroMQ context. The receiver binds, the sender connects. */
enum mr_err mr_link_rx_open(void *context, const char *endpoint, uint64_t incarnation,
			    uint32_t sender, uint64_t fields_hash, struct mr_link_rx **out,
			    struct mr_error *error);
enum mr_err mr_link_tx_open(void *context, const char *endpoint, uint64_t incarnation,
			    uint32_t self, uint64_t fields_hash, struct mr_link_tx **out,
			    struct mr_error *error);

/* Batches of the pair are far shorter than the work that they ask for, as references are: no more
 * than a few dozen are to be under way, so that those who share the work end together, and a
 * barrier waits behind little. Long bodies would become slow. Called before the pair has met. */
void mr_link_tx_few(struct mr_link_tx *tx);

/* Whether the pair has met: MR_OK, MR_AGAIN, MR_PEER_LOST, MR_PROTOCOL. Once it has, the receiver
 * has unlinked its endpoint: nobody else finds the way to it. Never blocks. */
enum mr_err mr_link_rx_met(struct mr_link_rx *rx, struct mr_error *error);
enum mr_err mr_link_tx_met(struct mr_link_tx *tx, struct mr_error *error);

/* Never blocks. Fills in version, incarnation, sender, sequence, lengths and sums of `header`.
 * `body` is moved on success (mr_buf zeroed; an empty one stays as it is), and also where the peer
 * is lost once the header frame is out. MR_AGAIN: the pair is full, nothing was taken. */
enum mr_err mr_link_send(struct mr_link_tx *tx, struct mr_batch_header *header, struct mr_buf *body,
			 struct mr_error *error);

/* Never blocks. MR_AGAIN: nothing there. MR_PROTOCOL: the peer broke a rule; the text says which.
 * The body is valid until the next call, with MR_JSON_PADDING readable bytes behind it. */
enum mr_err mr_link_receive(struct mr_link_rx *rx, struct mr_batch_header *header_out,
			    struct mr_slice *body_out, struct mr_error *error);

/* For poll: becomes readable when state may have changed (ZMQ_FD, edge-triggered: drain first). */
int mr_link_tx_fd(const struct mr_link_tx *tx);
int mr_link_rx_fd(const struct mr_link_rx *rx);

void mr_link_tx_close(struct mr_link_tx *tx);
void mr_link_rx_close(struct mr_link_rx *rx);

#endif
