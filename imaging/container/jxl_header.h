// The beginning of a JPEG XL codestream (ISO/IEC 18181-1): what decoders do not hand on. Internal
// to imaging.
#ifndef IMAGING_CONTAINER_JXL_HEADER_H_
#define IMAGING_CONTAINER_JXL_HEADER_H_

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"

namespace hiif {

// Of table D.9.
enum class JxlChannel { kAlpha = 0, kDepth = 1, kSpotColour = 2, kBlack = 4 };

struct JxlHeader {
  bool animation = false;
  bool grey = false;
  std::vector<JxlChannel> extra;  // channels behind the colours; other values than above may come
  bool associated = false;        // colours are multiplied with the first alpha
  bool Has(JxlChannel kind) const {
    return std::find(extra.begin(), extra.end(), kind) != extra.end();
  }
};

// codestream: from its signature ("\xff\x0a") on. Nothing where it is cut, or no such thing.
std::optional<JxlHeader> ReadJxlHeader(absl::string_view codestream);

}  // namespace hiif

#endif  // IMAGING_CONTAINER_JXL_HEADER_H_
