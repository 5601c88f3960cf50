/* A fault at a chosen call of a real process: put before the C library with LD_PRELOAD.
 *
 * Every call by which a process changes files below one directory, or speaks to the network, is counted over
 * all its threads, and logged. At the chosen one the process is killed, or the call fails. Nothing happens
 * until `faultline_arm` was called, and nothing in processes that this one starts. Where the process replaces
 * its program (a reload), the new one goes on counting.
 *
 * With a shadow directory the calls on files are made one at a time and the log tells what a power failure
 * would leave: the content of a file as it was at its last sync, and each change of a name since the last sync
 * of its directory.
 *
 * Log, one line each, members parted by tabs:
 *     N  thread  call  path            before the call is made
 *     =  call  inode  path [more]      after it worked, for a power failure; more: new path, number in the shadow
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum { SYNC = 1, SPACE = 2, NAME = 4, OTHER = 8, NET = 16, TAG = 32, THREAD = 64, DESCRIPTOR = 128 };

static struct {
    int armed, kill, code, lasting, classes, log;
    pid_t pid;
    long at;
    char root[PATH_MAX], shadow[PATH_MAX], healed[PATH_MAX], log_path[PATH_MAX];
    size_t root_length;
} plan;
static long counted;
static unsigned long synced;
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* `code` 0 kills. Faults are over as soon as the file `healed` exists. An empty `shadow` is none. */
void faultline_arm(const char *root, const char *log, const char *shadow, const char *healed, int classes,
                   long at, int code, int lasting)
{
    snprintf(plan.root, sizeof plan.root, "%s", root);
    plan.root_length = strlen(plan.root);
    snprintf(plan.shadow, sizeof plan.shadow, "%s", shadow);
    snprintf(plan.healed, sizeof plan.healed, "%s", healed);
    snprintf(plan.log_path, sizeof plan.log_path, "%s", log);
    plan.log = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    plan.classes = classes;
    plan.at = at;
    plan.kill = code == 0;
    plan.code = code;
    plan.lasting = lasting;
    plan.pid = getpid();
    counted = 0;
    plan.armed = 1;
}

static void say(const char *form, ...)
{
    char line[3 * PATH_MAX];
    va_list members;
    va_start(members, form);
    int length = vsnprintf(line, sizeof line, form, members);
    va_end(members);
    syscall(SYS_write, plan.log, line, length);
}

/* The path of a name below a directory that is open; nothing when it is not below the root. */
static int path_at(int directory, const char *name, char *path)
{
    char link[64];
    path[0] = 0;
    if (name && name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
    } else {
        if (directory == AT_FDCWD)
            snprintf(link, sizeof link, "/proc/self/cwd");
        else
            snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
        ssize_t length = syscall(SYS_readlink, link, path, PATH_MAX - 1);
        if (length < 0)
            return 0;
        path[length] = 0;
        if (name && strlen(path) + strlen(name) + 2 < PATH_MAX) {
            strcat(path, "/");
            strcat(path, name);
        }
    }
    size_t length = plan.root_length;
    return strncmp(path, plan.root, length) == 0 && (path[length] == '/' || path[length] == 0);
}

static int watched(void) { return plan.armed && plan.pid == getpid(); }

static int file_path(int file, char *path)
{
    struct stat about;
    if (!watched() || file <= 2 || file == plan.log)
        return 0;
    if (fstat(file, &about) != 0 || !(S_ISREG(about.st_mode) || S_ISDIR(about.st_mode)))
        return 0;
    return path_at(file, NULL, path);
}

/* Count a call. Returns 0 to go on, else the error it fails with; does not return where the process dies. */
static int step(int class, const char *call, const char *path)
{
    if (!(class & plan.classes))
        return 0;
    long number = __sync_add_and_fetch(&counted, 1);
    const char *thread = syscall(SYS_gettid) == plan.pid ? "main" : "lane";
    say("%ld\t%s\t%s\t%s\n", number, thread, call, path);
    if (number != plan.at && !(plan.lasting && plan.at && number > plan.at))
        return 0;
    if (plan.kill) {
        syscall(SYS_kill, plan.pid, SIGKILL);
        for (;;)
            syscall(SYS_pause);
    }
    if (plan.healed[0] && syscall(SYS_access, plan.healed, F_OK) == 0)
        return 0;
    return plan.code;
}

static unsigned long inode_of(int file)
{
    struct stat about;
    return fstat(file, &about) == 0 ? about.st_ino : 0;
}

static unsigned long inode_at(int directory, const char *name)
{
    struct stat about;
    return fstatat(directory, name, &about, AT_SYMLINK_NOFOLLOW) == 0 ? about.st_ino : 0;
}

