// The containers of animations; the pictures in them come encoded.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "imaging/animation.h"
#include "imaging/bytes.h"
#include "imaging/container/gif.h"
#include "imaging/container/png.h"

namespace hiif {
namespace {

absl::Status Unexpected(ImageFormat format) {
  return absl::InternalError(
      absl::StrCat("a frame is not the ", FormatName(format), " that the animation needs"));
}

// Chunks of the first still, with fcTL before each frame, whose data are IDAT, then fdAT.
class ApngWriter : public AnimationWriter {
 public:
  ApngWriter(const AnimationOptions& options, ByteSink* sink) : options_(options), sink_(sink) {}

  absl::Status AddFrame(absl::string_view still, int duration_ms) override {
    bool begun = false;  // this frame's data
    for (size_t at = kPngSignatureBytes; const auto chunk = NextPngChunk(still, at);) {
      at = chunk->end;
      if (chunk->type == "IHDR") {
        if (frames_ == 0)
          HIIF_RETURN_IF_ERROR(Begin(still.substr(0, chunk->end), chunk->data));
        else if (chunk->data != header_)
          return Unexpected(ImageFormat::kPng);
      } else if (chunk->type == "IDAT") {
        if (!begun) HIIF_RETURN_IF_ERROR(Control(duration_ms));
        begun = true;
        HIIF_RETURN_IF_ERROR(Data(*chunk, still));
      } else if (frames_ == 0 && chunk->type != "IEND") {
        const absl::string_view whole = still.substr(chunk->begin, chunk->end - chunk->begin);
        if (begun)
          absl::StrAppend(&rest_, whole);
        else
          HIIF_RETURN_IF_ERROR(sink_->Append(whole));
      }
    }
    ++frames_;
    return begun ? absl::OkStatus() : Unexpected(ImageFormat::kPng);
  }

  absl::Status Finish() override {
    HIIF_RETURN_IF_ERROR(sink_->Append(rest_));
    return sink_->Append(MakePngChunk("IEND", ""));
  }

 private:
  absl::Status Begin(absl::string_view bytes, absl::string_view header) {
    header_ = std::string(header);
    std::string control;
    AppendBigEndian(options_.frames, 4, &control);
    AppendBigEndian(options_.loops, 4, &control);
    return sink_->Append(absl::StrCat(bytes, MakePngChunk("acTL", control)));
  }

  absl::Status Control(int duration_ms) {
    constexpr int kMost = 0xffff;  // of both parts of a fraction
    int64_t numerator = duration_ms;
    int64_t denominator = 1000;
    for (; numerator > kMost && denominator > 1; denominator /= 10)
      numerator = (numerator + 5) / 10;
    std::string control;
    AppendBigEndian(sequence_++, 4, &control);
    AppendBigEndian(options_.size.width, 4, &control);
    AppendBigEndian(options_.size.height, 4, &control);
    AppendBigEndian(0, 8, &control);  // position
    AppendBigEndian(std::min<int64_t>(numerator, kMost), 2, &control);
    AppendBigEndian(denominator, 2, &control);
    AppendBigEndian(0, 2, &control);  // stays; replaces what is there
    return sink_->Append(MakePngChunk("fcTL", control));
  }

  absl::Status Data(const PngChunk& chunk, absl::string_view still) {
    if (frames_ == 0) return sink_->Append(still.substr(chunk.begin, chunk.end - chunk.begin));
    std::string data;
    AppendBigEndian(sequence_++, 4, &data);
    data.append(chunk.data.data(), chunk.data.size());
    return sink_->Append(MakePngChunk("fdAT", data));
  }

  const AnimationOptions options_;
  ByteSink* const sink_;
  std::string header_;
  std::string rest_;  // chunks of the first still behind its data
  int frames_ = 0;
  uint32_t sequence_ = 0;
};

// ANMF chunks of the stills' VP8L, or VP8 and ALPH.
class WebpAnimationWriter : public AnimationWriter {
 public:
  WebpAnimationWriter(const AnimationOptions& options, ByteSink* sink)
      : options_(options), sink_(sink) {}

  absl::Status AddFrame(absl::string_view still, int duration_ms) override {
    std::string frame;
    AppendLittleEndian(0, 6, &frame);  // position
    AppendLittleEndian(options_.size.width - 1, 3, &frame);
    AppendLittleEndian(options_.size.height - 1, 3, &frame);
    AppendLittleEndian(std::min(duration_ms, 0xffffff), 3, &frame);
    frame.push_back(2);  // replaces what is there, and stays
    const size_t bare = frame.size();
    std::string profile;
    constexpr size_t kRiffHeader = 12;
    constexpr size_t kChunkHeader = 8;
    for (size_t at = kRiffHeader; at + kChunkHeader <= still.size();) {
      const absl::string_view type = still.substr(at, 4);
      const uint64_t size = LittleEndian(still, at + 4, 4);
      const absl::string_view whole = still.substr(at, kChunkHeader + size + size % 2);
      if (type == "VP8L" || type == "VP8 " || type == "ALPH") absl::StrAppend(&frame, whole);
      if (first_ && type == "ICCP") profile = std::string(whole);
      if (first_ && (type == "EXIF" || type == "XMP ")) {
        absl::StrAppend(&rest_, whole);
        flags_ |= type == "EXIF" ? 0x08 : 0x04;
      }
      at += whole.size();
    }
    if (frame.size() == bare) return Unexpected(ImageFormat::kWebp);
    if (std::exchange(first_, false)) HIIF_RETURN_IF_ERROR(Append(Head(profile)));
    std::string chunk = "ANMF";
    AppendLittleEndian(frame.size(), 4, &chunk);
    return Append(absl::StrCat(chunk, frame));
  }

