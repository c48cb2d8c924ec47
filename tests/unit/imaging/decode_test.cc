#include "imaging/decode.h"

#include <cmath>
#include <deque>
#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/imaging/files.h"

namespace hiif {
namespace {

using testing::At;
using ::testing::HasSubstr;
using testing::Make;
using testing::Pattern;
using testing::Save;
using vips::VImage;

// Message of an InvalidArgument; anything else fails.
std::string Refusal(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return std::string(status.message());
}

TEST(Decode, EveryFormatAndChannelCount) {
  for (const std::string suffix :
       {".png", ".webp[lossless]", ".tif", ".tif[tile]", ".png[interlace]",
        ".tif[compression=deflate,bigtiff]", ".jxl[lossless]"}) {
    for (int bands = 1; bands <= 4; ++bands) {
      SCOPED_TRACE(suffix + " " + std::to_string(bands));
      const std::string file = Save(Make<uint8_t>(19, 13, bands, Pattern), suffix);
      const auto info = Probe(file);
      ASSERT_TRUE(info.ok()) << info.status();
      const auto picture = Decode(file);
      ASSERT_TRUE(picture.ok()) << picture.status();
      // WebP knows neither grey nor grey with alpha.
      const bool webp = suffix.starts_with(".webp");
      EXPECT_EQ(picture->channels, webp && bands < 3 ? bands + 2 : bands);
      EXPECT_EQ(info->channels, picture->channels);
      EXPECT_EQ(info->type, SampleType::kU8);
      EXPECT_EQ(info->size, (Grid{13, 19}));
      EXPECT_EQ(picture->size(), info->size);
      EXPECT_EQ(picture->type, SampleType::kU8);
      EXPECT_TRUE(picture->warnings.empty());
      for (int y = 0; y < 13; ++y) {
        for (int x = 0; x < 19; ++x) {
          const bool alpha = picture->has_alpha();
          if (alpha) {
            ASSERT_EQ(+At<uint8_t>(picture->alpha.samples, y * 19 + x), Pattern(x, y, bands - 1));
          }
          for (int c = 0; c < 3; ++c) {
            // Where there is alpha, colour may have been continued: see alpha_test.
            if (!alpha) {
              ASSERT_EQ(+At<uint8_t>(picture->colour->samples, (y * 19 + x) * 3 + c),
                        Pattern(x, y, bands < 3 ? 0 : c));
            }
          }
        }
      }
    }
  }
}

TEST(Decode, LossyFormatsComeClose) {
  const auto smooth = [](int x, int y, int b) { return 40 + x * 5 + y * 3 + b * 10; };
  for (const std::string suffix :
       {".jpg[Q=100,subsample-mode=off]", ".webp[Q=95]", ".avif[Q=95]"}) {
    const auto picture = Decode(Save(Make<uint8_t>(16, 16, 3, smooth), suffix));
    ASSERT_TRUE(picture.ok()) << suffix << picture.status();
    for (int i = 0; i < 16 * 16 * 3; ++i)
      ASSERT_NEAR(At<uint8_t>(picture->colour->samples, i), smooth(i / 3 % 16, i / 48, i % 3), 8)
          << suffix;
  }
}

TEST(Decode, SixteenBitsAndFloatStayWhatTheyAre) {
  const auto wide = [](int x, int y, int b) { return (x * 4099 + y * 1031 + b * 77) % 65536; };
  for (const std::string suffix : {".png", ".tif", ".jxl[lossless]", ".ppm"}) {
    for (const int bands : {1, 3}) {
      const auto picture = Decode(Save(Make<uint16_t>(17, 5, bands, wide),
                                       suffix == ".ppm" && bands == 1 ? ".pgm" : suffix));
      ASSERT_TRUE(picture.ok()) << suffix << picture.status();
      EXPECT_EQ(picture->type, SampleType::kU16);
      EXPECT_EQ(picture->channels, bands);
      for (int i = 0; i < 17 * 5 * 3; ++i)
        ASSERT_EQ(At<uint16_t>(picture->colour->samples, i),
                  wide(i / 3 % 17, i / 51, bands == 1 ? 0 : i % 3))
            << suffix;
    }
  }
  const auto unit = [](int x, int y, int b) { return (x * 7 + y * 3 + b) / 1000.0; };
  const auto picture = Decode(Save(Make<float>(17, 5, 3, unit), ".tif"));
  ASSERT_TRUE(picture.ok()) << picture.status();
  EXPECT_EQ(picture->type, SampleType::kF32);
  for (int i = 0; i < 17 * 5 * 3; ++i)
    EXPECT_EQ(At<float>(picture->colour->samples, i),
              static_cast<float>(unit(i / 3 % 17, i / 51, i % 3)));
}

// Rows from the bottom up (netpbm, pfm(5)).
TEST(Decode, PfmBeginsAtItsLastRow) {
  std::string file = "PF\n1 2\n-1.0\n";
  const float samples[] = {0, 0.25, 0.5, 0.5, 0.75, 1};
  file.append(reinterpret_cast<const char*>(samples), sizeof(samples));
  const auto picture = Decode(file);
  ASSERT_TRUE(picture.ok()) << picture.status();
  for (int c = 0; c < 3; ++c) {
    EXPECT_EQ(At<float>(picture->colour->samples, c), samples[3 + c]);
    EXPECT_EQ(At<float>(picture->colour->samples, 3 + c), samples[c]);
  }
}

TEST(Decode, FloatOutsideTheRangeOnlyClipped) {
  for (const float bad : {-0.01f, 1.01f, 255.0f, std::numeric_limits<float>::quiet_NaN()}) {
    const std::string file =
        Save(Make<float>(8, 8, 3, [&](int x, int y, int) { return x == 3 && y == 7 ? bad : 0.5; }),
             ".tif");
    EXPECT_THAT(Refusal(Decode(file).status()), HasSubstr("0 to 1"));
    const auto clipped = Decode(file, {.clip = true});
    ASSERT_TRUE(clipped.ok()) << clipped.status();
    EXPECT_EQ(At<float>(clipped->colour->samples, (7 * 8 + 3) * 3), bad > 1 ? 1.0f : 0.0f);
    EXPECT_EQ(At<float>(clipped->colour->samples, 0), 0.5f);
  }
}

// Where each stored pixel is seen, by the EXIF standard's own words ("the 0th row is at the visual
// right of the image"), for all eight.
TEST(Decode, AppliesTheOrientation) {
  constexpr int kW = 5, kH = 3;
  std::deque<std::string> blocks;  // what images refer to
  for (int orientation = 1; orientation <= 8; ++orientation) {
    for (const std::string suffix : {".tif", ".png", ".webp[lossless]"}) {
      SCOPED_TRACE(suffix + std::to_string(orientation));
      VImage image = Make<uint8_t>(
          kW, kH, 4, [](int x, int y, int b) { return b == 3 ? 200 + x : Pattern(x, y, b); });
      image.set(VIPS_META_ORIENTATION, orientation);
      if (suffix == ".png") {
        // One directory with one entry: the tag 0x0112, a SHORT, once.
        std::string exif("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\0\0\0\0\0\0\0\0", 26);
        exif[18] = static_cast<char>(orientation);
        image.set(VIPS_META_EXIF_NAME, nullptr, exif.data(), exif.size());
        blocks.push_back(std::move(exif));
      }
      const std::string file = Save(image, suffix);
      const auto picture = Decode(file);
      ASSERT_TRUE(picture.ok()) << picture.status();
      EXPECT_EQ(picture->orientation_applied, orientation);
      const auto info = Probe(file);
      EXPECT_EQ(info->orientation, orientation);
      EXPECT_EQ(info->stored, (Grid{kH, kW}));
      const bool swapped = orientation > 4;
      ASSERT_EQ(picture->size(), (swapped ? Grid{kW, kH} : Grid{kH, kW}));
      EXPECT_EQ(info->size, picture->size());
      // The visual sides of the 0th row and the 0th column.
      const char row0 = " ttbblrrl"[orientation];
      const char col0 = " lrrlttbb"[orientation];
      for (int y = 0; y < kH; ++y) {
        for (int x = 0; x < kW; ++x) {
          int u = 0, v = 0;
          if (row0 == 't') v = y;
          if (row0 == 'b') v = kH - 1 - y;
          if (row0 == 'l') u = y;
          if (row0 == 'r') u = kH - 1 - y;
          if (col0 == 'l') u = x;
          if (col0 == 'r') u = kW - 1 - x;
          if (col0 == 't') v = x;
          if (col0 == 'b') v = kW - 1 - x;
          const int64_t at = v * picture->size().width + u;
          ASSERT_EQ(+At<uint8_t>(picture->alpha.samples, at), 200 + x);
          EXPECT_NEAR(At<uint8_t>(picture->colour->samples, at * 3 + 1), Pattern(x, y, 1), 60);
        }
      }
    }
  }
}

TEST(Decode, PaletteBecomesRgbWithItsTransparency) {
  const auto flat = [](int x, int, int b) { return b == 3 ? (x < 8 ? 0 : 255) : x < 8 ? 10 : 200; };
  const auto rgba = Decode(Save(Make<uint8_t>(16, 8, 4, flat), ".png[palette]"));
  ASSERT_TRUE(rgba.ok()) << rgba.status();
  EXPECT_EQ(rgba->channels, 4);
  ASSERT_EQ(+At<uint8_t>(rgba->alpha.samples, 0), 0);
  ASSERT_EQ(+At<uint8_t>(rgba->alpha.samples, 15), 255);
  const std::string file = Save(Make<uint8_t>(16, 8, 3, flat), ".png[palette]");
  EXPECT_TRUE(Probe(file)->palette);
  const auto rgb = Decode(file);
  ASSERT_TRUE(rgb.ok()) << rgb.status();
  EXPECT_EQ(rgb->channels, 3);
  EXPECT_NEAR(At<uint8_t>(rgb->colour->samples, 15 * 3), 200, 2);
}

TEST(Decode, OpaqueAlphaIsNotKept) {
  const auto picture = Decode(Save(
      Make<uint8_t>(4, 4, 4, [](int x, int y, int b) { return b == 3 ? 255 : Pattern(x, y, b); }),
      ".png"));
  ASSERT_TRUE(picture.ok());
  EXPECT_EQ(picture->channels, 4);
  EXPECT_TRUE(picture->alpha.empty());
}

TEST(Decode, AnimationsAskForAFrame) {
  // Two frames, one above the other, as libvips keeps them.
  VImage strip = Make<uint8_t>(6, 8, 3, [](int, int y, int) { return y < 4 ? 20 : 220; });
  strip.set(VIPS_META_PAGE_HEIGHT, 4);
  for (const std::string suffix : {".gif", ".webp[lossless]", ".tif"}) {
    const std::string file = Save(strip, suffix);
    const auto info = Probe(file);
    ASSERT_TRUE(info.ok()) << suffix << info.status();
    EXPECT_EQ(info->frames, 2) << suffix;
    EXPECT_EQ(info->size, (Grid{4, 6}));
    EXPECT_THAT(Refusal(Decode(file).status()), HasSubstr("2 frames"));
    for (const int frame : {0, 1}) {
      const auto picture = Decode(file, {.frame = frame});
      ASSERT_TRUE(picture.ok()) << picture.status();
      EXPECT_EQ(picture->size(), (Grid{4, 6}));
      EXPECT_NEAR(At<uint8_t>(picture->colour->samples, 0), frame == 0 ? 20 : 220, 3);
    }
    EXPECT_THAT(Refusal(Decode(file, {.frame = 2}).status()), HasSubstr("frame 2"));
  }
}

TEST(Decode, RefusesWhatIsNoImage) {
  EXPECT_THAT(Refusal(Decode("").status()), HasSubstr("empty (0 bytes)"));
  EXPECT_THAT(Refusal(Decode("Dear Sir or Madam,").status()), HasSubstr("allowed are PNG, JPEG"));
  EXPECT_THAT(
      Refusal(Decode("<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>").status()),
      HasSubstr("not an image of a known format"));
  EXPECT_THAT(Refusal(Decode("%PDF-1.4 ...").status()), HasSubstr("not an image"));
  EXPECT_THAT(Refusal(Decode(std::string(100, '\0')).status()), HasSubstr("not an image"));
}

TEST(Decode, RefusesTruncatedFiles) {
  for (const std::string suffix :
       {".png", ".png[interlace]", ".jpg", ".jpg[interlace]", ".webp", ".tif",
        ".tif[compression=deflate]", ".gif", ".avif", ".jxl", ".ppm"}) {
    const std::string file = Save(Make<uint8_t>(64, 64, 3, Pattern), suffix);
    ASSERT_TRUE(Decode(file).ok()) << suffix;
    for (const double part : {0.2, 0.5, 0.9}) {
      const std::string head = file.substr(0, static_cast<size_t>(file.size() * part));
      const auto picture = Decode(head);
      EXPECT_EQ(picture.status().code(), absl::StatusCode::kInvalidArgument)
          << suffix << " cut to " << part << ": " << picture.status();
    }
  }
}

// libvips keeps messages of failures before this one.
TEST(Decode, TheReasonIsOfThisFile) {
  const vips::VImage image = Make<uint8_t>(40, 30, 3, Pattern);
  const std::string png = Save(image, ".png");
  const auto reason = [](const std::string& file) {
    return std::string(Decode(file.substr(0, file.size() / 2)).status().message());
  };
  const std::string first = reason(png);
  for (int i = 0; i < 300; ++i) EXPECT_NE(reason(Save(image, ".tif")), "");
  vips_error("left", "over");
  EXPECT_EQ(reason(png), first);
}

TEST(Decode, PpmSizesAreNumbersAboveZero) {
  for (const std::string size : {"r0 15", "0 15", "15 0", "-3 15", "15 x", "99999999999 1"})
    EXPECT_THAT(Refusal(Decode("P6\n" + size + "\n255\n" + std::string(900, 'x')).status()),
                HasSubstr("width and height"))
        << size;
  EXPECT_TRUE(Decode("P6 # a remark\n20\n# 7\n15 255\n" + std::string(900, 'x')).ok());
}

// Standard error belongs to the program: its lines may be JSON.
TEST(Decode, LibrariesKeepQuiet) {
  ASSERT_TRUE(StartLibrary().ok());
  ::testing::internal::CaptureStderr();
  VipsImage* image = vips_image_new();
  g_object_set(image, "width", 0, nullptr);  // as a loader does with a damaged header
  g_object_unref(image);
  g_warning("a remark of GLib's or of whoever logs by it");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(Decode, StopsWhenAsked) {
  const std::string file = Save(Make<uint8_t>(64, 64, 3, Pattern), ".png");
  EXPECT_EQ(Decode(file, {.cancelled = [] { return true; }}).status().code(),
            absl::StatusCode::kCancelled);
}

TEST(Probe, LimitsPixelsFromTheHeader) {
  std::string file = Save(Make<uint8_t>(64, 64, 3, Pattern), ".png[interlace]");
  EXPECT_TRUE(Probe(file, {.max_pixels = 64 * 64}).ok());
  EXPECT_THAT(Refusal(Probe(file, {.max_pixels = 64 * 64 - 1}).status()), HasSubstr("64 x 64"));
  EXPECT_THAT(Refusal(Decode(file, {.limits = {.max_pixels = 4095}}).status()),
              HasSubstr("at most 0.004095 megapixels"));
  // A bomb: the header of 30,000 x 30,000 interlaced pixels and nothing behind it.
  const unsigned char size[] = {0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30};
  file.replace(16, 8, reinterpret_cast<const char*>(size), 8);
  const uint32_t crc = [&] {
    uint32_t c = 0xffffffffu;
    for (int i = 12; i < 29; ++i) {
      c ^= static_cast<uint8_t>(file[i]);
      for (int k = 0; k < 8; ++k) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
    }
    return ~c;
  }();
  for (int i = 0; i < 4; ++i) file[29 + i] = static_cast<char>(crc >> (24 - 8 * i));
  EXPECT_THAT(Refusal(Probe(file).status()), HasSubstr("30000 x 30000"));
}

TEST(Probe, RefusesJpegsOfThousandsOfScans) {
  std::string file = Save(Make<uint8_t>(16, 16, 3, Pattern), ".jpg[interlace]");
  ASSERT_TRUE(Probe(file).ok());
  const std::string scan("\xff\xda\x00\x08\x01\x01\x00\x00\x00\x00", 10);
  for (int i = 0; i < 200; ++i) file.insert(file.size() - 2, scan);
  EXPECT_THAT(Refusal(Probe(file).status()), HasSubstr("scans"));
}

TEST(Decode, OnePixelAndOneLine) {
  for (const Grid size : {Grid{1, 1}, Grid{1, 300}, Grid{300, 1}}) {
    for (const std::string suffix : {".png", ".jpg", ".webp[lossless]", ".tif"}) {
      const auto picture = Decode(Save(
          Make<uint8_t>(static_cast<int>(size.width), static_cast<int>(size.height), 3, Pattern),
          suffix));
      ASSERT_TRUE(picture.ok()) << suffix << picture.status();
      EXPECT_EQ(picture->size(), size);
    }
  }
}

TEST(PictureFromSamples, TakesRawPixels) {
  std::string raw;
  for (int i = 0; i < 5 * 3 * 2; ++i) raw.push_back(static_cast<char>(i % 2 ? 255 : i));
  const auto picture = PictureFromSamples({3, 5}, 2, SampleType::kU8, raw);
  ASSERT_TRUE(picture.ok()) << picture.status();
  EXPECT_EQ(picture->channels, 2);
  EXPECT_TRUE(picture->alpha.empty());
  ASSERT_EQ(+At<uint8_t>(picture->colour->samples, 3 * 7 + 2), 14);

  EXPECT_THAT(Refusal(PictureFromSamples({3, 5}, 3, SampleType::kU8, raw).status()),
              HasSubstr("samples: 30 bytes"));
  EXPECT_THAT(Refusal(PictureFromSamples({3, 5}, 5, SampleType::kU8, raw).status()),
              HasSubstr("channels: 5"));
  EXPECT_THAT(Refusal(PictureFromSamples({0, 5}, 3, SampleType::kU8, raw).status()),
              HasSubstr("width, height"));
  const float bad[3] = {0.5f, 2.0f, 0.5f};
  EXPECT_THAT(Refusal(PictureFromSamples({1, 1}, 3, SampleType::kF32,
                                         {reinterpret_cast<const char*>(bad), sizeof(bad)})
                          .status()),
              HasSubstr("value 2"));
  const auto clipped = PictureFromSamples({1, 1}, 3, SampleType::kF32,
                                          {reinterpret_cast<const char*>(bad), sizeof(bad)}, true);
  ASSERT_TRUE(clipped.ok()) << clipped.status();
  EXPECT_EQ(At<float>(clipped->colour->samples, 1), 1.0f);
}

// Defect: frame 0 of a file whose primary picture is another one was that one.
TEST(Decode, ANamedPageOfAnHeifIsNotThePrimaryPicture) {
  VImage pages = Make<uint8_t>(16, 3 * 16, 3, [](int, int y, int) { return 60 * (1 + y / 16); });
  pages.set("page-height", 16);
  pages.set("heif-primary", 1);
  const std::string file = Save(pages, ".avif[Q=95]");
  const auto grey = [&](int frame) {
    const auto picture = Decode(file, {.frame = frame});
    EXPECT_TRUE(picture.ok()) << picture.status();
    return picture.ok() ? int{picture->colour->samples[0]} : -1;
  };
  EXPECT_EQ(Probe(file)->frames, 3);
  EXPECT_NEAR(grey(0), 60, 2);
  EXPECT_NEAR(grey(1), 120, 2);
  EXPECT_NEAR(grey(2), 180, 2);
}

}  // namespace
}  // namespace hiif
