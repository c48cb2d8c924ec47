#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "imaging/animation.h"
#include "imaging/codecs/loader.h"
#include "imaging/container/apng.h"
#include "imaging/container/container.h"

namespace hiif {
namespace {

int64_t RowBytes(const ImageInfo& info) {
  return info.stored.width * info.channels * SampleBytes(info.type);
}

// GIF and WebP: libvips composes the frames and gives them one below the other.
class RollReader : public AnimationReader {
 public:
  absl::Status Start(absl::string_view bytes, const ImageLimits& limits, ImageInfo info) {
    bytes_ = bytes;
    limits_ = limits;
    info_ = std::move(info);
    HIIF_ASSIGN_OR_RETURN(const Container container,
                          ReadContainer(info_.format, bytes, limits, std::nullopt));
    durations_ms_ = container.durations_ms;
    loops_ = container.loops;
    HIIF_RETURN_IF_ERROR(OpenNext());
    info_.channels = loader_->info().channels;  // frames may have transparency that the first lacks
    info_.type = loader_->info().type;
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<AnimationFrame>> Next() override {
    if (next_ == info_.frames) return std::nullopt;
    if (next_ == opened_first_ + opened_count_) HIIF_RETURN_IF_ERROR(OpenNext());
    AnimationFrame frame;
    frame.samples.resize(info_.stored.height * RowBytes(info_));
    auto* out = reinterpret_cast<uint8_t*>(frame.samples.data());
    HIIF_RETURN_IF_ERROR(
        loader_->ReadRows((next_ - opened_first_) * info_.stored.height, info_.stored.height, out));
    if (next_ < std::ssize(durations_ms_)) frame.duration_ms = durations_ms_[next_];
    ++next_;
    return frame;
  }

 private:
  // Pictures of libvips have at most ten million rows.
  static constexpr int64_t kMaxRows = 5'000'000;

  absl::Status OpenNext() {
    opened_first_ = next_;
    opened_count_ = static_cast<int>(std::min<int64_t>(
        info_.frames - next_, std::max<int64_t>(1, kMaxRows / info_.stored.height)));
    loader_.reset();
    HIIF_ASSIGN_OR_RETURN(
        loader_, Loader::Open(bytes_, limits_, std::nullopt, FrameRange{next_, opened_count_}));
    const ImageInfo& opened = loader_->info();
    if (opened.stored != info_.stored || (next_ > 0 && opened.channels != info_.channels))
      return absl::InvalidArgumentError("the frames of the animation are of different kinds");
    return absl::OkStatus();
  }

  absl::string_view bytes_;
  ImageLimits limits_;
  std::vector<int> durations_ms_;
  std::unique_ptr<Loader> loader_;
  int opened_first_ = 0;
  int opened_count_ = 0;
  int next_ = 0;
};

// APNG: libpng knows the first picture alone; frames are decoded one by one and composed here.
class ApngReader : public AnimationReader {
 public:
  absl::Status Start(absl::string_view bytes, const ImageLimits& limits, ImageInfo info) {
    limits_ = limits;
    info_ = std::move(info);
    HIIF_ASSIGN_OR_RETURN(apng_, ReadApng(bytes));
    if (apng_.canvas != info_.stored)
      return absl::InvalidArgumentError("the animation in the PNG has two sizes");
    if (std::ssize(apng_.frames) < info_.frames)
      info_.warnings.push_back(absl::StrFormat("the animation says it has %d frames; %d are there",
                                               info_.frames, apng_.frames.size()));
    info_.frames = static_cast<int>(apng_.frames.size());
    loops_ = apng_.loops;
    frame_channels_ = info_.channels;
    if (!info_.has_alpha() && ShowsBackground()) ++info_.channels;
    canvas_.assign(info_.stored.height * RowBytes(info_), '\0');
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<AnimationFrame>> Next() override {
    if (next_ == info_.frames) return std::nullopt;
    const ApngFrame& frame = apng_.frames[next_];
    const std::string file = ApngFrameFile(apng_, frame);
    HIIF_ASSIGN_OR_RETURN(const auto loader, Loader::Open(file, limits_, std::nullopt));
    if (loader->info().channels != frame_channels_ || loader->info().type != info_.type)
      return absl::InvalidArgumentError("the frames of the animation are of different kinds");
    std::string before;
    if (frame.dispose == ApngDispose::kPrevious && next_ > 0) before = canvas_;
    std::vector<uint8_t> row(loader->row_bytes());
    for (int64_t y = 0; y < frame.place.height; ++y) {
      HIIF_RETURN_IF_ERROR(loader->ReadRows(y, 1, row.data()));
      if (info_.type == SampleType::kU8)
        Draw<uint8_t>(row.data(), frame, y);
      else
        Draw<uint16_t>(reinterpret_cast<const uint16_t*>(row.data()), frame, y);
    }
    AnimationFrame out{canvas_, frame.duration_ms};
    if (!before.empty())
      canvas_ = std::move(before);
    else if (frame.dispose != ApngDispose::kNone)
      Clear(frame.place);
    ++next_;
    return out;
  }

 private:
  // Whether the transparent canvas is seen although the pictures are opaque.
  bool ShowsBackground() const {
    const Region& first = apng_.frames[0].place;
    if (first.width != info_.stored.width || first.height != info_.stored.height) return true;
    return std::any_of(apng_.frames.begin(), apng_.frames.end(), [&](const ApngFrame& frame) {
      return frame.dispose == ApngDispose::kBackground ||
             (frame.dispose == ApngDispose::kPrevious && &frame == &apng_.frames[0]);
    });
  }

  char* At(int64_t x, int64_t y) {
    return canvas_.data() + y * RowBytes(info_) + x * info_.channels * SampleBytes(info_.type);
  }

  void Clear(const Region& place) {
    for (int64_t y = place.y; y < place.y + place.height; ++y)
      std::memset(At(place.x, y), 0, place.width * info_.channels * SampleBytes(info_.type));
  }

  template <typename T>
  void Draw(const T* in, const ApngFrame& frame, int64_t row) {
    constexpr uint64_t kFull = std::numeric_limits<T>::max();
    const int colours = info_.channels - (info_.has_alpha() ? 1 : 0);
    auto* out = reinterpret_cast<T*>(At(frame.place.x, frame.place.y + row));
    for (int64_t x = 0; x < frame.place.width; ++x, in += frame_channels_, out += info_.channels) {
      const uint64_t alpha = frame_channels_ % 2 == 0 ? in[frame_channels_ - 1] : kFull;
      if (!info_.has_alpha() || !frame.over || alpha == kFull || out[colours] == 0) {
        std::copy_n(in, colours, out);
        if (info_.has_alpha()) out[colours] = static_cast<T>(alpha);
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

  ImageLimits limits_;
  Apng apng_;
  int frame_channels_ = 0;
  std::string canvas_;
  int next_ = 0;
};

template <typename Reader>
absl::StatusOr<std::unique_ptr<AnimationReader>> Started(absl::string_view bytes,
                                                         const ImageLimits& limits,
                                                         ImageInfo info) {
  auto reader = std::make_unique<Reader>();
  HIIF_RETURN_IF_ERROR(reader->Start(bytes, limits, std::move(info)));
  return reader;
}

}  // namespace

bool HoldsAnimations(ImageFormat format) {
  return format == ImageFormat::kGif || format == ImageFormat::kWebp || format == ImageFormat::kPng;
}

absl::StatusOr<std::unique_ptr<AnimationReader>> AnimationReader::Open(absl::string_view bytes,
                                                                       const ImageLimits& limits) {
  HIIF_ASSIGN_OR_RETURN(ImageInfo info, Probe(bytes, limits));
  if (info.frames < 2 || !HoldsAnimations(info.format))
    return absl::InvalidArgumentError(absl::StrCat(
        "the ", FormatName(info.format), " is no animation; GIF, WebP and PNG files can be"));
  return info.format == ImageFormat::kPng ? Started<ApngReader>(bytes, limits, std::move(info))
                                          : Started<RollReader>(bytes, limits, std::move(info));
}

}  // namespace hiif
