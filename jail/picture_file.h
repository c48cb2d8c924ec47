// The file of a picture, wherever it is decoded.
#ifndef JAIL_PICTURE_FILE_H_
#define JAIL_PICTURE_FILE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "imaging/decode.h"
#include "imaging/picture.h"
#include "imaging/probe.h"

namespace hiif {

// Whether nobody waits for the answer any more; asked often, must be quick. May be empty.
using IsCancelled = std::function<bool()>;

// Any thread. Errors are those of imaging/probe.h and imaging/decode.h, and what the way of
// decoding adds.
class PictureFile {
 public:
  virtual ~PictureFile() = default;
  virtual absl::StatusOr<ImageInfo> Probe(const ImageLimits& limits, std::optional<int> frame,
                                          const IsCancelled& cancelled) const = 0;
  // info: what Probe said of that frame; bounds what decoding may take.
  virtual absl::StatusOr<Picture> Decode(const ImageInfo& info,
                                         const DecodeOptions& options) const = 0;
  // Memory that it holds beside the bytes that it was opened with.
  virtual int64_t held_bytes() const { return 0; }
};

// Opens files. Outlives them.
class PictureOpener {
 public:
  virtual ~PictureOpener() = default;
  // The bytes must live as long as the file.
  virtual absl::StatusOr<std::unique_ptr<const PictureFile>> Open(absl::string_view bytes) = 0;
};

// In this process: for files that one trusts.
class TrustingOpener final : public PictureOpener {
 public:
  absl::StatusOr<std::unique_ptr<const PictureFile>> Open(absl::string_view bytes) override;
};

}  // namespace hiif

#endif  // JAIL_PICTURE_FILE_H_
