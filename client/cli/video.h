// hiif upscale --y4m: frames of a pipe, in order.
#ifndef CLIENT_CLI_VIDEO_H_
#define CLIENT_CLI_VIDEO_H_

#include "client/cli/flags.h"
#include "client/cli/interrupt.h"

namespace hiif::cli {

// The exit code. jobs: frames under way at a time, each of which is in memory.
int RunVideo(const UpscaleFlags& flags, int jobs, const Interrupt& interrupt);

}  // namespace hiif::cli

#endif  // CLIENT_CLI_VIDEO_H_
