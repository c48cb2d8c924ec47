#include "imaging/writer.h"

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "imaging/decode.h"
#include "tests/unit/imaging/files.h"

namespace hiif {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using vips::VImage;

// Rows of samples (as bytes) that the test can say at any pixel.
template <typename T>
std::string Samples(Grid size, int channels, double scale = 1) {
  std::string bytes;
  for (int64_t y = 0; y < size.height; ++y)
    for (int64_t x = 0; x < size.width; ++x)
      for (int c = 0; c < channels; ++c) {
        const T value =
            static_cast<T>(scale * testing::Pattern(static_cast<int>(x), static_cast<int>(y), c));
        bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));
      }
  return bytes;
}

absl::Status Write(const WriterOptions& options, const std::string& samples, ByteSink* sink,
                   int64_t rows_at_once = 1000000) {
  auto writer = ImageWriter::Create(options, sink);
  if (!writer.ok()) return writer.status();
  const int64_t row = options.size.width * options.channels * SampleBytes(options.type);
  for (size_t at = 0; at < samples.size(); at += row * rows_at_once) {
    const absl::Status status =
        (*writer)->WriteRows(absl::string_view(samples).substr(at, row * rows_at_once));
    if (!status.ok()) return status;
  }
  return (*writer)->Finish();
}

// Asked between rows; by WebP, which does its work at the end, then too.
TEST(Writer, IsGivenUpWhereNobodyWantsTheFile) {
  const Grid size{64, 64};
  for (const ImageFormat format : {ImageFormat::kPng, ImageFormat::kJpeg, ImageFormat::kTiff}) {
    WriterOptions options{.format = format, .size = size};
    options.cancelled = [] { return true; };
    StringSink sink;
    EXPECT_TRUE(absl::IsCancelled(Write(options, Samples<uint8_t>(size, 3), &sink)));
  }
  WriterOptions options{.format = ImageFormat::kWebp, .size = size};
  bool cancelled = false;
  options.cancelled = [&] { return cancelled; };
  StringSink sink;
  const auto writer = ImageWriter::Create(options, &sink);
  ASSERT_TRUE(writer.ok() && (*writer)->WriteRows(Samples<uint8_t>(size, 3)).ok());
  cancelled = true;
  EXPECT_TRUE(absl::IsCancelled((*writer)->Finish()));
  EXPECT_EQ(sink.bytes(), "");
}

VImage Read(const std::string& file) {
  testing::OpenSavers();
  return VImage::new_from_buffer(file.data(), file.size(), "");
}

std::string PixelsOf(const VImage& image) {
  size_t size = 0;
  void* data = image.write_to_memory(&size);
  std::string bytes(static_cast<const char*>(data), size);
  g_free(data);
  return bytes;
}

std::string BlobOf(const VImage& image, const char* name) {
  if (image.get_typeof(name) == 0) return "";
  size_t size = 0;
  const void* data = image.get_blob(name, &size);
  return {static_cast<const char*>(data), size};
}

// One that comes with libvips.
std::string Profile(const char* name) {
  VipsBlob* blob = nullptr;
  EXPECT_EQ(vips_profile_load(name, &blob, nullptr), 0);
  size_t length = 0;
  const void* data = vips_blob_get(blob, &length);
  std::string out(static_cast<const char*>(data), length);
  vips_area_unref(reinterpret_cast<VipsArea*>(blob));
  return out;
}

WriterOptions Options(ImageFormat format, Grid size, int channels, SampleType type) {
  WriterOptions options;
  options.format = format;
  options.size = size;
  options.channels = channels;
  options.type = type;
  return options;
}

