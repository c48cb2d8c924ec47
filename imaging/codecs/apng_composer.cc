#include "imaging/codecs/apng_composer.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "imaging/codecs/loader.h"
#include "imaging/container/container.h"

namespace hiif {

absl::StatusOr<std::unique_ptr<ApngComposer>> ApngComposer::Create(absl::string_view bytes,
                                                                   const ImageLimits& limits,
                                                                   const ImageInfo& info) {
  HIIF_ASSIGN_OR_RETURN(Apng apng, ReadApng(bytes));
  if (apng.canvas != info.stored)
    return absl::InvalidArgumentError("the animation in the PNG has two sizes");
  if (std::ssize(apng.frames) < info.frames)
    return absl::InvalidArgumentError("the animation in the PNG is damaged (frames are missing)");
  apng.frames.resize(info.frames);
  return std::unique_ptr<ApngComposer>(new ApngComposer(std::move(apng), limits, info));
}

ApngComposer::ApngComposer(Apng apng, const ImageLimits& limits, const ImageInfo& info)
    : apng_(std::move(apng)),
      limits_(limits),
      type_(info.type),
      frame_channels_(info.channels),
      channels_(info.channels + (!info.has_alpha() && ShowsBackground() ? 1 : 0)) {}

// Whether the transparent canvas is seen although the pictures are opaque.
bool ApngComposer::ShowsBackground() const {
  if (!CoversAll(apng_.frames[0])) return true;
  return std::any_of(apng_.frames.begin(), apng_.frames.end(), [&](const ApngFrame& frame) {
    return frame.dispose == ApngDispose::kBackground ||
           (frame.dispose == ApngDispose::kPrevious && &frame == &apng_.frames[0]);
  });
}

bool ApngComposer::CoversAll(const ApngFrame& frame) const {
  return frame.place.width == apng_.canvas.width && frame.place.height == apng_.canvas.height;
}

absl::Status ApngComposer::Draw(int index) {
  const ApngFrame& frame = apng_.frames[index];
  const std::string file = ApngFrameFile(apng_, frame);
  HIIF_ASSIGN_OR_RETURN(const auto loader,
                        Loader::Open(file, limits_, Purpose::kPixels, std::nullopt));
  if (loader->info().channels != frame_channels_ || loader->info().type != type_)
    return absl::InvalidArgumentError("the frames of the animation are of different kinds");
  if (canvas_.empty())
    canvas_.assign(apng_.canvas.height * apng_.canvas.width * pixel_bytes(), '\0');
  std::vector<uint8_t> row(loader->row_bytes());
  for (int64_t y = 0; y < frame.place.height; ++y) {
    HIIF_RETURN_IF_ERROR(loader->ReadRows(y, 1, row.data()));
    if (type_ == SampleType::kU8)
      DrawRow<uint8_t>(row.data(), frame, y);
    else
      DrawRow<uint16_t>(reinterpret_cast<const uint16_t*>(row.data()), frame, y);
  }
  return absl::OkStatus();
}

absl::Status ApngComposer::Next() {
  if (next_ > 0) {
    const ApngFrame& shown = apng_.frames[next_ - 1];
    if (!before_.empty())
      canvas_ = std::exchange(before_, {});
    else if (shown.dispose != ApngDispose::kNone)
      Clear(shown.place);
    if (apng_.frames[next_].dispose == ApngDispose::kPrevious) before_ = canvas_;
  }
  return Draw(next_++);
}

template <typename DrawFrame, typename ClearFrame>
absl::Status ApngComposer::ForPartsOf(int index, DrawFrame draw, ClearFrame clear) const {
  // Nothing is left of what lies under a whole canvas.
  const auto begins = [&](int i) {
    const ApngFrame& frame = apng_.frames[i];
    return i == 0 || (CoversAll(frame) && (!frame.over || frame_channels_ % 2 != 0) &&
                      (i == index || frame.dispose != ApngDispose::kPrevious));
  };
  int i = index;
  while (!begins(i)) --i;
  for (; i < index; ++i) {
    const ApngDispose dispose = apng_.frames[i].dispose;
    // What goes again without a trace is not drawn.
    if (dispose == ApngDispose::kNone)
      HIIF_RETURN_IF_ERROR(draw(i));
    else if (dispose == ApngDispose::kBackground)
      clear(i);
  }
  return draw(index);
}

absl::Status ApngComposer::CheckShow(int frame) const {
  // A frame costs no less than its decoder does.
  constexpr int64_t kLeast = 1 << 14;
  int64_t pixels = 0;
  HIIF_RETURN_IF_ERROR(ForPartsOf(
      frame,
      [&](int i) {
        pixels += std::max(kLeast, apng_.frames[i].place.width * apng_.frames[i].place.height);
        return absl::OkStatus();
      },
      [](int) {}));
  return CheckWork(pixels, "the frames up to this one");
}

absl::Status ApngComposer::Show(int frame) {
  return ForPartsOf(
      frame, [&](int i) { return Draw(i); }, [&](int i) { Clear(apng_.frames[i].place); });
}

char* ApngComposer::At(int64_t x, int64_t y) {
  return canvas_.data() + (y * apng_.canvas.width + x) * pixel_bytes();
}

void ApngComposer::Clear(const Region& place) {
  if (canvas_.empty()) return;
  for (int64_t y = place.y; y < place.y + place.height; ++y)
    std::memset(At(place.x, y), 0, place.width * pixel_bytes());
}

template <typename T>
void ApngComposer::DrawRow(const T* in, const ApngFrame& frame, int64_t row) {
  constexpr uint64_t kFull = std::numeric_limits<T>::max();
  const int colours = channels_ - (has_alpha() ? 1 : 0);
  auto* out = reinterpret_cast<T*>(At(frame.place.x, frame.place.y + row));
  for (int64_t x = 0; x < frame.place.width; ++x, in += frame_channels_, out += channels_) {
    const uint64_t alpha = frame_channels_ % 2 == 0 ? in[frame_channels_ - 1] : kFull;
    if (!has_alpha() || !frame.over || alpha == kFull || out[colours] == 0) {
      std::copy_n(in, colours, out);
      if (has_alpha()) out[colours] = static_cast<T>(alpha);
    } else if (alpha != 0) {
      const uint64_t above = alpha * kFull;
      const uint64_t below = (kFull - alpha) * out[colours];
      const uint64_t both = above + below;
      for (int c = 0; c < colours; ++c)
        out[c] = static_cast<T>((in[c] * above + out[c] * below + both / 2) / both);
      out[colours] = static_cast<T>((both + kFull / 2) / kFull);
    }
  }
}

}  // namespace hiif
