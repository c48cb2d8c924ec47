#include "imaging/container/piece_source.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

namespace hiif {

PieceSource::PieceSource(std::vector<absl::string_view> pieces) : pieces_(std::move(pieces)) {
  for (const absl::string_view piece : pieces_) size_ += static_cast<gint64>(piece.size());
}

vips::VSource PieceSource::Open() {
  if (pieces_.size() == 1)
    return vips::VSource::new_from_memory(pieces_[0].data(), pieces_[0].size());
  piece_ = 0;
  begin_ = position_ = 0;
  VipsSourceCustom* custom = vips_source_custom_new();
  g_signal_connect(custom, "read", G_CALLBACK(OnRead), this);
  g_signal_connect(custom, "seek", G_CALLBACK(OnSeek), this);
  return vips::VSource(VIPS_SOURCE(custom));
}

gint64 PieceSource::OnRead(VipsSourceCustom*, void* buffer, gint64 bytes, gpointer self) {
  auto* me = static_cast<PieceSource*>(self);
  gint64 done = 0;
  while (done < bytes && me->position_ < me->size_) {
    const absl::string_view piece = me->pieces_[me->piece_];
    const gint64 at = me->position_ - me->begin_;
    const gint64 some = std::min<gint64>(bytes - done, static_cast<gint64>(piece.size()) - at);
    std::memcpy(static_cast<char*>(buffer) + done, piece.data() + at, some);
    done += some;
    me->position_ += some;
    if (at + some == static_cast<gint64>(piece.size())) {
      me->begin_ = me->position_;
      ++me->piece_;
    }
  }
  return done;
}

gint64 PieceSource::OnSeek(VipsSourceCustom*, gint64 offset, int whence, gpointer self) {
  auto* me = static_cast<PieceSource*>(self);
  const gint64 target = whence == SEEK_SET   ? offset
                        : whence == SEEK_CUR ? me->position_ + offset
                                             : me->size_ + offset;
  if (target < 0 || target > me->size_) return -1;
  me->position_ = target;
  me->piece_ = 0;
  me->begin_ = 0;
  while (me->piece_ < me->pieces_.size() &&
         target - me->begin_ >= static_cast<gint64>(me->pieces_[me->piece_].size()))
    me->begin_ += static_cast<gint64>(me->pieces_[me->piece_++].size());
  return target;
}

}  // namespace hiif
