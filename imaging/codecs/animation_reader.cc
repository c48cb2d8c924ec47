#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "imaging/animation.h"
#include "imaging/codecs/apng_composer.h"
#include "imaging/codecs/loader.h"
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
    HIIF_ASSIGN_OR_RETURN(const Container container, ReadContainer(info_.format, bytes, limits,
                                                                   std::nullopt, Purpose::kHeader));
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
    HIIF_ASSIGN_OR_RETURN(loader_, Loader::Open(bytes_, limits_, Purpose::kPixels, std::nullopt,
                                                FrameRange{next_, opened_count_}));
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

// APNG: the frames are composed by ourselves.
class ApngReader : public AnimationReader {
 public:
  absl::Status Start(absl::string_view bytes, const ImageLimits& limits, ImageInfo info) {
    HIIF_ASSIGN_OR_RETURN(composer_, ApngComposer::Create(bytes, limits, info));
    info_ = std::move(info);
    info_.channels = composer_->channels();
    loops_ = composer_->apng().loops;
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<AnimationFrame>> Next() override {
    if (next_ == info_.frames) return std::nullopt;
    HIIF_RETURN_IF_ERROR(composer_->Next());
    return AnimationFrame{composer_->canvas(), composer_->apng().frames[next_++].duration_ms};
  }

 private:
  std::unique_ptr<ApngComposer> composer_;
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
