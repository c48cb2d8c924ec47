#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "imaging/codecs/encoder.h"
#include "imaging/container/container.h"
#include "imaging/tiff_directory.h"

namespace hiif {
namespace {

enum Tag : uint16_t {
  kWidth = 256,
  kLength = 257,
  kBitsPerSample = 258,
  kCompression = 259,
  kPhotometric = 262,
  kStripOffsets = 273,
  kSamplesPerPixel = 277,
  kRowsPerStrip = 278,
  kStripByteCounts = 279,
  kXResolution = 282,
  kYResolution = 283,
  kResolutionUnit = 296,
  kPredictor = 317,
  kExtraSamples = 338,
  kSampleFormat = 339,
  kXmp = 700,
  kIptc = 33723,
  kIcc = 34675,
};

constexpr int kLevel = 4;                          // of deflate, as in png_encoder.cc
constexpr int64_t kStripBytes = int64_t{1} << 18;  // before compression
constexpr int64_t kClassicBytes = 4'000'000'000;   // of pixels; beyond: BigTIFF

// Differences to the pixel on the left, which deflate packs better.
template <typename T>
void Difference(T* row, int64_t pixels, int channels) {
  for (int64_t i = pixels * channels - 1; i >= channels; --i)
    row[i] = static_cast<T>(row[i] - row[i - channels]);
}

// Written by hand because libtiff has to go back in the file and a stream cannot. Into a sink that
// can: strips of deflate, the directory behind them, its position put into the header last. Into a
// stream: the directory first, which fixes every position, so strips are not compressed.
class TiffEncoder : public FileEncoder {
 public:
  TiffEncoder(const StoredImage& image, ByteSink* sink)
      : image_(image),
        sink_(sink),
        compress_(sink->can_overwrite()),
        big_(image.size.height > kClassicBytes / image.row_bytes()),
        strip_rows_(std::clamp<int64_t>(kStripBytes / image.row_bytes(), 1, image.size.height)),
        exif_(SplitExif(image.metadata.exif)) {
    LeftOut left_out;
    for (const uint16_t tag : exif_.left_out) left_out.Add(absl::StrCat(tag));
    left_out.Tell("TIFF: tags of the EXIF data are left out", &warnings_);
  }

  ~TiffEncoder() override {
    if (deflating_) deflateEnd(&stream_);
  }

  absl::Status Start() {
    if (compress_) {
      if (deflateInit(&stream_, kLevel) != Z_OK)
        return absl::ResourceExhaustedError("no memory for a TIFF encoder");
      deflating_ = true;
      return Append(Header(0));
    }
    const int64_t strips = (image_.size.height + strip_rows_ - 1) / strip_rows_;
    for (int64_t i = 0; i < strips; ++i) {
      const int64_t rows = std::min(strip_rows_, image_.size.height - i * strip_rows_);
      counts_.push_back(rows * image_.row_bytes());
    }
    offsets_.assign(strips, 0);
    const uint64_t header = Header(0).size();
    uint64_t main_at = 0;
    uint64_t at = header + Directories(header, &main_at).size();
    for (int64_t i = 0; i < strips; at += counts_[i], ++i) offsets_[i] = at;
    const std::string directories = Directories(header, &main_at);
    HIIF_RETURN_IF_ERROR(Append(Header(main_at)));
    return Append(directories);
  }

  absl::Status WriteRows(const uint8_t* rows, int64_t count) override {
    if (!compress_)
      return Append(
          {reinterpret_cast<const char*>(rows), static_cast<size_t>(count * image_.row_bytes())});
    const int64_t strip_bytes = strip_rows_ * image_.row_bytes();
    for (int64_t i = 0; i < count; ++i) {
      const uint8_t* row = rows + i * image_.row_bytes();
      strip_.insert(strip_.end(), row, row + image_.row_bytes());
      if (strip_.size() == strip_bytes) HIIF_RETURN_IF_ERROR(WriteStrip());
    }
    return absl::OkStatus();
  }

  absl::Status Finish() override {
    if (!compress_) return absl::OkStatus();
    if (!strip_.empty()) HIIF_RETURN_IF_ERROR(WriteStrip());
    if (position_ % 2 != 0) HIIF_RETURN_IF_ERROR(Append(absl::string_view("\0", 1)));
    uint64_t main_at = 0;
    const std::string directories = Directories(position_, &main_at);
    HIIF_RETURN_IF_ERROR(Append(directories));
    return sink_->Overwrite(0, Header(main_at));
  }

 private:
  absl::Status Append(absl::string_view bytes) {
    position_ += bytes.size();
    return sink_->Append(bytes);
  }

  std::string Header(uint64_t directory) const {
    std::string out = big_ ? std::string("II+\0\x08\0\0\0", 8) : std::string("II*\0", 4);
    for (int i = 0; i < (big_ ? 8 : 4); ++i)
      out.push_back(static_cast<char>(directory >> 8 * i & 0xff));
    return out;
  }