TEST(ImageWriter, LosslessFormatsGiveBackEverySample) {
  const Grid size = {23, 31};
  for (const ImageFormat format :
       {ImageFormat::kPng, ImageFormat::kTiff, ImageFormat::kWebp, ImageFormat::kJxl}) {
    for (const SampleType type : {SampleType::kU8, SampleType::kU16, SampleType::kF32}) {
      if (StoredType(format, type) != type) continue;
      for (int channels = 1; channels <= 4; ++channels) {
        if (format == ImageFormat::kWebp && channels < 3) continue;
        for (const int rows : {1, 7, 100}) {
          for (const bool stream : {false, true}) {
            SCOPED_TRACE(absl::StrCat(FormatName(format), " type ", static_cast<int>(type), " of ",
                                      channels, rows, stream));
            const std::string samples = type == SampleType::kU8 ? Samples<uint8_t>(size, channels)
                                        : type == SampleType::kU16
                                            ? Samples<uint16_t>(size, channels, 257)
                                            : Samples<float>(size, channels, 1 / 256.0);
            StringSink file;
            std::string streamed;
            StreamSink tail([&](absl::string_view bytes) {
              streamed.append(bytes.data(), bytes.size());
              return absl::OkStatus();
            });
            ByteSink* sink = stream ? static_cast<ByteSink*>(&tail) : &file;
            const absl::Status status =
                Write(Options(format, size, channels, type), samples, sink, rows);
            ASSERT_TRUE(status.ok()) << status;
            const std::string& bytes = stream ? streamed : file.bytes();
            const VImage image = Read(bytes);
            EXPECT_EQ(image.width(), size.width);
            EXPECT_EQ(image.height(), size.height);
            EXPECT_EQ(image.bands(), channels);
            if (type == SampleType::kF32 && format == ImageFormat::kJxl) continue;  // 1e-7 off
            ASSERT_EQ(PixelsOf(image), samples);
          }
        }
      }
    }
  }
}

TEST(ImageWriter, LossyFormatsComeClose) {
  const Grid size = {64, 64};
  std::string samples;
  for (int i = 0; i < 64 * 64; ++i)
    for (int c = 0; c < 3; ++c)
      samples.push_back(static_cast<char>(30 + i % 64 * 2 + i / 64 + c * 9));
  for (const ImageFormat format : {ImageFormat::kJpeg, ImageFormat::kWebp, ImageFormat::kAvif}) {
    StringSink small;
    StringSink fine;
    WriterOptions options = Options(format, size, 3, SampleType::kU8);
    options.quality = 40;
    ASSERT_TRUE(Write(options, samples, &small).ok());
    options.quality = 95;
    const absl::Status status = Write(options, samples, &fine);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_LE(small.bytes().size(), fine.bytes().size()) << FormatName(format);
    const std::string read = PixelsOf(Read(fine.bytes()));
    ASSERT_EQ(read.size(), samples.size());
    for (size_t i = 0; i < samples.size(); ++i)
      ASSERT_NEAR(static_cast<uint8_t>(read[i]), static_cast<uint8_t>(samples[i]), 8)
          << FormatName(format) << " " << i;
  }
}

TEST(ImageWriter, JpegIs95WithoutSubsampling) {
  const Grid size = {64, 64};
  // Columns of pure red and blue: subsampling would mix them.
  std::string samples;
  for (int i = 0; i < 64 * 64; ++i)
    samples += i % 2 == 0 ? std::string("\xff\0\0", 3) : std::string("\0\0\xff", 3);
  StringSink by_default, by_name;
  WriterOptions options = Options(ImageFormat::kJpeg, size, 3, SampleType::kU8);
  ASSERT_TRUE(Write(options, samples, &by_default).ok());
  options.quality = 95;
  ASSERT_TRUE(Write(options, samples, &by_name).ok());
  EXPECT_EQ(by_default.bytes(), by_name.bytes());
  const std::string read = PixelsOf(Read(by_default.bytes()));
  for (int i = 0; i < 64 * 64; ++i)
    ASSERT_GT(static_cast<uint8_t>(read[i * 3 + (i % 2 == 0 ? 0 : 2)]), 200);
  EXPECT_STREQ(Read(by_default.bytes()).get_string("jpeg-chroma-subsample"), "4:4:4");
}

TEST(ImageWriter, FewerBitsAreRounded) {
  // 16 bits to 8: 65535/255 = 257 apart.
  const uint16_t wide[] = {0, 128, 129, 257, 65535, 65406};
  StringSink sink;
  ASSERT_TRUE(Write(Options(ImageFormat::kPpm, {2, 3}, 1, SampleType::kU16),
                    {reinterpret_cast<const char*>(wide), sizeof(wide)}, &sink)
                  .ok());
  EXPECT_THAT(sink.bytes(), HasSubstr("P5\n3 2\n65535\n"));
  EXPECT_EQ(sink.bytes().substr(sink.bytes().size() - 4), "\xff\xff\xff\x7e");
  StringSink webp;
  ASSERT_TRUE(Write(Options(ImageFormat::kWebp, {2, 3}, 1, SampleType::kU16),
                    {reinterpret_cast<const char*>(wide), sizeof(wide)}, &webp)
                  .ok());
  const std::string narrow = PixelsOf(Read(webp.bytes()));
  const uint8_t expected[] = {0, 0, 1, 1, 255, 254};
  for (int i = 0; i < 6; ++i) EXPECT_EQ(static_cast<uint8_t>(narrow[i * 3]), expected[i]) << i;
  // Floats to 16 bits.
  const float floats[] = {0.0f, 1.0f, 0.5f, 2.0f};
  StringSink png;
  ASSERT_TRUE(Write(Options(ImageFormat::kPng, {1, 4}, 1, SampleType::kF32),
                    {reinterpret_cast<const char*>(floats), sizeof(floats)}, &png)
                  .ok());
  const std::string read = PixelsOf(Read(png.bytes()));
  const auto* values = reinterpret_cast<const uint16_t*>(read.data());
  EXPECT_EQ(values[0], 0);
  EXPECT_EQ(values[1], 65535);
  EXPECT_EQ(values[2], 32768);
  EXPECT_EQ(values[3], 65535);
}

