// Pieces of memory as one file for libvips. Internal to imaging.
#ifndef IMAGING_CONTAINER_PIECE_SOURCE_H_
#define IMAGING_CONTAINER_PIECE_SOURCE_H_

#include <memory>
#include <vector>
#include <vips/vips8>

#include "absl/strings/string_view.h"

namespace hiif {

class PieceSource {
 public:
  // The memory must outlive the source, and the source what reads from it.
  explicit PieceSource(std::vector<absl::string_view> pieces);
  PieceSource(const PieceSource&) = delete;
  PieceSource& operator=(const PieceSource&) = delete;

  const std::vector<absl::string_view>& pieces() const { return pieces_; }
  // A source at the start. One at a time is read.
  vips::VSource Open();

 private:
  static gint64 OnRead(VipsSourceCustom* source, void* buffer, gint64 bytes, gpointer self);
  static gint64 OnSeek(VipsSourceCustom* source, gint64 offset, int whence, gpointer self);

  std::vector<absl::string_view> pieces_;
  gint64 size_ = 0;
  size_t piece_ = 0;     // being read
  gint64 begin_ = 0;     // of it, in the whole
  gint64 position_ = 0;  // in the whole
};

}  // namespace hiif

#endif  // IMAGING_CONTAINER_PIECE_SOURCE_H_
