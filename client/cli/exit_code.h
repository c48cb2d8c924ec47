// What the command's exit status means.
#ifndef CLIENT_CLI_EXIT_CODE_H_
#define CLIENT_CLI_EXIT_CODE_H_

namespace hiif::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitSomeFailed = 1;  // each with its reason on standard error
inline constexpr int kExitUsage = 2;
inline constexpr int kExitUnreachable = 3;  // no server answers, or the private one does not start
inline constexpr int kExitHungUp = 129;     // SIGHUP
inline constexpr int kExitInterrupted = 130;  // SIGINT
inline constexpr int kExitTerminated = 143;   // SIGTERM

}  // namespace hiif::cli

#endif  // CLIENT_CLI_EXIT_CODE_H_