  absl::Status WriteStrip() {
    Predict();
    std::string packed(deflateBound(&stream_, strip_.size()), '\0');
    deflateReset(&stream_);
    stream_.next_in = strip_.data();
    stream_.avail_in = static_cast<uInt>(strip_.size());
    stream_.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream_.avail_out = static_cast<uInt>(packed.size());
    if (deflate(&stream_, Z_FINISH) != Z_STREAM_END)
      return absl::InternalError("TIFF: deflate failed");
    packed.resize(stream_.total_out);
    strip_.clear();
    offsets_.push_back(position_);
    counts_.push_back(packed.size());
    return Append(packed);
  }

  void Predict() {
    const int64_t rows = static_cast<int64_t>(strip_.size()) / image_.row_bytes();
    for (int64_t y = 0; y < rows; ++y) {
      uint8_t* row = strip_.data() + y * image_.row_bytes();
      if (image_.type == SampleType::kU8) Difference(row, image_.size.width, image_.channels);
      if (image_.type == SampleType::kU16)
        Difference(reinterpret_cast<uint16_t*>(row), image_.size.width, image_.channels);
    }
  }

  // The directory of the image with those of its EXIF before it, for position `at` of the file.
  std::string Directories(uint64_t at, uint64_t* main_at) const {
    TiffDirectory main = ImageDirectory();
    const TiffType position = big_ ? TiffType::kLong8 : TiffType::kLong;
    main.insert(main.end(), exif_.texts.begin(), exif_.texts.end());
    std::string out;
    const auto add_sub = [&](uint16_t tag, const TiffDirectory& directory) {
      if (directory.empty()) return;
      main.push_back(MakeTiffEntry(tag, position, {at + out.size()}));
      out += TiffDirectoryBytes(directory, at + out.size(), big_);
    };
    add_sub(kExifDirectoryTag, exif_.details);
    add_sub(kGpsDirectoryTag, exif_.gps);
    *main_at = at + out.size();
    return out + TiffDirectoryBytes(std::move(main), *main_at, big_);
  }

  TiffDirectory ImageDirectory() const {
    const TiffType position = big_ ? TiffType::kLong8 : TiffType::kLong;
    const auto integer = [](uint16_t tag, uint64_t value) {
      return MakeTiffEntry(tag, value > 0xffff ? TiffType::kLong : TiffType::kShort, {value});
    };
    const bool is_float = image_.type == SampleType::kF32;
    const std::vector<uint64_t> each(image_.channels, 8 * SampleBytes(image_.type));
    TiffDirectory d = {
        integer(kWidth, image_.size.width),
        integer(kLength, image_.size.height),
        MakeTiffEntry(kBitsPerSample, TiffType::kShort, each),
        integer(kCompression, compress_ ? 8 : 1),  // deflate
        integer(kPhotometric, image_.channels < 3 ? 1 : 2),
        MakeTiffEntry(kStripOffsets, position, offsets_),
        integer(kSamplesPerPixel, image_.channels),
        integer(kRowsPerStrip, strip_rows_),
        MakeTiffEntry(kStripByteCounts, position, counts_),
        MakeTiffEntry(kSampleFormat, TiffType::kShort,
                      std::vector<uint64_t>(image_.channels, is_float ? 3 : 1)),
    };
    if (compress_ && !is_float) d.push_back(integer(kPredictor, 2));
    if (image_.has_alpha()) d.push_back(integer(kExtraSamples, 2));  // straight
    const Metadata& m = image_.metadata;
    if (m.ppi_x > 0 && m.ppi_y > 0 && m.ppi_x < 4e5 && m.ppi_y < 4e5) {
      constexpr uint64_t kParts = 10000;
      const auto rational = [](uint16_t tag, double value) {
        TiffEntry e = MakeTiffEntry(tag, TiffType::kLong,
                                    {static_cast<uint64_t>(std::llround(value * kParts)), kParts});
        e.type = static_cast<uint16_t>(TiffType::kRational);
        e.count = 1;
        return e;
      };
      d.push_back(rational(kXResolution, m.ppi_x));
      d.push_back(rational(kYResolution, m.ppi_y));
      d.push_back(integer(kResolutionUnit, 2));  // inch
    }
    if (!m.xmp.empty()) d.push_back(MakeTiffEntry(kXmp, TiffType::kByte, m.xmp));
    if (!m.icc.empty()) d.push_back(MakeTiffEntry(kIcc, TiffType::kUndefined, m.icc));
    if (!m.iptc.empty()) {
      // By an old mistake that every reader knows, counted in units of four bytes.
      std::string padded = m.iptc;
      padded.resize((padded.size() + 3) / 4 * 4);
      d.push_back(MakeTiffEntry(kIptc, TiffType::kLong, padded));
    }
    return d;
  }

  const StoredImage image_;
  ByteSink* const sink_;
  const bool compress_;
  const bool big_;
  const int64_t strip_rows_;
  const ExifParts exif_;
  uint64_t position_ = 0;  // in the file
  std::vector<uint8_t> strip_;
  std::vector<uint64_t> offsets_;
  std::vector<uint64_t> counts_;
  z_stream stream_ = {};
  bool deflating_ = false;
};

}  // namespace

EncoderOr NewTiffEncoder(const StoredImage& image, ByteSink* sink) {
  auto encoder = std::make_unique<TiffEncoder>(image, sink);
  HIIF_RETURN_IF_ERROR(encoder->Start());
  return encoder;
}

}  // namespace hiif
