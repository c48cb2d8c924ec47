// The picture of a request: checked from its header, decoded when its turn comes.
#ifndef SERVER_CORE_IMAGE_INPUT_H_
#define SERVER_CORE_IMAGE_INPUT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "hiif/v1/super_resolution.pb.h"
#include "imaging/picture.h"
#include "jail/picture_file.h"
#include "server/core/plan.h"

namespace hiif::server {

struct InputOptions {
  int64_t max_pixels = 50'000'000;
  bool clip = false;  // floats to [0,1] instead of refusing those outside
  int frame = 0;      // of an animation or document, from 1; 0: a file of several is refused
  // Where files are read and decoded; raw pixels need none.
  PictureOpener* opener = nullptr;
  // Whether the call is over.
  IsCancelled cancelled;
};

// Borrows the bytes of the request it was made from, and the opener.
class ImageInput {
 public:
  // InvalidArgument naming the field ("image.encoded", "image.raw.width"), or of the opener;
  // decodes nothing.
  static absl::StatusOr<ImageInput> FromSource(const v1::ImageSource& source,
                                               const InputOptions& options);
  static absl::StatusOr<ImageInput> FromFile(absl::string_view bytes, absl::string_view field,
                                             const InputOptions& options);

  const ImageFacts& facts() const { return facts_; }
  int64_t pixels() const { return facts_.size.width * facts_.size.height; }
  int orientation() const { return orientation_; }
  const std::string& icc() const { return icc_; }
  // What of the file is left out, as its header tells.
  const std::vector<std::string>& warnings() const { return warnings_; }
  // Most host memory that decoding takes, the result included; the bytes the client sent not.
  int64_t decode_bytes() const { return decode_bytes_; }
  // Whether decoding may take a core longer than a second, by the format and the size: a file may
  // be made to take many times what another of its size does.
  bool slow_to_decode() const;
  // Of what the client sent, which the call holds to its end, and of the copy that decoding needs.
  int64_t source_bytes() const {
    return static_cast<int64_t>(bytes_.size()) + (file_ == nullptr ? 0 : file_->held_bytes());
  }

  // SHA-256 of what the client sent (of raw pixels: with their shape, of an animation: with the
  // frame). Takes 1 ms for a megabyte or two.
  std::string Digest() const;

  // InvalidArgument naming the field for damaged data; Cancelled when `cancelled` says so;
  // Unavailable with the reason NO_DECODER where the opener has no process.
  absl::StatusOr<Picture> Decode(bool convert_to_srgb, std::function<bool()> cancelled) const;

 private:
  ImageFacts facts_;
  int orientation_ = 1;
  std::string icc_;
  std::vector<std::string> warnings_;
  int64_t decode_bytes_ = 0;
  InputOptions options_;
  std::string field_;
  std::shared_ptr<const PictureFile> file_;  // nullptr: raw
  ImageInfo info_;                           // of the file
  absl::string_view bytes_;                  // of a file, or samples
};

}  // namespace hiif::server

#endif  // SERVER_CORE_IMAGE_INPUT_H_