/* Keep the content a file has at its sync. */
static void keep(int file, unsigned long number)
{
    struct stat about;
    char kept[PATH_MAX + 32], beside[PATH_MAX + 32], self[64];
    static char chunk[1 << 16];
    if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode))
        return;
    snprintf(kept, sizeof kept, "%s/%lu", plan.shadow, number);
    snprintf(beside, sizeof beside, "%s/new", plan.shadow);
    snprintf(self, sizeof self, "/proc/self/fd/%d", file);
    int from = syscall(SYS_openat, AT_FDCWD, self, O_RDONLY);
    int to = syscall(SYS_openat, AT_FDCWD, beside, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    for (ssize_t length; (length = syscall(SYS_read, from, chunk, sizeof chunk)) > 0;)
        syscall(SYS_write, to, chunk, length);
    syscall(SYS_close, from);
    syscall(SYS_close, to);
    syscall(SYS_rename, beside, kept);
}

static void begin(void)
{
    if (plan.shadow[0])
        pthread_mutex_lock(&one_at_a_time);
}

static void end(void)
{
    if (plan.shadow[0])
        pthread_mutex_unlock(&one_at_a_time);
}

#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define FAIL(code)                                                                                            \
    do {                                                                                                      \
        end();                                                                                                \
        errno = code;                                                                                         \
        return -1;                                                                                            \
    } while (0)

/* A call on an open file. */
#define ON_FILE(type, name, class, parameters, arguments, file)                                               \
    type name parameters                                                                                      \
    {                                                                                                         \
        REAL(name);                                                                                           \
        char path[PATH_MAX];                                                                                  \
        if (!file_path(file, path))                                                                           \
            return real arguments;                                                                            \
        begin();                                                                                              \
        int code = step(class, #name, path);                                                                  \
        if (code)                                                                                             \
            FAIL(code);                                                                                       \
        type result = real arguments;                                                                         \
        if ((class) == SYNC && result == 0 && plan.shadow[0]) {                                               \
            keep(file, ++synced);                                                                             \
            say("=\tsync\t%lu\t%s\t%lu\n", inode_of(file), path, synced);                                     \
        } else if ((class) == TAG && result == 0 && plan.shadow[0]) {                                         \
            say("=\ttag\t%lu\t%s\n", inode_of(file), path);                                                   \
        }                                                                                                     \
        end();                                                                                                \
        return result;                                                                                        \
    }

ON_FILE(int, fsync, SYNC, (int file), (file), file)
ON_FILE(int, fdatasync, SYNC, (int file), (file), file)
ON_FILE(ssize_t, write, SPACE, (int file, const void *from, size_t size), (file, from, size), file)
ON_FILE(ssize_t, writev, SPACE, (int file, const struct iovec *from, int count), (file, from, count), file)
ON_FILE(ssize_t, pwrite, SPACE, (int file, const void *from, size_t size, off_t at), (file, from, size, at), file)
ON_FILE(ssize_t, pwrite64, SPACE, (int file, const void *from, size_t size, off64_t at), (file, from, size, at), file)
ON_FILE(ssize_t, pwritev, SPACE, (int file, const struct iovec *from, int count, off_t at), (file, from, count, at), file)
ON_FILE(ssize_t, pwritev64, SPACE, (int file, const struct iovec *from, int count, off64_t at), (file, from, count, at), file)
ON_FILE(ssize_t, splice, SPACE, (int source, off64_t *from, int file, off64_t *at, size_t size, unsigned flags), (source, from, file, at, size, flags), file)
ON_FILE(ssize_t, copy_file_range, SPACE, (int source, off64_t *from, int file, off64_t *at, size_t size, unsigned flags), (source, from, file, at, size, flags), file)
ON_FILE(int, fallocate, SPACE, (int file, int mode, off_t at, off_t size), (file, mode, at, size), file)
ON_FILE(int, fallocate64, SPACE, (int file, int mode, off64_t at, off64_t size), (file, mode, at, size), file)
ON_FILE(int, ftruncate, OTHER, (int file, off_t size), (file, size), file)
ON_FILE(int, ftruncate64, OTHER, (int file, off64_t size), (file, size), file)
ON_FILE(int, fchmod, OTHER, (int file, mode_t mode), (file, mode), file)
ON_FILE(int, fchown, OTHER, (int file, uid_t owner, gid_t group), (file, owner, group), file)
ON_FILE(int, fsetxattr, TAG, (int file, const char *name, const void *value, size_t size, int flags), (file, name, value, size, flags), file)
ON_FILE(int, flock, OTHER, (int file, int how), (file, how), file)

int fsetxattr(int, const char *, const void *, size_t, int);
int flock(int, int);

/* posix_fallocate returns its error. */
static int allocated(int file, off64_t at, off64_t size, int (*real)(int, off64_t, off64_t))
{
    char path[PATH_MAX];
    if (!file_path(file, path))
        return real(file, at, size);
    begin();
    int code = step(SPACE, "posix_fallocate", path);
    int result = code ? code : real(file, at, size);
    end();
    return result;
}

int posix_fallocate(int file, off_t at, off_t size)
{
    REAL(posix_fallocate);
    return allocated(file, at, size, real);
}

int posix_fallocate64(int file, off64_t at, off64_t size)
{
    REAL(posix_fallocate64);
    return allocated(file, at, size, real);
}

/* Opening; only what is new counts as needing room. */
static int opened(int directory, const char *name, int flags, mode_t mode)
{
    char path[PATH_MAX];
    if (!watched() || !path_at(directory, name, path))
        return syscall(SYS_openat, directory, name, flags, mode);
    begin();
    int new = (flags & O_CREAT) && !inode_at(directory, name);
    int code = step((flags & O_CREAT ? SPACE : OTHER) | DESCRIPTOR, flags & O_CREAT ? "create" : "open", path);
    if (code)
        FAIL(code);
    int file = syscall(SYS_openat, directory, name, flags, mode);
    if (file >= 0 && new && plan.shadow[0])
        say("=\tcreate\t%lu\t%s\n", inode_of(file), path);
    end();
    return file;
}

#define OPEN(name, parameters, directory)                                                                     \
    int name parameters                                                                                       \
    {                                                                                                         \
        va_list rest;                                                                                         \
        va_start(rest, flags);                                                                                \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;                             \
        va_end(rest);                                                                                         \
        return opened(directory, path, flags, mode);                                                          \
    }

OPEN(open, (const char *path, int flags, ...), AT_FDCWD)
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD)
OPEN(openat, (int directory, const char *path, int flags, ...), directory)
OPEN(openat64, (int directory, const char *path, int flags, ...), directory)

