/* sandbox.c - what the kernel has, and the fence: which files a worker may open (Landlock).
 *
 * Called by supervisor_start.c (check) and worker.c (fence). Landlock's interface is newer than the
 * C library's and partly than the headers of Debian 12: its three system calls are made by number,
 * and what the kernel's version of it does not know is left out. Fails with MR_IO where the kernel
 * refuses what it said it has. */
#include "sandbox_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "millrace/log.h"
#include "millrace/text.h"

/* Newer than Debian 12's linux/landlock.h; linux/landlock.h of Linux 6.12. */
#define ACCESS_TRUNCATE (UINT64_C(1) << 14)  /* version 3 */
#define ACCESS_IOCTL_DEV (UINT64_C(1) << 15) /* version 5 */
#define NET_BIND_TCP (UINT64_C(1) << 0)      /* version 4 */
#define NET_CONNECT_TCP (UINT64_C(1) << 1)
#define SCOPE_ABSTRACT_SOCKET (UINT64_C(1) << 0) /* version 6 */
#define SCOPE_SIGNAL (UINT64_C(1) << 1)

struct ruleset {
	uint64_t files;
	uint64_t net;    /* version 4 */
	uint64_t scoped; /* version 6 */
};

/* What a file alone can be granted. */
#define ACCESS_OF_FILE                                                                             \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE)
#define ACCESS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_MAKE                                                                                \
	(ACCESS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |               \
	 ACCESS_TRUNCATE)
#define ACCESS_WRITE                                                                               \
	(ACCESS_MAKE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |            \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REFER)

/* ---- what the kernel has ---- */

static int landlock_version(void)
{
	long version =
	    syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	return version < 0 ? 0 : (int)version;
}

struct mr_sandbox_kernel mr_sandbox_kernel(void)
{
	uint32_t action = SECCOMP_RET_TRAP;
	return (struct mr_sandbox_kernel){
	    .landlock = landlock_version(),
	    .seccomp = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0,
	};
}

const char *mr_sandbox_lacks(const struct mr_config *config)
{
	struct mr_sandbox_kernel kernel = mr_sandbox_kernel();
	if (mr_config_is(config, "sandbox", "off"))
		return NULL;
	return !kernel.seccomp && kernel.landlock == 0 ? "neither seccomp nor Landlock"
	       : !kernel.seccomp                       ? "no seccomp"
	       : kernel.landlock == 0                  ? "no Landlock"
						       : NULL;
}

enum mr_err mr_sandbox_check(const struct mr_config *config, struct mr_error *error)
{
	int64_t mode;
	enum mr_err err = mr_config_int(config, "sandbox", &mode, error);
	if (err != MR_OK)
		return err;
	const char *lacks = mr_sandbox_lacks(config);
	if (lacks == NULL)
		return MR_OK;
	if (mode == MR_SANDBOX_REQUIRE)
		return mr_error_set(error, MR_CONFIG,
				    "sandbox: require: this kernel has %s: workers cannot be "
				    "locked in as they should",
				    lacks);
	mr_log(MR_LOG_WARNING,
	       "this kernel has %s: workers are locked in without it (sandbox: require ends here)",
	       lacks);
	return MR_OK;
}

bool mr_sandbox_is_off(const struct mr_config *config)
{
	return mr_sandbox_sanitized() || mr_config_is(config, "sandbox", "off");
}

/* ---- the fence ---- */

static uint64_t known_accesses(int version)
{
	uint64_t known = LANDLOCK_ACCESS_FS_EXECUTE | ACCESS_WRITE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
			 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
			 LANDLOCK_ACCESS_FS_MAKE_SYM | ACCESS_IOCTL_DEV;
	if (version < 2)
		known &= ~LANDLOCK_ACCESS_FS_REFER;
	if (version < 3)
		known &= ~ACCESS_TRUNCATE;
	if (version < 5)
		known &= ~ACCESS_IOCTL_DEV;
	return known;
}

static const uint64_t granted[] = {[MR_ACCESS_READ] = ACCESS_READ,
				   [MR_ACCESS_MAKE] = ACCESS_MAKE,
				   [MR_ACCESS_WRITE] = ACCESS_WRITE};

/* One that is not there, or not ours to look at, grants nothing: opening it fails as it would. */
static bool add_path(int ruleset, const struct mr_needs_path *place, uint64_t known)
{
	struct stat about;
	int fd = open(place->path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return true;
	struct landlock_path_beneath_attr rule = {
	    .allowed_access = granted[place->access],
	    .parent_fd = fd,
	};
	if (fstat(fd, &about) == 0 && !S_ISDIR(about.st_mode))
		rule.allowed_access &= ACCESS_OF_FILE;
	rule.allowed_access &= known;
	bool good =
	    syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
	int saved = errno;
	close(fd);
	errno = saved;
	return good;
}

static enum mr_err enclose(const struct ruleset *handled, size_t size, const struct mr_needs *needs,
			   struct mr_error *error)
{
	int fd = (int)syscall(SYS_landlock_create_ruleset, handled, size, 0);
	struct mr_needs besides = {0};
	mr_sandbox_sanitizer_paths(&besides);
	bool good = fd >= 0;
	for (size_t i = 0; good && i < needs->count; i++)
		good = add_path(fd, &needs->paths[i], handled->files);
	for (size_t i = 0; good && i < besides.count && handled->files != 0; i++)
		good = add_path(fd, &besides.paths[i], handled->files);
	good = good && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       syscall(SYS_landlock_restrict_self, fd, 0) == 0;
	int saved = errno;
	if (fd >= 0)
		close(fd);
	mr_needs_fini(&besides);
	errno = saved;
	return good ? MR_OK : mr_error_errno(error, MR_IO, "cannot fence the worker in (Landlock)");
}

enum mr_err mr_sandbox_fence(const struct mr_needs *needs, struct mr_error *error)
{
	int version = landlock_version();
	if (version == 0)
		return MR_OK;
	struct ruleset handled = {.files = known_accesses(version)};
	return enclose(&handled, sizeof handled.files, needs, error);
}

enum mr_err mr_sandbox_close(unsigned needs, struct mr_error *error)
{
	int version = landlock_version();
	struct ruleset handled = {0};
	if ((needs & MR_NEEDS_FILES) == 0 && version >= 1)
		handled.files = known_accesses(version);
	if (version >= 4)
		handled.net =
		    (needs & MR_NEEDS_NETWORK) != 0 ? NET_BIND_TCP : NET_BIND_TCP | NET_CONNECT_TCP;
	if (version >= 6)
		handled.scoped = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
	size_t size = version >= 6   ? sizeof handled
		      : version >= 4 ? offsetof(struct ruleset, scoped)
				     : sizeof handled.files;
	const struct mr_needs none = {0};
	if (handled.files == 0 && handled.net == 0)
		return MR_OK;
	return enclose(&handled, size, &none, error);
}
