// The subcommands of hiif-data: packed data sets for hiif-train.
#ifndef EVAL_DATA_COMMANDS_H_
#define EVAL_DATA_COMMANDS_H_

#include <atomic>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace hiif::eval {

struct PackOptions {
  std::vector<std::string> sources;  // image files, and folders that are searched to the bottom
  std::string output;
  std::string hold_out;    // a second data set, for validation; empty: none
  int64_t every = 20;      // which image of so many goes there
  int64_t min_side = 192;  // pixels, after shrinking; smaller images are left out: 4 times a patch
  // Each image is made so many times smaller (bicubic), against artefacts; once for every value.
  std::vector<int64_t> shrink = {1};
};

// Decodes the images, in the order of their names, to 8-bit sRGB. A line on `log` for each file
// that is left out, with the reason, and one that sums up. InvalidArgument: nothing to pack, or
// options out of range. Cancelled: `stop` became true, and nothing is left; null: never.
absl::Status Pack(const PackOptions& options, const std::atomic<bool>* stop, std::ostream& log);

// What a data set holds, its checksums verified.
absl::Status Info(const std::string& path, std::ostream& out);

// An image resized as Pillow's BICUBIC would, as a binary PPM file.
absl::Status Resize(const std::string& input, const std::string& output, int64_t width,
                    int64_t height);

}  // namespace hiif::eval

#endif  // EVAL_DATA_COMMANDS_H_
