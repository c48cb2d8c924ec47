// hiif upscale --animation: all frames of a GIF, WebP or APNG to one file.
#ifndef CLIENT_CLI_ANIMATION_H_
#define CLIENT_CLI_ANIMATION_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/cli/outputs.h"
#include "client/cli/upscale_file.h"

namespace hiif::cli {

// Frames are composed here and go to the server one by one, job.frames_at_a_time under way; so
// many are in memory. The output is there when all are, or not at all. InvalidArgument: a format
// that holds no animation, damaged data.
absl::Status UpscaleAnimation(const UpscaleJob& job, int64_t index, absl::string_view bytes,
                              const OutputFile& output, FileResult* result);

}  // namespace hiif::cli

#endif  // CLIENT_CLI_ANIMATION_H_
