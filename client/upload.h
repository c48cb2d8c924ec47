// A picture in chunks: what UpscaleUpload and QueryUpload have in common. Internal to client/.
#ifndef CLIENT_UPLOAD_H_
#define CLIENT_UPLOAD_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "client/client.h"
#include "client/stall_watch.h"

namespace hiif::client {

constexpr size_t kChunkBytes = size_t{1} << 20;

// Of the file, or of the raw pixels' samples.
inline absl::string_view BytesOf(const ImageInput& image) {
  return image.raw != nullptr ? absl::string_view(image.raw->samples()) : image.encoded;
}

// Whether a request with it inside would be larger than `limit`.
inline bool MustUpload(const ImageInput& image, int64_t limit) {
  return static_cast<int64_t>(BytesOf(image).size()) > limit;
}

// The first message and those of the image; Request: UpscaleUploadRequest or QueryUploadRequest.
// False when the server closed the stream; its status says why.
template <typename Request, typename Stream>
bool SendUpload(const Request& first, const ImageInput& image, Stream* stream, StallWatch* watch) {
  const auto write = [&](const Request& message) {
    const StallWatch::Wait wait(watch);
    return stream->Write(message);
  };
  if (!write(first)) return false;
  Request message;
  if (image.raw != nullptr) {
    v1::RawImage* raw = message.mutable_raw();
    raw->set_width(image.raw->width());
    raw->set_height(image.raw->height());
    raw->set_channels(image.raw->channels());
    raw->set_sample_type(image.raw->sample_type());
    if (!write(message)) return false;
  }
  const absl::string_view bytes = BytesOf(image);
  for (size_t i = 0; i < bytes.size(); i += kChunkBytes) {
    message.set_chunk(std::string(bytes.substr(i, kChunkBytes)));
    if (!write(message)) return false;
  }
  return stream->WritesDone();
}

}  // namespace hiif::client

#endif  // CLIENT_UPLOAD_H_
