#include "jail/confine.h"

#include <asm/sockios.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/error_text.h"
#include "base/status_macros.h"

namespace hiif {
namespace {

// System calls that reach beyond the process. A list of what is allowed would be shorter and break
// with every new libc; what is left here is memory, threads, time and the descriptors that are
// open.
// Signals that abort() and threads send are left, see DenySignals().
constexpr const char* kDenied[] = {
    // files and folders
    "open", "openat", "openat2", "creat", "open_by_handle_at", "name_to_handle_at", "unlink",
    "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat",
    "mkdir", "mkdirat", "rmdir", "mknod", "mknodat", "chmod", "fchmod", "fchmodat", "chown",
    "lchown", "fchown", "fchownat", "truncate", "setxattr", "lsetxattr", "fsetxattr", "removexattr",
    "lremovexattr", "fremovexattr", "utime", "utimes", "futimesat", "utimensat", "mount", "umount2",
    "mount_setattr", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick",
    "pivot_root", "chroot", "chdir", "fchdir", "swapon", "swapoff", "memfd_create", "memfd_secret",
    "inotify_init", "inotify_init1", "fanotify_init", "acct", "quotactl", "quotactl_fd",
    // memory, queues and semaphores that processes share
    "mq_open", "mq_unlink", "msgget", "msgctl", "msgsnd", "msgrcv", "semget", "semctl", "semop",
    "semtimedop", "shmget", "shmat", "shmctl",
    // network
    "socket", "socketpair", "connect", "bind", "listen", "accept", "accept4",
    // other processes
    "fork", "vfork", "execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev",
    "kill", "tkill", "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "setpriority",
    "sched_setscheduler", "sched_setparam", "sched_setattr", "sched_setaffinity", "ioprio_set",
    "migrate_pages", "move_pages", "process_madvise", "process_mrelease", "setpgid", "setsid",
    "prlimit64", "setrlimit", "unshare", "setns", "kcmp",
    // the kernel
    "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "keyctl", "add_key", "request_key",
    "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot",
    "syslog", "sethostname", "setdomainname", "vhangup", "iopl", "ioperm", "settimeofday",
    "clock_settime", "adjtimex", "clock_adjtime", "personality", "modify_ldt", "setuid", "setgid",
    "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid", "setgroups",
    "capset"};

// Those of newer kernels, which an older libseccomp does not know by name. Every architecture
// numbers them alike.
constexpr int kDeniedNumbers[] = {
    452,  // fchmodat2
    463,  // setxattrat
    466,  // removexattrat
    467,  // open_tree_attr
    469,  // file_setattr
};

// Signals to others than this process, sent by itself or, through a descriptor of which it says who
// is to be told, by the kernel.
int DenySignals(scmp_filter_ctx filter) {
  const auto deny = [filter](int call, scmp_arg_cmp argument) {
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), call, 1, argument);
  };
  int error = 0;
  for (const int call : {SCMP_SYS(tgkill), SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(rt_tgsigqueueinfo)})
    if (error == 0) error = deny(call, SCMP_A0(SCMP_CMP_NE, static_cast<scmp_datum_t>(getpid())));
  for (const int command : {F_SETOWN, F_SETOWN_EX, F_SETSIG})
    if (error == 0)
      error = deny(SCMP_SYS(fcntl),
                   SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, static_cast<scmp_datum_t>(command)));
  for (const int command : {FIOSETOWN, SIOCSPGRP})
    if (error == 0)
      error = deny(SCMP_SYS(ioctl),
                   SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, static_cast<scmp_datum_t>(command)));
  return error;
}

// Of this thread and those that it starts: what root may do beyond its own files.
absl::Status DropCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capset, &header, none) == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("cannot give capabilities up: ", ErrorText(errno)));
}

}  // namespace

absl::Status Confine() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  HIIF_RETURN_IF_ERROR(DropCapabilities());
  const std::unique_ptr<void, void (*)(scmp_filter_ctx)> filter(seccomp_init(SCMP_ACT_ALLOW),
                                                                seccomp_release);
  if (filter == nullptr) return absl::UnavailableError("seccomp: cannot make a filter");
  int error = 0;
  for (const char* name : kDenied) {
    const int call = seccomp_syscall_resolve_name(name);
    // Names that this architecture or library does not know need no denial.
    if (call == __NR_SCMP_ERROR || call < 0) continue;
    if (error == 0) error = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EACCES), call, 0);
  }
  for (const int call : kDeniedNumbers)
    if (error == 0) error = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EACCES), call, 0);
  if (error == 0) error = DenySignals(filter.get());
  // Threads, but no processes. glibc falls back from clone3, whose flags a filter cannot see.
  if (error == 0)
    error = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EACCES), SCMP_SYS(clone), 1,
                             SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
  if (error == 0)
    error = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
  // Sets PR_SET_NO_NEW_PRIVS too.
  if (error == 0) error = seccomp_load(filter.get());
  if (error != 0)
    return absl::UnavailableError(absl::StrCat("seccomp: ", ErrorText(error < 0 ? -error : error)));
  return absl::OkStatus();
}

}  // namespace hiif