// Defect: what is no number became whatever the processor makes of it.
TEST(ImageWriter, WhatIsNoNumberIsBlack) {
  const float floats[] = {std::nanf(""), -std::nanf(""), HUGE_VALF, -HUGE_VALF};
  StringSink png;
  ASSERT_TRUE(Write(Options(ImageFormat::kPng, {1, 4}, 1, SampleType::kF32),
                    {reinterpret_cast<const char*>(floats), sizeof(floats)}, &png)
                  .ok());
  EXPECT_EQ(PixelsOf(Read(png.bytes())), std::string("\0\0\0\0\xff\xff\0\0", 8));
}

// Defect: 60 million dots an inch were cut to 32 bits.
TEST(ImageWriter, AResolutionThatDoesNotFitIsLeftOut) {
  WriterOptions options = Options(ImageFormat::kPng, {1, 1}, 1, SampleType::kU8);
  options.metadata.ppi_x = options.metadata.ppi_y = 6e7;
  StringSink sink;
  ASSERT_TRUE(Write(options, "a", &sink).ok());
  EXPECT_THAT(std::string(sink.bytes()), ::testing::Not(HasSubstr("pHYs")));
}

TEST(ImageWriter, AlphaIsLaidOnWhiteWhereThereIsNone) {
  const std::string rgba("\x00\x40\xff\x80", 4);
  StringSink ppm;
  ASSERT_TRUE(Write(Options(ImageFormat::kPpm, {1, 1}, 4, SampleType::kU8), rgba, &ppm).ok());
  const std::string& file = ppm.bytes();
  ASSERT_THAT(file, HasSubstr("P6"));
  EXPECT_EQ(static_cast<uint8_t>(file[file.size() - 3]), 127);  // 255 (1 - 128/255)
  EXPECT_EQ(static_cast<uint8_t>(file[file.size() - 2]), 159);
  EXPECT_EQ(static_cast<uint8_t>(file[file.size() - 1]), 255);
}

TEST(ImageWriter, WhatAFormatCannotHoldIsTold) {
  const auto warnings = [](WriterOptions options) {
    StringSink sink;
    auto writer = ImageWriter::Create(options, &sink);
    EXPECT_TRUE(writer.ok()) << writer.status();
    return (*writer)->warnings();
  };
  const Grid size = {4, 4};
  for (const ImageFormat format : {ImageFormat::kJpeg, ImageFormat::kPpm}) {
    EXPECT_THAT(warnings(Options(format, size, 4, SampleType::kU8)),
                ElementsAre(HasSubstr("transparency")));
    EXPECT_THAT(warnings(Options(format, size, 3, SampleType::kU8)), IsEmpty());
  }
  WriterOptions grey = Options(ImageFormat::kPng, size, 1, SampleType::kU8);
  grey.metadata.icc = Profile("p3");
  EXPECT_THAT(warnings(grey), ElementsAre(HasSubstr("RGB profile")));
  // The one that libpng knows.
  WriterOptions rgb = Options(ImageFormat::kPng, size, 3, SampleType::kU8);
  rgb.metadata.icc = Profile("srgb");
  EXPECT_THAT(warnings(rgb), IsEmpty());

  EXPECT_THAT(RoundingWarnings(ImageFormat::kJpeg, SampleType::kU16),
              ElementsAre(HasSubstr("8-bit")));
  EXPECT_THAT(RoundingWarnings(ImageFormat::kAvif, SampleType::kU16),
              ElementsAre(HasSubstr("8-bit")));
  EXPECT_THAT(RoundingWarnings(ImageFormat::kPpm, SampleType::kF32),
              ElementsAre(HasSubstr("16-bit")));
  EXPECT_THAT(RoundingWarnings(ImageFormat::kTiff, SampleType::kF32), IsEmpty());
}