  absl::Status Finish() override {
    HIIF_RETURN_IF_ERROR(Append(rest_));
    std::string length;
    AppendLittleEndian(written_ - 8, 4, &length);
    if (sink_->can_overwrite()) return sink_->Overwrite(4, length);
    held_.replace(4, length.size(), length);
    return sink_->Append(held_);
  }

 private:
  std::string Head(const std::string& profile) const {
    std::string out("RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0", 20);
    AppendLittleEndian(flags_ | (options_.alpha ? 0x10 : 0) | (profile.empty() ? 0 : 0x20), 4,
                       &out);
    AppendLittleEndian(options_.size.width - 1, 3, &out);
    AppendLittleEndian(options_.size.height - 1, 3, &out);
    out += profile;
    absl::StrAppend(&out, absl::string_view("ANIM\x06\0\0\0\0\0\0\0", 12));
    AppendLittleEndian(std::min(options_.loops, 0xffff), 2, &out);
    return out;
  }

  absl::Status Append(absl::string_view bytes) {
    written_ += static_cast<int64_t>(bytes.size());
    if (written_ > kMostBytes)
      return absl::InvalidArgumentError("a WebP holds at most 4 GiB; PNG holds longer animations");
    if (sink_->can_overwrite()) return sink_->Append(bytes);
    held_.append(bytes.data(), bytes.size());
    return absl::OkStatus();
  }

  static constexpr int64_t kMostBytes = 0xfffffffe;

  const AnimationOptions options_;
  ByteSink* const sink_;
  bool first_ = true;
  std::string rest_;  // EXIF and XMP of the first still
  int flags_ = 0x02;  // an animation; of what is in rest_
  std::string held_;
  int64_t written_ = 0;
};

// Image blocks of the stills, each with its own table of colours.
class GifAnimationWriter : public AnimationWriter {
 public:
  GifAnimationWriter(const AnimationOptions& options, ByteSink* sink)
      : options_(options), sink_(sink) {}

  absl::Status AddFrame(absl::string_view still, int duration_ms) override {
    const auto picture = ReadGifStill(still);
    if (!picture) return Unexpected(ImageFormat::kGif);
    exact_ms_ += duration_ms;
    // A frame that is to be seen is not one that is to be passed over.
    int64_t hundredths = std::max<int64_t>((exact_ms_ + 5) / 10 - told_, duration_ms > 0 ? 1 : 0);
    hundredths = std::min<int64_t>(hundredths, 0xffff);
    told_ += hundredths;
    std::string out = first_ ? Head() : "";
    first_ = false;
    // What is transparent shows nothing of the frame before.
    const bool transparent = options_.alpha && picture->transparent.has_value();
    const int disposal = transparent ? 2 : 1;
    absl::StrAppend(&out, absl::string_view("\x21\xf9\x04", 3));
    AppendLittleEndian(disposal << 2 | (transparent ? 1 : 0), 1, &out);
    AppendLittleEndian(hundredths, 2, &out);
    AppendLittleEndian(transparent ? *picture->transparent : 0, 2, &out);
    out.push_back('\x2c');
    AppendLittleEndian(0, 4, &out);  // position
    AppendLittleEndian(options_.size.width, 2, &out);
    AppendLittleEndian(options_.size.height, 2, &out);
    AppendLittleEndian(0x80 | (picture->flags & 0x40) | picture->table_bits, 1, &out);
    absl::StrAppend(&out, picture->table, picture->data);
    return sink_->Append(out);
  }

  absl::Status Finish() override { return sink_->Append("\x3b"); }

 private:
  std::string Head() const {
    std::string out = "GIF89a";
    AppendLittleEndian(options_.size.width, 2, &out);
    AppendLittleEndian(options_.size.height, 2, &out);
    AppendLittleEndian(0x70, 3, &out);
    if (options_.loops == 1) return out;
    absl::StrAppend(&out, absl::string_view("\x21\xff\x0bNETSCAPE2.0\x03\x01", 16));
    AppendLittleEndian(options_.loops == 0 ? 0 : std::min(options_.loops - 1, 0xffff), 2, &out);
    out.push_back('\0');
    return out;
  }

  const AnimationOptions options_;
  ByteSink* const sink_;
  bool first_ = true;
  int64_t exact_ms_ = 0;
  int64_t told_ = 0;  // in hundredths
};

}  // namespace

absl::Status AnimationWriter::Check(const AnimationOptions& options) {
  if (!HoldsAnimations(options.format))
    return absl::InvalidArgumentError(
        absl::StrCat(FormatName(options.format),
                     " holds no animation; WebP, PNG and GIF do: name one by -o or "
                     "--format, or make a file of each frame with --all-frames"));
  return CheckWritable(options.format, options.size);
}

absl::StatusOr<std::unique_ptr<AnimationWriter>> AnimationWriter::Create(
    const AnimationOptions& options, ByteSink* sink) {
  HIIF_RETURN_IF_ERROR(Check(options));
  if (options.format == ImageFormat::kPng) return std::make_unique<ApngWriter>(options, sink);
  if (options.format == ImageFormat::kGif)
    return std::make_unique<GifAnimationWriter>(options, sink);
  return std::make_unique<WebpAnimationWriter>(options, sink);
}

}  // namespace hiif
