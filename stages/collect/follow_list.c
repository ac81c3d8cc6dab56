/* follow_list.c - the followed files, in the order in which they were met, and where one of them
 * is: by inode, by title, by the end of its path.
 *
 * Called by follow.c. A file stands in a chain for each key; what has another key may stand there
 * too, so whoever walks along one compares. */
#include "follow.h"

#include <stdlib.h>

#define HEADS_LEAST 64

static uint64_t hash_of_inode(dev_t device, ino_t inode)
{
	const uint64_t key[] = {device, inode};

	return mr_hash64(key, sizeof(key), 0);
}

static uint64_t hash_of_text(const char *text)
{
	return mr_hash64(text, strlen(text), 0);
}

const char *mr_followed_base(const struct mr_followed *file)
{
	const char *slash = strrchr(file->path, '/');

	return slash ? slash + 1 : file->path;
}

char *mr_followed_folder(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return mr_strdup(".");
	return slash == path ? mr_strdup("/") : mr_asprintf("%.*s", (int)(slash - path), path);
}

static uint64_t hash_of(const struct mr_followed *file, enum mr_follow_key key)
{
	switch (key) {
	case MR_BY_INODE:
		return hash_of_inode(file->device, file->inode);
	case MR_BY_TITLE:
		return hash_of_text(file->title);
	default:
		return hash_of_text(mr_followed_base(file));
	}
}

/* ---- chains ---- */

static struct mr_followed **head_of(const struct mr_follow_list *list, enum mr_follow_key key,
				    uint64_t hash)
{
	return &list->heads[key][hash & (list->head_count - 1)];
}

static void chain(struct mr_follow_list *list, struct mr_followed *file, enum mr_follow_key key)
{
	struct mr_follow_link *link = &file->links[key];
	struct mr_followed **head;

	link->hash = hash_of(file, key);
	head = head_of(list, key, link->hash);
	link->before = NULL;
	link->next = *head;
	if (*head)
		(*head)->links[key].before = file;
	*head = file;
}

static void unchain(struct mr_follow_list *list, struct mr_followed *file, enum mr_follow_key key)
{
	struct mr_follow_link *link = &file->links[key];

	if (link->before)
		link->before->links[key].next = link->next;
	else
		*head_of(list, key, link->hash) = link->next;
	if (link->next)
		link->next->links[key].before = link->before;
}

static void grow_heads(struct mr_follow_list *list)
{
	list->head_count = list->head_count == 0 ? HEADS_LEAST : 2 * list->head_count;
	for (int key = 0; key < MR_FOLLOW_KEYS; key++) {
		free(list->heads[key]);
		list->heads[key] = mr_calloc(list->head_count, sizeof(struct mr_followed *));
		for (size_t i = 0; i < list->count; i++)
			if (list->files[i])
				chain(list, list->files[i], (enum mr_follow_key)key);
	}
}

struct mr_followed *mr_follow_list_first(const struct mr_follow_list *list, enum mr_follow_key key,
					 const char *text)
{
	return list->head_count > 0 ? *head_of(list, key, hash_of_text(text)) : NULL;
}

struct mr_followed *mr_follow_list_find(const struct mr_follow_list *list, dev_t device,
					ino_t inode)
{
	struct mr_followed *file =
	    list->head_count > 0 ? *head_of(list, MR_BY_INODE, hash_of_inode(device, inode)) : NULL;

	while (file && (file->device != device || file->inode != inode))
		file = file->links[MR_BY_INODE].next;
	return file;
}

const struct mr_followed *mr_follow_list_namesake(const struct mr_follow_list *list,
						  const struct mr_followed *file)
{
	const struct mr_followed *other = mr_follow_list_first(list, MR_BY_TITLE, file->title);

	while (other && (other == file || !other->named || strcmp(other->title, file->title) != 0))
		other = other->links[MR_BY_TITLE].next;
	return other;
}

/* ---- the list ---- */

struct mr_followed *mr_follow_list_add(struct mr_follow_list *list, const struct mr_followed *file)
{
	struct mr_followed *copy = mr_malloc(sizeof(*copy));

	if (list->count == list->capacity) {
		list->capacity = mr_grow(list->capacity, list->count + 1);
		list->files = mr_realloc(list->files, list->capacity * sizeof(*list->files));
	}
	if (list->count >= list->head_count)
		grow_heads(list);
	*copy = *file;
	copy->serial = ++list->serial;
	for (int key = 0; key < MR_FOLLOW_KEYS; key++)
		chain(list, copy, (enum mr_follow_key)key);
	copy->slot = list->count;
	list->files[list->count++] = copy;
	return copy;
}

void mr_follow_list_drop(struct mr_follow_list *list, struct mr_followed *file)
{
	list->files[file->slot] = NULL;
	list->holes++;
	for (int key = 0; key < MR_FOLLOW_KEYS; key++)
		unchain(list, file, (enum mr_follow_key)key);
	free(file->path);
	free(file->title);
	free(file);
}

void mr_follow_list_close_holes(struct mr_follow_list *list)
{
	size_t count = 0;

	if (list->holes == 0)
		return;
	for (size_t i = 0; i < list->count; i++) {
		struct mr_followed *file = list->files[i];

		if (!file)
			continue;
		file->slot = count;
		list->files[count++] = file;
	}
	list->count = count;
	list->holes = 0;
}

void mr_follow_list_title(struct mr_follow_list *list, struct mr_followed *file, const char *title)
{
	unchain(list, file, MR_BY_TITLE);
	free(file->title);
	file->title = mr_strdup(title);
	chain(list, file, MR_BY_TITLE);
}

void mr_follow_list_path(struct mr_follow_list *list, struct mr_followed *file, const char *path)
{
	if (strcmp(file->path, path) == 0)
		return;
	unchain(list, file, MR_BY_BASE);
	free(file->path);
	file->path = mr_strdup(path);
	chain(list, file, MR_BY_BASE);
}

void mr_follow_list_fini(struct mr_follow_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		mr_follow_list_drop(list, list->files[i]);
	for (int key = 0; key < MR_FOLLOW_KEYS; key++)
		free(list->heads[key]);
	free(list->files);
	*list = (struct mr_follow_list){0};
}
