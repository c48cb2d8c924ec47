#include "imaging/picture_builder.h"

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "imaging/alpha.h"
#include "imaging/colour.h"

namespace hiif {
namespace {

template <typename T>
float ToUnit(T v) {
  if constexpr (std::is_same_v<T, float>) return v;
  return static_cast<float>(v) / static_cast<float>(std::numeric_limits<T>::max());
}

template <typename T>
bool AllOpaque(const Plane& plane) {
  const T opaque = std::is_same_v<T, float> ? T{1} : std::numeric_limits<T>::max();
  const auto* samples = reinterpret_cast<const T*>(plane.samples.data());
  return std::all_of(samples, samples + plane.samples.size() / sizeof(T),
                     [opaque](T v) { return v == opaque; });
}

}  // namespace

absl::Status ToUnitRange(bool clip, absl::Span<float> values) {
  for (float& v : values) {
    if (v >= 0.0f && v <= 1.0f) continue;
    if (!clip)
      return absl::InvalidArgumentError(absl::StrFormat(
          "the image has the value %g; floats of 0 to 1 are allowed, others can be clipped on "
          "request",
          v));
    v = v > 0.0f ? 1.0f : 0.0f;
  }
  return absl::OkStatus();
}

PictureBuilder::PictureBuilder(const Options& options) : options_(options) {
  const int64_t w = options.stored.width;
  const int64_t h = options.stored.height;
  const bool swapped = options.orientation >= 5;
  const int64_t width = swapped ? h : w;
  const int64_t height = swapped ? w : h;
  // Of the stored axes: which way they run in the oriented picture.
  const bool x_reversed = options.orientation == 2 || options.orientation == 3 ||
                          options.orientation == 7 || options.orientation == 8;
  const bool y_reversed = options.orientation == 3 || options.orientation == 4 ||
                          options.orientation == 6 || options.orientation == 7;
  step_x_ = swapped ? width : 1;
  step_y_ = swapped ? 1 : width;
  if (x_reversed) {
    origin_ += (w - 1) * step_x_;
    step_x_ = -step_x_;
  }
  if (y_reversed) {
    origin_ += (h - 1) * step_y_;
    step_y_ = -step_y_;
  }
  colour_ = std::make_shared<RgbImage>();
  colour_->type = options.linear ? SampleType::kF32 : options.type;
  colour_->width = width;
  colour_->height = height;
  colour_->samples.resize(width * height * 3 * SampleBytes(colour_->type));
  picture_.channels = options.channels;
  picture_.type = options.type;
  picture_.linear = options.linear;
  picture_.orientation_applied = options.orientation;
  if (picture_.has_alpha()) {
    picture_.alpha.type = options.type;
    picture_.alpha.samples.resize(width * height * SampleBytes(options.type));
  }
}

absl::Status PictureBuilder::AddRows(void* rows, int64_t count) {
  switch (options_.type) {
    case SampleType::kU8:
      Add(static_cast<const uint8_t*>(rows), count);
      break;
    case SampleType::kU16:
      Add(static_cast<const uint16_t*>(rows), count);
      break;
    case SampleType::kF32: {
      auto* floats = static_cast<float*>(rows);
      HIIF_RETURN_IF_ERROR(
          ToUnitRange(options_.clip,
                      absl::MakeSpan(floats, options_.stored.width * count * options_.channels)));
      Add(floats, count);
      break;
    }
  }
  return absl::OkStatus();
}

template <typename T>
void PictureBuilder::Add(const T* rows, int64_t count) {
  PlaceColour(rows, count);
  if (picture_.has_alpha()) {
    auto* alpha = reinterpret_cast<T*>(picture_.alpha.samples.data());
    const int channels = options_.channels;
    for (int64_t y = 0; y < count; ++y) {
      const T* in = rows + y * options_.stored.width * channels + channels - 1;
      int64_t at = origin_ + (next_ + y) * step_y_;
      for (int64_t x = 0; x < options_.stored.width; ++x, in += channels, at += step_x_)
        alpha[at] = *in;
    }
  }
  next_ += count;
}

template <typename T>
void PictureBuilder::PlaceColour(const T* rows, int64_t count) {
  const int channels = options_.channels;
  const int green = channels < 3 ? 0 : 1;
  const int blue = channels < 3 ? 0 : 2;
  const auto place = [&](auto* out, auto convert) {
    for (int64_t y = 0; y < count; ++y) {
      const T* in = rows + y * options_.stored.width * channels;
      int64_t at = origin_ + (next_ + y) * step_y_;
      for (int64_t x = 0; x < options_.stored.width; ++x, in += channels, at += step_x_) {
        out[3 * at] = convert(in[0]);
        out[3 * at + 1] = convert(in[green]);
        out[3 * at + 2] = convert(in[blue]);
      }
    }
  };
  uint8_t* samples = colour_->samples.data();
  if (options_.linear)
    place(reinterpret_cast<float*>(samples), [](T v) { return EncodeSrgb(ToUnit(v)); });
  else
    place(reinterpret_cast<T*>(samples), [](T v) { return v; });
}

Picture PictureBuilder::Finish() {
  if (!picture_.alpha.empty()) {
    const bool opaque = options_.type == SampleType::kU8    ? AllOpaque<uint8_t>(picture_.alpha)
                        : options_.type == SampleType::kU16 ? AllOpaque<uint16_t>(picture_.alpha)
                                                            : AllOpaque<float>(picture_.alpha);
    if (opaque)
      picture_.alpha.samples = {};
    else
      ContinueColour(picture_.alpha, colour_.get());
  }
  picture_.colour = std::move(colour_);
  return std::move(picture_);
}

}  // namespace hiif