TEST(ImageWriter, KeepsMetadata) {
  const Grid size = {8, 8};
  Metadata metadata;
  const VImage base = testing::Make<uint8_t>(8, 8, 3, testing::Pattern);
  metadata.icc = Profile("p3");
  // One text (the camera's make), and an EXIF directory with the exposure time 1/50.
  metadata.exif = std::string(
      "II*\0\x08\0\0\0"
      "\x02\0"
      "\x0f\x01\x02\0\x06\0\0\0\x26\0\0\0"
      "\x69\x87\x04\0\x01\0\0\0\x2c\0\0\0"
      "\0\0\0\0"
      "Maker\0"
      "\x01\0"
      "\x9a\x82\x05\0\x01\0\0\0\x3e\0\0\0"
      "\0\0\0\0"
      "\x01\0\0\0\x32\0\0\0",
      70);
  metadata.xmp = "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF/></x:xmpmeta>";
  metadata.iptc = std::string("\x1c\x02\x78\0\x05Hello", 10);
  metadata.ppi_x = 300;
  metadata.ppi_y = 150;
  const std::string samples = Samples<uint8_t>(size, 3);
  for (const ImageFormat format : {ImageFormat::kPng, ImageFormat::kJpeg, ImageFormat::kTiff,
                                   ImageFormat::kWebp, ImageFormat::kAvif, ImageFormat::kJxl}) {
    for (const bool stream : {false, true}) {
      SCOPED_TRACE(FormatName(format));
      WriterOptions options = Options(format, size, 3, SampleType::kU8);
      options.metadata = metadata;
      std::string bytes;
      if (stream) {
        StreamSink sink([&](absl::string_view piece) {
          bytes.append(piece.data(), piece.size());
          return absl::OkStatus();
        });
        ASSERT_TRUE(Write(options, samples, &sink).ok());
      } else {
        StringSink sink;
        const absl::Status status = Write(options, samples, &sink);
        ASSERT_TRUE(status.ok()) << status;
        bytes = sink.bytes();
      }
      const VImage image = Read(bytes);
      EXPECT_EQ(BlobOf(image, VIPS_META_ICC_NAME), metadata.icc);
      if (format == ImageFormat::kJxl) continue;  // see SaysWhatItLeavesOut
      EXPECT_EQ(BlobOf(image, VIPS_META_XMP_NAME), metadata.xmp);
      const auto info = Probe(bytes);
      ASSERT_TRUE(info.ok()) << info.status();
      EXPECT_THAT(info->metadata.exif, HasSubstr("Maker"));
      EXPECT_THAT(info->metadata.exif, HasSubstr(std::string("\x9a\x82\x05\0\x01\0\0\0", 8)));
      if (format == ImageFormat::kJpeg || format == ImageFormat::kTiff) {
        EXPECT_THAT(info->metadata.iptc, HasSubstr("Hello"));
      }
      // As ImageMagick keeps it, in a text chunk, which libvips reads as a comment.
      if (format == ImageFormat::kPng) {
        gchar** fields = vips_image_get_fields(image.get_image());
        bool found = false;
        for (gchar** field = fields; *field != nullptr; ++field)
          found |= std::string(*field).find("Raw profile type iptc") != std::string::npos;
        g_strfreev(fields);
        EXPECT_TRUE(found);
      }
      if (format != ImageFormat::kWebp) {
        EXPECT_NEAR(info->metadata.ppi_x, 300, 0.02);
        EXPECT_NEAR(info->metadata.ppi_y, 150, 0.02);
      }
    }
  }
}

// libvips makes a block of EXIF for an AVIF that has none, of 25 dots an inch.
TEST(ImageWriter, AvifSaysNothingThatNobodySaid) {
  const Grid size = {8, 8};
  WriterOptions options = Options(ImageFormat::kAvif, size, 3, SampleType::kU8);
  const auto written = [&] {
    StringSink sink;
    EXPECT_TRUE(Write(options, Samples<uint8_t>(size, 3), &sink).ok());
    return Probe(sink.bytes());
  };
  EXPECT_EQ(written()->metadata.exif, "");
  options.metadata.icc = Profile("p3");
  EXPECT_EQ(written()->metadata.icc, options.metadata.icc);
  EXPECT_NEAR(written()->metadata.ppi_x, 72, 0.1) << "which EXIF has for: unknown";
  options.metadata.ppi_x = options.metadata.ppi_y = 300;
  EXPECT_NEAR(written()->metadata.ppi_x, 300, 0.1);
}