/* Changing a name. */
static int renamed(int from, const char *old, int to, const char *new, unsigned flags)
{
    char was[PATH_MAX], is[PATH_MAX];
    int ours = watched() && path_at(to, new, is) && path_at(from, old, was);
    if (!ours)
        return syscall(SYS_renameat2, from, old, to, new, flags);
    begin();
    int code = step(NAME, "rename", is);
    if (code)
        FAIL(code);
    int result = syscall(SYS_renameat2, from, old, to, new, flags);
    if (result == 0 && plan.shadow[0])
        say("=\trename\t%lu\t%s\t%s\n", inode_at(to, new), was, is);
    end();
    return result;
}

int rename(const char *old, const char *new) { return renamed(AT_FDCWD, old, AT_FDCWD, new, 0); }
int renameat(int from, const char *old, int to, const char *new) { return renamed(from, old, to, new, 0); }
int renameat2(int from, const char *old, int to, const char *new, unsigned flags)
{
    return renamed(from, old, to, new, flags);
}

static int linked(int from, const char *old, int to, const char *new, int flags)
{
    char path[PATH_MAX];
    if (!watched() || !path_at(to, new, path))
        return syscall(SYS_linkat, from, old, to, new, flags);
    begin();
    int code = step(NAME, "link", path);
    if (code)
        FAIL(code);
    int result = syscall(SYS_linkat, from, old, to, new, flags);
    if (result == 0 && plan.shadow[0])
        say("=\tlink\t%lu\t%s\n", inode_at(to, new), path);
    end();
    return result;
}

int link(const char *old, const char *new) { return linked(AT_FDCWD, old, AT_FDCWD, new, 0); }
int linkat(int from, const char *old, int to, const char *new, int flags)
{
    return linked(from, old, to, new, flags);
}

static int unlinked(int directory, const char *name, int flags)
{
    char path[PATH_MAX];
    if (!watched() || !path_at(directory, name, path))
        return syscall(SYS_unlinkat, directory, name, flags);
    begin();
    unsigned long inode = inode_at(directory, name);
    int code = step(OTHER, flags & AT_REMOVEDIR ? "rmdir" : "unlink", path);
    if (code)
        FAIL(code);
    int result = syscall(SYS_unlinkat, directory, name, flags);
    if (result == 0 && plan.shadow[0])
        say("=\tunlink\t%lu\t%s\n", inode, path);
    end();
    return result;
}

int unlink(const char *name) { return unlinked(AT_FDCWD, name, 0); }
int unlinkat(int directory, const char *name, int flags) { return unlinked(directory, name, flags); }
int rmdir(const char *name) { return unlinked(AT_FDCWD, name, AT_REMOVEDIR); }

