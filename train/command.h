// The command line of hiif-train.
#ifndef TRAIN_COMMAND_H_
#define TRAIN_COMMAND_H_

#include <atomic>
#include <iosfwd>

namespace hiif::train {

// Exit statuses.
inline constexpr int kExitFinished = 0;
inline constexpr int kExitFailed = 1;   // reason on `err`
inline constexpr int kExitUsage = 2;    // the command line
inline constexpr int kExitStopped = 3;  // by a signal or --minutes; the same --run goes on

// Runs hiif-train with these arguments. Options come, each overriding the one before, from their
// defaults, --preset or --config or the options of the run that goes on, and the command line.
// Where a run goes on, --preset and --config may be given once more but not change its course. A
// run without a checkpoint goes on with its options where neither is given.
int RunCommand(int argc, const char* const* argv, const std::atomic<bool>& stop, std::ostream& out,
               std::ostream& err);

}  // namespace hiif::train

#endif  // TRAIN_COMMAND_H_