TEST(ImageWriter, SaysWhatItLeavesOut) {
  WriterOptions options = Options(ImageFormat::kJpeg, {4, 4}, 3, SampleType::kU8);
  options.metadata.exif = std::string("II*\0\x08\0\0\0", 8) + std::string(70000, 'x');
  StringSink sink;
  const auto writer = ImageWriter::Create(options, &sink);
  ASSERT_TRUE(writer.ok());
  EXPECT_THAT((*writer)->warnings(), ::testing::ElementsAre(HasSubstr("EXIF")));
  options.metadata = {};
  options.metadata.iptc = "\x1c";
  options.format = ImageFormat::kWebp;
  EXPECT_THAT((*ImageWriter::Create(options, &sink))->warnings(),
              ::testing::ElementsAre(HasSubstr("IPTC")));
  options.format = ImageFormat::kTiff;
  EXPECT_THAT((*ImageWriter::Create(options, &sink))->warnings(), IsEmpty());
  WriterOptions jxl = Options(ImageFormat::kJxl, {4, 4}, 3, SampleType::kU8);
  jxl.metadata.xmp = "<x/>";
  const auto jxl_writer = ImageWriter::Create(jxl, &sink);
  ASSERT_TRUE(jxl_writer.ok());
  EXPECT_THAT((*jxl_writer)->warnings(), ::testing::ElementsAre(HasSubstr("JPEG XL")));
  WriterOptions avif = Options(ImageFormat::kAvif, {4, 4}, 3, SampleType::kU8);
  avif.metadata.exif = std::string("II*\0\x08\0\0\0\0\0", 10) + std::string(70000, '\0');
  EXPECT_THAT((*ImageWriter::Create(avif, &sink))->warnings(),
              ::testing::ElementsAre(HasSubstr("70010 bytes")));
  // Two hundred entries that all name the same 60,000 bytes.
  avif.metadata.exif = std::string("II*\0\x08\0\0\0\xc8\0", 10);
  for (int i = 0; i < 200; ++i)
    avif.metadata.exif += std::string("\x86\x92\x07\0\x60\xea\0\0\x64\0\0\0", 12);
  avif.metadata.exif += std::string(60'000, '\0');
  EXPECT_THAT((*ImageWriter::Create(avif, &sink))->warnings(),
              ::testing::ElementsAre(HasSubstr("left out")));
}

TEST(ImageWriter, RefusesBeforeAnyWork) {
  const auto refusal = [](ImageFormat format, Grid size) {
    StringSink sink;
    const auto writer = ImageWriter::Create(Options(format, size, 3, SampleType::kU8), &sink);
    EXPECT_EQ(writer.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_TRUE(sink.bytes().empty());
    return std::string(writer.status().message());
  };
  EXPECT_THAT(refusal(ImageFormat::kJpeg, {10, 65501}), HasSubstr("JPEG holds at most 65500"));
  EXPECT_THAT(refusal(ImageFormat::kWebp, {16384, 10}), HasSubstr("WebP holds at most 16383"));
  EXPECT_THAT(refusal(ImageFormat::kPng, {int64_t{1} << 31, 10}), HasSubstr("PNG holds"));
  EXPECT_THAT(refusal(ImageFormat::kPng, {0, 10}), HasSubstr("10 x 0"));
  EXPECT_EQ(CheckWritable(ImageFormat::kHeic, {1, 1}).code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(CheckWritable(ImageFormat::kHeic, {1, 1}).code(), absl::StatusCode::kUnimplemented);
  WriterOptions options = Options(ImageFormat::kJpeg, {4, 4}, 3, SampleType::kU8);
  options.quality = 101;
  StringSink sink;
  EXPECT_THAT(std::string(ImageWriter::Create(options, &sink).status().message()),
              HasSubstr("quality: 101"));
}

TEST(ImageWriter, WantsAllRowsAndNoMore) {
  StringSink sink;
  const std::string row(12, 'a');
  auto writer = *ImageWriter::Create(Options(ImageFormat::kPng, {2, 4}, 3, SampleType::kU8), &sink);
  EXPECT_EQ(writer->WriteRows(row.substr(1)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(writer->WriteRows(row).ok());
  EXPECT_EQ(writer->Finish().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(writer->WriteRows(row + row).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(writer->WriteRows(row).ok());
  EXPECT_TRUE(writer->Finish().ok());
}

TEST(ImageWriter, ErrorsOfTheSinkComeBack) {
  const Grid size = {600, 600};
  const std::string samples = Samples<uint8_t>(size, 3);
  for (const ImageFormat format :
       {ImageFormat::kPng, ImageFormat::kJpeg, ImageFormat::kTiff, ImageFormat::kPpm,
        ImageFormat::kWebp, ImageFormat::kAvif, ImageFormat::kJxl}) {
    for (const int64_t room : {int64_t{0}, int64_t{300000}}) {
      int64_t written = 0;
      StreamSink sink([&](absl::string_view bytes) {
        written += bytes.size();
        return written > room ? absl::ResourceExhaustedError("disk full") : absl::OkStatus();
      });
      const absl::Status status = Write(Options(format, size, 3, SampleType::kU8), samples, &sink);
      if (written <= room) continue;  // packed smaller than that
      EXPECT_EQ(status.message(), "disk full") << FormatName(format) << " " << status;
    }
  }
}

// 30,000 x 24,000 pixels of 8 bytes are 5.8 GB; sums are enough to see that the positions are
// right.
TEST(ImageWriter, BigTiffWhereItIsNeeded) {
  const Grid size = {24000, 30000};
  WriterOptions options = Options(ImageFormat::kTiff, size, 4, SampleType::kU16);
  std::string head;
  uint64_t total = 0;
  StreamSink stream([&](absl::string_view bytes) {
    if (head.size() < 1000) head.append(bytes.data(), std::min<size_t>(bytes.size(), 1000));
    total += bytes.size();
    return absl::OkStatus();
  });
  auto writer = *ImageWriter::Create(options, &stream);
  const std::string rows(size.width * 8 * 100, '\x11');
  for (int64_t y = 0; y < size.height; y += 100) ASSERT_TRUE(writer->WriteRows(rows).ok());
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(head.substr(0, 8), std::string("II+\0\x08\0\0\0", 8));
  EXPECT_GT(total, uint64_t{24000} * 30000 * 8);

  StringSink file;
  ASSERT_TRUE(Write(Options(ImageFormat::kTiff, {4, 4}, 4, SampleType::kU16),
                    Samples<uint16_t>({4, 4}, 4), &file)
                  .ok());
  EXPECT_EQ(file.bytes().substr(0, 4), std::string("II*\0", 4));
}

TEST(TileAssembler, PutsRowsTogether) {
  const Region region = {100, 50, 7, 5};  // x, y, width, height
  const std::string samples = Samples<uint8_t>({5, 7}, 3);
  StringSink sink;
  auto writer = *ImageWriter::Create(Options(ImageFormat::kPng, {5, 7}, 3, SampleType::kU8), &sink);
  TileAssembler tiles(region, 3, writer.get());
  for (int64_t y = 0; y < 5; y += 2) {
    for (int64_t x = 0; x < 7; x += 3) {
      const Region tile = {100 + x, 50 + y, std::min<int64_t>(3, 7 - x),
                           std::min<int64_t>(2, 5 - y)};
      std::string part;
      for (int64_t v = 0; v < tile.height; ++v)
        part += samples.substr(((y + v) * 7 + x) * 3, tile.width * 3);
      EXPECT_FALSE(tiles.complete());
      // The wrong place, the wrong length.
      EXPECT_FALSE(tiles.AddTile({tile.x + 1, tile.y, tile.width, tile.height}, part).ok());
      EXPECT_FALSE(tiles.AddTile(tile, part + "x").ok());
      ASSERT_TRUE(tiles.AddTile(tile, part).ok());
    }
  }
  EXPECT_TRUE(tiles.complete());
  EXPECT_FALSE(tiles.AddTile({100, 55, 1, 1}, "abc").ok());
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(PixelsOf(Read(sink.bytes())), samples);
}

TEST(FileSink, OverwritesAndCommits) {
  const std::string path = ::testing::TempDir() + "/sink.tif";
  auto file = AtomicFile::Create(path);
  ASSERT_TRUE(file.ok());
  FileSink sink(file->get());
  const std::string samples = Samples<uint8_t>({9, 9}, 3);
  ASSERT_TRUE(Write(Options(ImageFormat::kTiff, {9, 9}, 3, SampleType::kU8), samples, &sink).ok());
  ASSERT_TRUE((*file)->Commit().ok());
  EXPECT_EQ(PixelsOf(VImage::new_from_file(path.c_str())), samples);
}

}  // namespace
}  // namespace hiif
