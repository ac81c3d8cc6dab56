/* gate.h - the one process of a host that speaks with other hosts, and what its files share.
 *
 * Each host of a run over several has a gate, started anew for each incarnation: the connection of
 * two gates is the incarnation, and its loss the incarnation's end on both sides. The gate alone
 * holds the host's private key and meets strangers; it opens no record. Workers know nothing of it:
 * for a pair whose other end is elsewhere it stands at that end, on the endpoint of the pair, and
 * hands whole messages on, unread; the receiving worker checks them as always.
 *
 * gate.c owns the loop and the words to the supervisor, gate_peers.c the connections to other
 * hosts, gate_pairs.c the pairs of workers. What goes over a connection: a head frame (kind, u32
 * number, little-endian) and, by kind, further frames. A pair's receiver grants credit, so that one
 * pair that is held back holds up no other, and memory is bounded. */
#ifndef MILLRACE_GATE_H
#define MILLRACE_GATE_H

#include "control.h"
#include "keys.h"
#include "link_frames.h"
#include "setup.h"
#include "tables.h"

/* The table that holds the private key. */
#define MR_GATE_KEY_TABLE "gate.key"
/* Messages of a pair that may be under way, or wait at its receiver's gate. */
#define MR_GATE_WINDOW 4
/* What a pair may take of memory: its messages here, and as many on their way through libzmq. */
#define MR_GATE_PAIR (UINT64_C(2) * MR_GATE_WINDOW * (4 << 20))

enum mr_gate_kind {
	MR_GATE_JOIN = 1, /* who connected: begin */
	MR_GATE_JOINED,   /* the answer */
	MR_GATE_PROBE,    /* nothing: whether it can be sent tells whether the other is there */
	MR_GATE_WORD,     /* of a supervisor to the other: one frame */
	MR_GATE_DATA,     /* of pair `number`: its two frames */
	MR_GATE_CREDIT    /* pair `number` may send one message more */
};
#define MR_GATE_HEAD 5
#define MR_GATE_FRAMES 3

/* A message from another host: `frames[0]` is the head. */
struct mr_gate_message {
	uint32_t host;
	enum mr_gate_kind kind;
	uint32_t number;
	uint32_t count; /* of frames */
	zmq_msg_t frames[MR_GATE_FRAMES];
};

struct mr_gate_peer {
	bool wanted; /* words or batches go between it and us */
	bool met;
	bool lost;
	bool told_met; /* the supervisor knows */
	bool told_lost;
	void *socket;  /* ours to it, where we connect; else the listener's is used */
	void *monitor; /* of that socket */
	uint8_t id[256];
	size_t id_len;   /* what the listener calls it */
	int64_t next_us; /* when to try again, or to give up waiting for its answer */
};

struct mr_gate_pair {
	uint32_t host;         /* of the other end */
	struct mr_link_rx *rx; /* its sender is here */
	struct mr_link_tx *tx; /* its receiver is here */
	uint32_t edge, from, to;
	bool closed;
	uint32_t credit; /* messages that the sending side may send yet */
	struct mr_frames held[MR_GATE_WINDOW];
	uint32_t held_first;
	uint32_t held_count;
};

struct mr_gate {
	struct mr_control control;
	struct mr_tables *tables;
	struct mr_setup setup;
	bool has_setup;
	uint32_t self; /* which host */
	uint32_t host_count;
	struct mr_key key;
	void *context;
	void *asker; /* ZAP: whose key is let in */
	void *listener;
	void *monitor;    /* of the listener */
	int64_t probe_us; /* when to probe next, while something was lost that has no name */
	int64_t probe_until_us;
	struct mr_gate_peer peers[MR_HOSTS_MAX];
	struct mr_gate_pair *pairs;
	uint32_t pair_count;
	bool may_connect;
	bool locked;
	bool heard; /* the supervisor, in this turn */
	struct mr_counters counters;
	struct mr_counters reported;
};

/* `millrace gate PARENT`: as mr_worker_main. */
int mr_gate_main(int argc, char **argv);

/* ---- gate_peers.c ---- */

/* Listens where another host connects to this one, and lets in those that the settings name. */
enum mr_err mr_gate_listen(struct mr_gate *gate, struct mr_error *error);
/* Connects where that is due, and looks at what has become of connections: peers become met or
 * lost. True where there is news. */
bool mr_gate_meet(struct mr_gate *gate, int64_t now_us);
/* The next message there is; the caller's frames to close. MR_AGAIN; MR_PROTOCOL. */
enum mr_err mr_gate_receive(struct mr_gate *gate, struct mr_gate_message *out,
			    struct mr_error *error);
void mr_gate_message_fini(struct mr_gate_message *message);
/* Moves the `count` frames. Nothing happens where the peer is lost. */
void mr_gate_send(struct mr_gate *gate, uint32_t host, enum mr_gate_kind kind, uint32_t number,
		  zmq_msg_t *frames, uint32_t count);
/* The descriptors to wait for; room for MR_HOSTS_MAX * 2 + 3. */
struct pollfd;
uint32_t mr_gate_peer_poll_set(const struct mr_gate *gate, struct pollfd *out);
void mr_gate_part(struct mr_gate *gate);

/* ---- gate_pairs.c ---- */

/* Stands at the receiving ends of pairs whose sender is here. */
enum mr_err mr_gate_bind(struct mr_gate *gate, struct mr_error *error);
/* And at the sending ends of those whose receiver is here. */
enum mr_err mr_gate_connect(struct mr_gate *gate, struct mr_error *error);
/* MR_OK once each pair has met; MR_AGAIN, MR_PEER_LOST, MR_PROTOCOL. */
enum mr_err mr_gate_met(struct mr_gate *gate, struct mr_error *error);
/* What a host sent for a pair, or granted it. Takes the frames of data. MR_PROTOCOL. */
enum mr_err mr_gate_pair_message(struct mr_gate *gate, struct mr_gate_message *message,
				 struct mr_error *error);
/* Hands on what can be handed on. True where anything was. */
bool mr_gate_pass(struct mr_gate *gate);
uint32_t mr_gate_pair_poll_set(const struct mr_gate *gate, struct pollfd *out);
void mr_gate_unpair(struct mr_gate *gate);

#endif