static int made(int directory, const char *name, mode_t mode)
{
    char path[PATH_MAX];
    if (!watched() || !path_at(directory, name, path))
        return syscall(SYS_mkdirat, directory, name, mode);
    begin();
    int code = step(NAME, "mkdir", path);
    if (code)
        FAIL(code);
    int result = syscall(SYS_mkdirat, directory, name, mode);
    if (result == 0 && plan.shadow[0])
        say("=\tmkdir\t%lu\t%s\n", inode_at(directory, name), path);
    end();
    return result;
}

int mkdir(const char *name, mode_t mode) { return made(AT_FDCWD, name, mode); }
int mkdirat(int directory, const char *name, mode_t mode) { return made(directory, name, mode); }

int chmod(const char *name, mode_t mode)
{
    char path[PATH_MAX];
    if (!watched() || !path_at(AT_FDCWD, name, path))
        return syscall(SYS_fchmodat, AT_FDCWD, name, mode);
    begin();
    int code = step(OTHER, "chmod", path);
    if (code)
        FAIL(code);
    int result = syscall(SYS_fchmodat, AT_FDCWD, name, mode);
    end();
    return result;
}

/* A socket that has a name. */
int bind(int s, const struct sockaddr *to, socklen_t size)
{
    char path[PATH_MAX];
    const char *name = ((const struct sockaddr_un *)to)->sun_path;
    if (!watched() || to->sa_family != AF_UNIX || size <= sizeof to->sa_family || !path_at(AT_FDCWD, name, path))
        return syscall(SYS_bind, s, to, size);
    begin();
    int code = step(NAME, "bind", path);
    if (code)
        FAIL(code);
    int result = syscall(SYS_bind, s, to, size);
    end();
    return result;
}

/* Speaking to the network; nothing of it is under the lock, because it may wait. */
#define ON_SOCKET(type, name, parameters, arguments)                                                          \
    type name parameters                                                                                      \
    {                                                                                                         \
        REAL(name);                                                                                           \
        int code = watched() ? step(NET, #name, "network") : 0;                                               \
        if (code) {                                                                                           \
            errno = code;                                                                                     \
            return -1;                                                                                        \
        }                                                                                                     \
        return real arguments;                                                                                \
    }

ON_SOCKET(int, connect, (int s, const struct sockaddr *to, socklen_t size), (s, to, size))
ON_SOCKET(ssize_t, send, (int s, const void *from, size_t size, int flags), (s, from, size, flags))
ON_SOCKET(ssize_t, sendto, (int s, const void *from, size_t size, int flags, const struct sockaddr *to, socklen_t length), (s, from, size, flags, to, length))
ON_SOCKET(ssize_t, sendmsg, (int s, const struct msghdr *what, int flags), (s, what, flags))
ON_SOCKET(ssize_t, recv, (int s, void *to, size_t size, int flags), (s, to, size, flags))
ON_SOCKET(ssize_t, recvfrom, (int s, void *to, size_t size, int flags, struct sockaddr *from, socklen_t *length), (s, to, size, flags, from, length))

/* What the next program of this process must know, in its environment. */
#define KNOWN "FAULTLINE"

static void pass_on(void)
{
    char known[5 * PATH_MAX];
    snprintf(known, sizeof known, "%d\n%ld\n%lu\n%d\n%ld\n%d\n%d\n%s\n%s\n%s\n%s\n", (int)plan.pid, counted,
             synced, plan.classes, plan.at, plan.kill ? 0 : plan.code, plan.lasting, plan.root, plan.log_path,
             plan.shadow, plan.healed);
    setenv(KNOWN, known, 1);
}

__attribute__((constructor)) static void take_up(void)
{
    char known[5 * PATH_MAX], *rest = known, *member[11];
    const char *given = getenv(KNOWN);
    if (!given || atoi(given) != getpid())
        return;
    snprintf(known, sizeof known, "%s", given);
    for (int i = 0; i < 11; i++)
        if (!(member[i] = strsep(&rest, "\n")))
            return;
    faultline_arm(member[7], member[8], member[9], member[10], atoi(member[3]), atol(member[4]),
                  atoi(member[5]), atoi(member[6]));
    counted = atol(member[1]);
    synced = strtoul(member[2], NULL, 10);
}

int execv(const char *program, char *const arguments[])
{
    REAL(execv);
    int code = watched() ? step(OTHER, "exec", "process") : 0;
    if (code) {
        errno = code;
        return -1;
    }
    if (watched())
        pass_on();
    return real(program, arguments);
}

/* What a process may have too many of. */
int socket(int family, int type, int protocol)
{
    int code = watched() ? step(DESCRIPTOR, "socket", "network") : 0;
    if (code) {
        errno = code;
        return -1;
    }
    return syscall(SYS_socket, family, type, protocol);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *), void *with)
{
    REAL(pthread_create);
    int code = watched() ? step(THREAD, "pthread_create", "thread") : 0;
    return code ? code : real(thread, how, run, with);
}
