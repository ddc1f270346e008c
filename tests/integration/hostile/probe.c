/* Tries what a build step must not be able to do; prints how each attempt ended, for a test to read. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static void say(const char *name, long result) {
    printf("> %s %s\n", name, result < 0 ? strerrorname_np(errno) : "OK");
    fflush(stdout);
}

#define CALL(name, ...) say(#name, syscall(SYS_##name, ##__VA_ARGS__))

static void calls(void) {
    static const struct { const char *name; unsigned long flag; } spaces[] = {
        {"user", CLONE_NEWUSER}, {"mount", CLONE_NEWNS}, {"network", CLONE_NEWNET},
        {"pid", CLONE_NEWPID}, {"uts", CLONE_NEWUTS}, {"ipc", CLONE_NEWIPC},
        {"cgroup", CLONE_NEWCGROUP}};
    char name[40];
    for (size_t n = 0; n < sizeof spaces / sizeof *spaces; n++) {
        sprintf(name, "unshare-%s", spaces[n].name);
        say(name, syscall(SYS_unshare, spaces[n].flag));
        long child = syscall(SYS_clone, spaces[n].flag | SIGCHLD, 0, 0, 0, 0);
        if (child == 0) _exit(0);
        sprintf(name, "clone-%s", spaces[n].name);
        say(name, child);
    }
    CALL(clone3, 0, 0);
    CALL(setns, 0, 0);
    CALL(mount, "none", "/tmp", "tmpfs", 0, 0);
    CALL(umount2, "/proc", 2);
    CALL(pivot_root, "/", "/");
    CALL(open_tree, -100, "/", 0);
    CALL(fsopen, "tmpfs", 0);
    CALL(move_mount, -1, "", -1, "", 0);
    CALL(mount_setattr, -1, "", 0, 0, 0);
    CALL(keyctl, 0, -3, 0, 0, 0);
    CALL(add_key, "user", "probe", "x", 1, -3);
    CALL(request_key, "user", "probe", 0, 0);
    CALL(bpf, 0, 0, 0);
    CALL(perf_event_open, 0, 0, 0, 0, 0);
    CALL(userfaultfd, 0);
    CALL(io_uring_setup, 1, 0);
    CALL(kexec_load, 0, 0, 0, 0);
    CALL(init_module, 0, 0, 0);
    CALL(finit_module, 0, 0, 0);
    CALL(delete_module, "x", 0);
    CALL(open_by_handle_at, -1, 0, 0);
    CALL(name_to_handle_at, -100, "/", 0, 0, 0);
    CALL(reboot, 0, 0, 0, 0);
    CALL(swapon, "/x", 0);
    CALL(acct, 0);
    CALL(settimeofday, 0, 0);
    CALL(sethostname, "x", 1);
    CALL(syslog, 3, 0, 0);
    CALL(quotactl, 0, 0, 0, 0);
    CALL(pidfd_getfd, 0, 0, 0);
    CALL(kcmp, 1, 1, 0, 0, 0);
    CALL(personality, 0x0040000);
    CALL(personality, 0xffffffff);
    say("newer-467", syscall(467, 0, 0, 0));
    say("newer-600", syscall(600, 0, 0, 0));
    say("socket-vsock", socket(AF_VSOCK, SOCK_STREAM, 0));
    say("socket-alg", socket(AF_ALG, SOCK_SEQPACKET, 0));
    say("socket-unix", socket(AF_UNIX, SOCK_STREAM, 0));
    say("socket-inet", socket(AF_INET, SOCK_STREAM, 0));
    say("ptrace-own", syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0));
    say("terminal", ioctl(0, TIOCSTI, "x"));
}

/* The same through the other doors of the kernel: 32-bit calls, and those of the x32 machine. */
static void doors(void) {
#ifdef __x86_64__
    if (fork() == 0) { /* without such calls the kernel ends this process */
        long result;
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(310L), "b"(0x10000000L) : "memory");
        errno = (int)-result;
        say("unshare-32", result < 0 ? -1 : 0);
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(600L) : "memory");
        errno = (int)-result;
        say("newer-32", result < 0 ? -1 : 0);
        _exit(0);
    }
    wait(0);
    say("unshare-x32", syscall(0x40000000 | SYS_unshare, CLONE_NEWUSER));
#endif
}

static void connect_to(const char *name, int is_abstract) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(address.sun_path + is_abstract, name);
    socklen_t length = offsetof(struct sockaddr_un, sun_path) + is_abstract + strlen(name);
    say("connect", connect(descriptor, (struct sockaddr *)&address, length));
}

/* Open, never write: every file below a folder that lets itself be opened for writing. */
static void openable(const char *folder) {
    DIR *listing = opendir(folder);
    struct dirent *item;
    char path[4096];
    while (listing && (item = readdir(listing))) {
        if (item->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, item->d_name);
        if (item->d_type == DT_DIR) openable(path);
        if (item->d_type != DT_REG) continue;
        int descriptor = open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW);
        if (descriptor >= 0) printf("> writable %s\n", path);
        if (descriptor >= 0) close(descriptor);
    }
    if (listing) closedir(listing);
}

static void device(const char *kind, const char *major, const char *minor) {
    mode_t mode = 0600 | (*kind == 'b' ? S_IFBLK : S_IFCHR);
    if (mknod("/node", mode, makedev(atoi(major), atoi(minor))) < 0) {
        say("device", -1);
        return;
    }
    say("device", open("/node", O_RDONLY | O_NONBLOCK));
    unlink("/node");
}

static void descriptors(void) {
    for (int number = 3; number < 1024; number++)
        if (fcntl(number, F_GETFD) >= 0) printf("> open %d\n", number);
    printf("> session %s\n", getsid(0) == 0 || getsid(0) == getpid() || getsid(0) == 1 ? "own" : "host");
    printf("> terminal %d\n", open("/dev/tty", O_RDWR) >= 0);
}

static void identity(void) {
    char line[256];
    FILE *file = fopen("/proc/self/status", "r");
    printf("> user %d\n", geteuid());
    while (fgets(line, sizeof line, file))
        if (!strncmp(line, "CapEff", 6)) printf("> %s", line);
    say("unshare", unshare(CLONE_NEWUSER));
    say("mount", syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, 0));
}

int main(int count, char **words) {
    const char *what = count > 1 ? words[1] : "";
    if (!strcmp(what, "calls")) calls();
    if (!strcmp(what, "doors")) doors();
    if (!strcmp(what, "abstract")) connect_to(words[2], 1);
    if (!strcmp(what, "path")) connect_to(words[2], 0);
    if (!strcmp(what, "openable")) openable(words[2]);
    if (!strcmp(what, "device")) device(words[2], words[3], words[4]);
    if (!strcmp(what, "shm")) say("shm", shmget(atoi(words[2]), 0, 0));
    if (!strcmp(what, "kill")) say("kill", kill(atoi(words[2]), 0));
    if (!strcmp(what, "trace")) say("trace", ptrace(PTRACE_SEIZE, atoi(words[2]), 0, 0));
    if (!strcmp(what, "note"))
        say("note", setxattr(words[2], words[3], words[4], strlen(words[4]), 0));
    if (!strcmp(what, "identity")) identity();
    if (!strcmp(what, "descriptors")) descriptors();
    return 0;
}
