#include "imaging/writer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "imaging/codecs/encoder.h"
#include "imaging/colour.h"
#include "imaging/container/container.h"
#include "imaging/row_converter.h"

namespace hiif {
namespace {

// Collects what codecs write in small pieces.
class BufferedSink : public ByteSink {
 public:
  explicit BufferedSink(ByteSink* sink) : sink_(sink) {}

  absl::Status Append(absl::string_view bytes) override {
    if (buffer_.size() + bytes.size() > kBytes) HIIF_RETURN_IF_ERROR(Flush());
    if (bytes.size() >= kBytes) return sink_->Append(bytes);
    buffer_.append(bytes.data(), bytes.size());
    return absl::OkStatus();
  }

  bool can_overwrite() const override { return sink_->can_overwrite(); }

  absl::Status Overwrite(int64_t offset, absl::string_view bytes) override {
    HIIF_RETURN_IF_ERROR(Flush());
    return sink_->Overwrite(offset, bytes);
  }

  absl::Status Flush() {
    if (buffer_.empty()) return absl::OkStatus();
    const absl::Status status = sink_->Append(buffer_);
    buffer_.clear();
    return status;
  }

 private:
  static constexpr size_t kBytes = size_t{1} << 18;
  ByteSink* sink_;
  std::string buffer_;
};

// Of texts and comments that the format does not hold; empty where it holds them.
std::string TextWarning(const StoredImage& image) {
  constexpr size_t kNamed = 3;
  const Metadata& m = image.metadata;
  if (image.format == ImageFormat::kPng) return {};
  std::vector<std::string> names;
  for (const PngText& text : m.png_texts)
    if (names.size() < kNamed) names.push_back(Printable(text.key));
  if (m.png_texts.size() > kNamed) names.emplace_back("...");
  const bool holds_comments =
      image.format == ImageFormat::kJpeg || image.format == ImageFormat::kPpm;
  if (!holds_comments && !m.comment.empty()) names.emplace_back("comment");
  if (names.empty()) return {};
  return absl::StrCat(FormatName(image.format),
                      " holds no such texts; left out: ", absl::StrJoin(names, ", "));
}

struct EncoderOfFormat {
  ImageFormat format;
  EncoderOr (*make)(const StoredImage& image, ByteSink* sink);
};
constexpr EncoderOfFormat kEncoders[] = {
    {ImageFormat::kPng, NewPngEncoder},   {ImageFormat::kJpeg, NewJpegEncoder},
    {ImageFormat::kWebp, NewWebpEncoder}, {ImageFormat::kTiff, NewTiffEncoder},
    {ImageFormat::kAvif, NewVipsEncoder}, {ImageFormat::kHeic, nullptr},  // CheckWritable()
    {ImageFormat::kJxl, NewVipsEncoder},  {ImageFormat::kGif, NewVipsEncoder},
    {ImageFormat::kPpm, NewPpmEncoder},
};
static_assert(InOrderOfFormats(kEncoders));

class ConvertingWriter : public ImageWriter {
 public:
  ConvertingWriter(const WriterOptions& options, ByteSink* sink)
      : sink_(sink), from_{options.channels, options.type} {
    image_ = {options.format,
              options.size,
              StoredChannels(options.format, options.channels),
              StoredType(options.format, options.type),
              options.metadata,
              options.quality,
              options.cancelled};
  }

  absl::Status Start() {
    FitProfile();
    HIIF_ASSIGN_OR_RETURN(encoder_,
                          kEncoders[static_cast<size_t>(image_.format)].make(image_, &sink_));
    warnings_ = image_.metadata.warnings;
    for (const std::string& warning : encoder_->warnings()) warnings_.push_back(warning);
    if (from_.channels % 2 == 0 && !image_.has_alpha())
      warnings_.push_back(
          absl::StrCat(FormatName(image_.format), " holds no transparency; it is laid on white"));
    if (std::string warning = TextWarning(image_); !warning.empty())
      warnings_.push_back(std::move(warning));
    return absl::OkStatus();
  }

  absl::Status WriteRows(absl::string_view rows) override {
    const int64_t row_bytes = image_.size.width * from_.bytes();
    const int64_t count = static_cast<int64_t>(rows.size()) / row_bytes;
    if (rows.size() % row_bytes != 0 || count > image_.size.height - next_)
      return absl::InvalidArgumentError(
          absl::StrFormat("%d bytes are not rows of %d bytes, of which %d are still to come",
                          rows.size(), row_bytes, image_.size.height - next_));
    next_ += count;
    const PixelLayout to = {image_.channels, image_.type};
    // About a megabyte at a time, through a buffer that is aligned as samples are.
    const int64_t most = std::max<int64_t>(1, kChunkBytes / image_.row_bytes());
    for (int64_t y = 0; y < count; y += most) {
      if (image_.cancelled && image_.cancelled()) return absl::CancelledError("cancelled");
      const int64_t some = std::min(most, count - y);
      converted_.resize(some * image_.row_bytes());
      const char* in = rows.data() + y * row_bytes;
      if (reinterpret_cast<uintptr_t>(in) % SampleBytes(from_.type) != 0)
        return absl::InvalidArgumentError("rows must be aligned as their samples are");
      ConvertPixels(from_, in, to, converted_.data(), some * image_.size.width);
      HIIF_RETURN_IF_ERROR(encoder_->WriteRows(converted_.data(), some));
    }
    return absl::OkStatus();
  }

  absl::Status Finish() override {
    if (next_ != image_.size.height)
      return absl::FailedPreconditionError(
          absl::StrFormat("%d of %d rows have come", next_, image_.size.height));
    HIIF_RETURN_IF_ERROR(encoder_->Finish());
    return sink_.Flush();
  }

  const std::vector<std::string>& warnings() const override { return warnings_; }

 private:
  // Grey goes as RGB into a format without grey, and its profile with it. Others take no profile of
  // RGB for grey: libpng and libjxl would drop it.
  void FitProfile() {
    std::string& icc = image_.metadata.icc;
    const bool grey = image_.channels < 3;
    const bool strict = image_.format == ImageFormat::kPng || image_.format == ImageFormat::kJxl;
    const ColourSpace space = ProfileSpace(icc);
    if (grey ? !strict || space != ColourSpace::kRgb : space != ColourSpace::kGrey) return;
    icc = grey ? std::string() : RgbOfGreyProfile(icc);
    if (icc.empty())
      image_.metadata.warnings.push_back(absl::StrCat(FormatName(image_.format), " holds no ",
                                                      grey ? "RGB" : "grey",
                                                      " profile of a grey image; it is left out"));
  }

  static constexpr int64_t kChunkBytes = int64_t{1} << 20;
  BufferedSink sink_;
  PixelLayout from_;
  StoredImage image_;
  std::unique_ptr<FileEncoder> encoder_;
  std::vector<std::string> warnings_;
  std::vector<uint8_t> converted_;
  int64_t next_ = 0;  // row
};

}  // namespace

absl::StatusOr<std::unique_ptr<ImageWriter>> ImageWriter::Create(const WriterOptions& options,
                                                                 ByteSink* sink) {
  HIIF_RETURN_IF_ERROR(CheckWritable(options.format, options.size));
  if (options.channels < 1 || options.channels > 4)
    return absl::InvalidArgumentError(
        absl::StrFormat("channels: %d; 1, 2, 3 or 4 is allowed", options.channels));
  if (options.quality < 0 || options.quality > 100)
    return absl::InvalidArgumentError(
        absl::StrFormat("quality: %d is out of range; 1 to 100 is allowed, and 0 for the format's "
                        "default",
                        options.quality));
  auto writer = std::make_unique<ConvertingWriter>(options, sink);
  HIIF_RETURN_IF_ERROR(writer->Start());
  return writer;
}

int64_t WriterBytes(ImageFormat format, Grid size, int channels, SampleType type) {
  constexpr int64_t kBuffers = int64_t{4} << 20;
  if (!WrittenWhole(format)) return kBuffers;
  // WebP works on 4 bytes a pixel and about as much again of its own.
  const int64_t pixel =
      format == ImageFormat::kWebp ? 12 : 4 * channels * SampleBytes(StoredType(format, type));
  return kBuffers + size.width * size.height * pixel;
}

}  // namespace hiif
