// What is read of a file before a decoder sees it. Files are made here, byte by byte.
#include <brotli/encode.h>

#include "imaging/container/container.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "imaging/bytes.h"
#include "imaging/codecs/loader.h"
#include "imaging/container/png.h"
#include "imaging/decode.h"
#include "imaging/exif.h"
#include "imaging/tiff_directory.h"
#include "imaging/xmp.h"
#include "tests/unit/imaging/files.h"
#include "tests/unit/imaging/structures.h"

namespace hiif {
namespace {

using testing::Box;
using ::testing::ElementsAre;
using testing::Entry;
using testing::Exif;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::JxlBits;
using testing::JxlStart;
using testing::kJxlAssociated;
using testing::kJxlDepth;
using testing::kJxlPlain;
using testing::kJxlSize;
using testing::Make;
using ::testing::Not;
using testing::Numbers;
using testing::Pattern;
using testing::Save;

std::string Jpeg(const std::string& options = "") {
  return Save(Make<uint8_t>(32, 24, 3, [](int x, int y, int b) { return 60 + 3 * x + 2 * y + b; }),
              absl::StrCat(".jpg[Q=90", options, "]"));
}

std::string Segment(char marker, absl::string_view data) {
  std::string out = {'\xff', marker};
  AppendBigEndian(data.size() + 2, 2, &out);
  return absl::StrCat(out, data);
}

TEST(ReadJpeg, CountsScansAndNotBytes) {
  const std::string file = Jpeg();
  std::string noise;
  for (int i = 0; i < 300; ++i) noise += "\xff\xda";
  EXPECT_TRUE(Decode(file + noise).ok());
  EXPECT_TRUE(Decode(absl::StrCat(file.substr(0, 2), Segment('\xe5', noise), file.substr(2))).ok());
  EXPECT_TRUE(Decode(absl::StrCat(file.substr(0, 2), Segment('\xfe', noise), file.substr(2))).ok());
  std::string burst;
  for (int i = 0; i < 150; ++i) burst += file;
  const auto picture = Decode(burst);
  ASSERT_TRUE(picture.ok()) << picture.status();
  EXPECT_THAT(picture->warnings, ElementsAre(HasSubstr("behind the picture")));
}

TEST(ReadJpeg, WithoutItsEndMarker) {
  for (const char* options : {"", ",interlace"}) {
    const std::string whole = Jpeg(options);
    const std::string file = whole.substr(0, whole.size() - 2);
    const auto picture = Decode(file);
    ASSERT_TRUE(picture.ok()) << options << picture.status();
    EXPECT_EQ(picture->colour->samples, Decode(whole)->colour->samples);
    EXPECT_THAT(picture->warnings, ElementsAre(HasSubstr("no end marker")));
    const auto filled = Decode(file + std::string(300, '\0'));
    ASSERT_TRUE(filled.ok()) << options << filled.status();
    EXPECT_EQ(filled->colour->samples, picture->colour->samples);
    EXPECT_FALSE(Decode(file.substr(0, file.size() * 2 / 3) + std::string(3000, '\0')).ok());
    for (const double part : {0.3, 0.6, 0.8, 0.93})
      EXPECT_FALSE(
          Decode(whole.substr(0, static_cast<size_t>(part * static_cast<double>(whole.size()))))
              .ok())
          << options << part;
    // To the last row: what is taken is the whole picture.
    for (size_t cut = 3; cut < 60; ++cut) {
      const auto less = Decode(whole.substr(0, whole.size() - cut));
      if (!less.ok()) continue;
      EXPECT_EQ(less->colour->samples, Decode(whole)->colour->samples) << options << cut;
    }
  }
}

// Where the entropy-coded data of the first scan begin.
size_t FirstScan(const std::string& jpeg) {
  size_t at = 2;
  while (jpeg[at + 1] != '\xda') at += 2 + BigEndian(jpeg, at + 2, 2);
  return at + 2 + BigEndian(jpeg, at + 2, 2);
}

// Defect: grey rows, without a word, where an end marker is there and data before it are not.
TEST(ReadJpeg, AnEndMarkerIsNoPicture) {
  const auto refused = [](const std::string& file) {
    return std::string(Decode(file).status().message());
  };
  for (const char* options : {"", ",interlace", ",restart-interval=2"}) {
    const std::string whole = Jpeg(options);
    const size_t begin = FirstScan(whole);
    const size_t data = whole.size() - 2 - begin;
    ASSERT_TRUE(Decode(whole).ok());
    for (const double part : {0.0, 0.3, 0.5, 0.8, 0.95}) {
      const auto kept = static_cast<size_t>(part * static_cast<double>(data));
      EXPECT_THAT(refused(whole.substr(0, begin + kept) + "\xff\xd9"),
                  HasSubstr("damaged or truncated"))
          << options << part;
    }
    // Lost in the middle.
    std::string damaged = whole;
    damaged.erase(begin + data / 3, data / 3);
    EXPECT_THAT(refused(damaged), HasSubstr("damaged or truncated")) << options;
  }
}

// Each scan is whole: what is not there is bits of coefficients, or a component.
TEST(ReadJpeg, EveryScanIsThere) {
  const std::string whole = Jpeg(",interlace");
  std::vector<size_t> scans;
  for (size_t at = 2; at + 1 < whole.size(); ++at)
    if (whole[at] == '\xff' && whole[at + 1] == '\xda') scans.push_back(at);
  ASSERT_GT(scans.size(), 4);
  for (size_t i = 1; i < scans.size(); ++i)
    EXPECT_THAT(Decode(whole.substr(0, scans[i]) + "\xff\xd9").status().message(),
                HasSubstr("scans are missing"))
        << i;
}

// Against T.81, as some programs that write PDF do.
TEST(ReadJpeg, ComponentsOfOneNumber) {
  std::string file = Jpeg("");
  const size_t frame = file.find("\xff\xc0");
  const size_t scan = file.find("\xff\xda");
  ASSERT_EQ(file[frame + 9], 3);
  const auto expected = Decode(file);
  ASSERT_TRUE(expected.ok());
  for (size_t i = 0; i < 3; ++i) file[frame + 10 + 3 * i] = file[scan + 5 + 2 * i] = '\x01';
  const auto picture = Decode(file);
  ASSERT_TRUE(picture.ok()) << picture.status();
  EXPECT_EQ(picture->colour->samples, expected->colour->samples);
}

// Cameras and programs fill up, number versions and count restarts as they like.
TEST(ReadJpeg, WhatCostsNoPixelsIsTaken) {
  for (const char* options : {"", ",interlace", ",restart-interval=2"}) {
    const std::string whole = Jpeg(options);
    const auto expected = Decode(whole)->colour->samples;
    std::string version = whole;
    version[11] = '\x07';  // of JFIF
    const std::string filled = whole.substr(0, whole.size() - 2) + "\x12\x34\x56\xff\xd9";
    std::string between = whole;
    between.insert(4 + BigEndian(whole, 4, 2), "\x55\x55\x55");
    for (const std::string& file : {version, filled, between}) {
      const auto picture = Decode(file);
      ASSERT_TRUE(picture.ok()) << options << picture.status();
      EXPECT_EQ(picture->colour->samples, expected) << options;
    }
  }
}

// Read by libjpeg itself, as libvips reads them.
TEST(ReadJpeg, PixelsAreThoseOfLibvips) {
  const auto smooth = [](int x, int y, int b) { return (5 * x + 3 * y + 40 * b) % 256; };
  for (const int bands : {1, 3, 4}) {
    auto image = Make<uint8_t>(61, 43, bands, smooth);
    if (bands == 4)
      image = image.copy(vips::VImage::option()->set("interpretation", VIPS_INTERPRETATION_CMYK));
    for (const char* options : {"[Q=90]", "[interlace]", "[subsample-mode=off,Q=97]"}) {
      const std::string file = Save(image, absl::StrCat(".jpg", options));
      auto loader = Loader::Open(file, {}, Purpose::kPixels, std::nullopt);
      ASSERT_TRUE(loader.ok()) << loader.status();
      std::vector<uint8_t> rows(43 * (*loader)->row_bytes());
      for (const auto& [y, count] : {std::pair(0, 20), std::pair(20, 1), std::pair(21, 22)})
        ASSERT_TRUE((*loader)->ReadRows(y, count, rows.data() + y * (*loader)->row_bytes()).ok());
      size_t size = 0;
      void* libvips = vips::VImage::new_from_buffer(file, "").write_to_memory(&size);
      EXPECT_EQ(absl::string_view(reinterpret_cast<const char*>(rows.data()), rows.size()),
                absl::string_view(static_cast<const char*>(libvips), size))
          << bands << options;
      g_free(libvips);
    }
  }
}

TEST(ReadJpeg, ScansCostPixels) {
  // 40 scans of 40 million pixels: legal, and minutes of work.
  std::string file("\xff\xd8", 2);
  file += Segment('\xc2', absl::string_view("\x08\x18\x6a\x18\x6a\x01\x01\x11\x00", 9));
  for (int i = 0; i < 40; ++i)
    file += Segment('\xda', absl::string_view("\x01\x01\x00\x01\x01\x00", 6));
  EXPECT_THAT(ReadJpeg(file + "\xff\xd9").status().message(), HasSubstr("million pixels"));
}

TEST(ReadJpeg, UnsupportedIsNotDamaged) {
  for (const std::string& frame : {std::string("\xc0\x0c", 2), std::string("\xc3\x08", 2)}) {
    const std::string file = absl::StrCat(
        "\xff\xd8",
        Segment(frame[0],
                absl::StrCat(frame.substr(1), absl::string_view("\0\x08\0\x08\x01\x01\x11\0", 8))));
    EXPECT_THAT(ReadJpeg(file).status().message(), HasSubstr("not supported"));
  }
}

TEST(ReadExif, AsOthersReadIt) {
  EXPECT_EQ(ReadExif(Exif({Entry(0x0112, 3, 1, 6)})).orientation, 6);
  EXPECT_EQ(ReadExif(Exif({Entry(0x0112, 3, 40, 6)})).orientation, 6);
  EXPECT_EQ(ReadExif(Exif({Entry(0x0112, 1, 1, 6)})).orientation, 6);
  EXPECT_EQ(ReadExif(Exif({Entry(0x0112, 3, 1, 9)})).orientation, 1);
  // A directory that says more than it has.
  const absl::string_view cut("MM\0*\0\0\0\x08\0\x1e\x01\x12\0\x03\0\0\0\x01\0\x03\0\0", 22);
  EXPECT_EQ(ReadExif(cut).orientation, 3);
  EXPECT_EQ(ReadExif(UpdatedExif(cut, {.size = {1, 1}})).orientation, 1);
  for (const std::string& block : {Exif({Entry(0x0112, 3, 40, 6)}), Exif({Entry(0x0112, 1, 1, 8)})})
    EXPECT_EQ(ReadExif(UpdatedExif(block, {.size = {1, 1}})).orientation, 1);
}

TEST(CheckExif, EntriesThatShareBytes) {
  std::vector<std::string> entries;
  for (uint16_t i = 0; i < 2000; ++i) entries.push_back(Entry(0x9000 + i, 7, 1 << 16, 8));
  const std::string block = Exif(entries) + std::string(1 << 16, 'x');
  EXPECT_FALSE(CheckExif(block).ok());
  EXPECT_TRUE(CheckExif(Exif({Entry(0x9000, 7, 60, 8)}) + std::string(100, 'x')).ok());
  // Of a TIFF or for one, what is copied is no more than the block.
  size_t copied = 0;
  for (const TiffEntry& e : SplitExif(Exif({Entry(0x8769, 4, 1, 26)}) + block.substr(8)).details)
    copied += e.value.size();
  EXPECT_LE(copied, block.size() + 26);
}

// Two rationals behind the one directory.
std::string ExifWithResolution(uint16_t orientation, uint32_t x, uint32_t y) {
  constexpr uint32_t kBehind = 8 + 2 + 3 * 12 + 4;
  std::string out = Exif({Entry(0x0112, 3, 1, orientation), Entry(0x011a, 5, 1, kBehind),
                          Entry(0x011b, 5, 1, kBehind + 8)});
  for (const uint32_t number : {x, uint32_t{1}, y, uint32_t{1}})
    AppendLittleEndian(number, 4, &out);
  return out;
}

TEST(UpdatedExif, ResolutionsOfATurnedPicture) {
  const std::string exif = ExifWithResolution(6, 204, 98);
  const auto ppi = [](const std::string& block) {
    const ExifFacts facts = ReadExif(block);
    return std::pair(facts.ppi_x, facts.ppi_y);
  };
  EXPECT_EQ(ppi(UpdatedExif(exif, {.size = {1, 1}})), std::pair(204.0, 98.0));
  EXPECT_EQ(ppi(UpdatedExif(exif, {.size = {1, 1}, .sideways = true})), std::pair(98.0, 204.0));
  EXPECT_EQ(ppi(UpdatedExif(exif, {.size = {1, 1}, .ppi_x = 300, .ppi_y = 150, .sideways = true})),
            std::pair(300.0, 150.0));
}

TEST(UpdatedExif, TheColourSpaceOfWhatWasConverted) {
  constexpr uint32_t kDetails = 8 + 2 + 12 + 4;
  constexpr uint32_t kRules = kDetails + 2 + 2 * 12 + 4;
  for (const uint32_t space : {2u, 0xffffu}) {
    std::string exif = Exif({Entry(0x8769, 4, 1, kDetails)});
    exif += Exif({Entry(0xa001, 3, 1, space), Entry(0xa005, 4, 1, kRules)}).substr(8);
    exif += Exif({Entry(0x0001, 2, 4, 'R' | '0' << 8 | '3' << 16)}).substr(8);
    EXPECT_EQ(UpdatedExif(exif, {.size = {1, 1}}), exif) << "as the pixels still are";
    const std::string updated = UpdatedExif(exif, {.size = {1, 1}, .srgb = true});
    EXPECT_EQ(ReadTiffDirectory(updated, kDetails).Integer(0xa001), 1);
    EXPECT_EQ(ReadTiffDirectory(updated, kRules).Find(1)->value, absl::string_view("R98", 4));
  }
}

TEST(UpdatedXmp, ResolutionAndColourSpaceOfWhatWasChanged) {
  const std::string xmp =
      "<x:xmpmeta xmlns:x='adobe:ns:meta/' xmlns:t='http://ns.adobe.com/tiff/1.0/' "
      "xmlns:e='http://ns.adobe.com/exif/1.0/' xmlns:p='http://ns.adobe.com/photoshop/1.0/'>"
      "<d t:XResolution='204/1' e:ColorSpace='65535' p:ICCProfile='Adobe RGB (1998)'>"
      "<t:YResolution>98/1</t:YResolution></d></x:xmpmeta>";
  const std::string as_it_was = UpdatedXmp(xmp, {{10, 10}, {20, 20}});
  EXPECT_THAT(as_it_was, HasSubstr("XResolution=\"204/1\""));
  EXPECT_THAT(as_it_was, HasSubstr("ColorSpace=\"65535\""));
  const std::string out =
      UpdatedXmp(xmp, {.input = {10, 10}, .size = {20, 20}, .sideways = true, .srgb = true});
  EXPECT_THAT(out, HasSubstr("XResolution=\"98/1\""));
  EXPECT_THAT(out, HasSubstr("<t:YResolution>204/1<"));
  EXPECT_THAT(out, HasSubstr("ColorSpace=\"1\""));
  EXPECT_THAT(out, HasSubstr("ICCProfile=\"sRGB"));
}

TEST(UpdatedXmp, OrientationOnlyWhereItWasApplied) {
  const std::string xmp =
      R"(<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">)"
      R"(<rdf:Description rdf:about="" xmlns:t="http://ns.adobe.com/tiff/1.0/" t:Orientation="6">)"
      R"(<t:ImageWidth>10</t:ImageWidth></rdf:Description></rdf:RDF></x:xmpmeta>)";
  EXPECT_THAT(UpdatedXmp(xmp, {{10, 10}, {20, 20}}), HasSubstr("t:Orientation=\"6\""));
  EXPECT_THAT(UpdatedXmp(xmp, {{10, 10}, {20, 20}}), HasSubstr("<t:ImageWidth>20</t:ImageWidth>"));
  EXPECT_THAT(UpdatedXmp(xmp, {.input = {10, 10}, .size = {20, 20}, .turned = true}),
              HasSubstr("t:Orientation=\"1\""));
}

TEST(UpdatedXmp, WhatPointsAtOtherDataGoes) {
  const std::string xmp =
      R"(<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">)"
      R"(<rdf:Description rdf:about="" xmlns:c="http://ns.google.com/photos/1.0/camera/")"
      R"( xmlns:g="http://ns.adobe.com/hdr-gain-map/1.0/" xmlns:d="http://ns.google.com/photos/1.0/container/")"
      R"( xmlns:n="http://ns.adobe.com/xmp/note/" xmlns:p="http://ns.google.com/photos/1.0/panorama/")"
      R"( xmlns:dc="http://purl.org/dc/elements/1.1/" c:MotionPhoto="1" c:MicroVideoOffset="5000" g:Version="1.0")"
      R"( n:HasExtendedXMP="AB" p:FullPanoWidthPixels="100" dc:format="image/jpeg">)"
      R"(<d:Directory><rdf:Seq><rdf:li>video</rdf:li></rdf:Seq></d:Directory><dc:creator>A &amp; B</dc:creator>)"
      R"(</rdf:Description></rdf:RDF></x:xmpmeta>)";
  const std::string out = UpdatedXmp(xmp, {{50, 100}, {100, 300}});
  for (const char* gone : {"MotionPhoto", "MicroVideo", "g:Version", "Directory>", "HasExtended"})
    EXPECT_THAT(out, Not(HasSubstr(gone)));
  EXPECT_THAT(out, HasSubstr("p:FullPanoWidthPixels=\"300\""));
  EXPECT_THAT(out, HasSubstr("A &amp; B"));
  EXPECT_THAT(out, HasSubstr("dc:format=\"image/jpeg\""));
}

TEST(UpdatedXmp, AttacksCostNothing) {
  const absl::Time start = absl::Now();
  std::string names = "<a>";
  for (int i = 0; i < 200'000; ++i) names += "tiff:ImageWidth ";
  UpdatedXmp(names + "</a>", {{1, 1}, {2, 2}});
  std::string thumbnails;
  for (int i = 0; i < 100'000; ++i) thumbnails += "<xmp:Thumbnails>";
  EXPECT_THAT(UpdatedXmp(thumbnails, {{1, 1}, {2, 2}}), IsEmpty());
  std::string nested;
  for (int i = 0; i < 200'000; ++i) nested += "<a>";
  for (int i = 0; i < 200'000; ++i) nested += "</a>";
  EXPECT_THAT(UpdatedXmp(nested, {{1, 1}, {2, 2}}), IsEmpty());
  std::string attributes = "<a";
  for (int i = 0; i < 100'000; ++i) absl::StrAppend(&attributes, " a", i, "=\"1\"");
  EXPECT_THAT(UpdatedXmp(attributes + "/>", {{1, 1}, {2, 2}}), IsEmpty());
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));  // seconds where it was minutes
}

std::string PngWith(const std::vector<std::string>& chunks) {
  const std::string png = Save(Make<uint8_t>(16, 12, 3, Pattern), ".png");
  std::string out = png.substr(0, 33);
  for (const std::string& chunk : chunks) out += chunk;
  return out + png.substr(33);
}

TEST(ReadPng, ColourByOtherMeansBecomesAProfile) {
  const std::string srgb = Numbers({31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000});
  const std::string p3 = Numbers({31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000});
  struct Case {
    std::vector<std::string> chunks;
    bool profile;
  };
  for (const Case& c :
       {Case{{MakePngChunk("gAMA", Numbers({100000}))}, true},
        Case{{MakePngChunk("gAMA", Numbers({45455}))}, false},
        Case{{MakePngChunk("gAMA", Numbers({45455})), MakePngChunk("cHRM", srgb)}, false},
        Case{{MakePngChunk("gAMA", Numbers({45455})), MakePngChunk("cHRM", p3)}, true},
        Case{{MakePngChunk("sRGB", std::string(1, '\0')), MakePngChunk("gAMA", Numbers({100000}))},
             false},
        Case{{MakePngChunk("cICP", absl::string_view("\x0c\x0d\0\x01", 4))}, true},
        Case{{MakePngChunk("cICP", absl::string_view("\x01\x0d\0\x01", 4))}, false}}) {
    const auto picture = Decode(PngWith(c.chunks));
    ASSERT_TRUE(picture.ok()) << picture.status();
    EXPECT_EQ(!picture->metadata.icc.empty(), c.profile) << c.chunks[0].substr(4, 4);
    EXPECT_THAT(picture->warnings, IsEmpty());
  }
  const auto linear = Decode(PngWith({MakePngChunk("gAMA", Numbers({100000}))}));
  EXPECT_TRUE(linear->linear);
  for (const std::string& chunk : {MakePngChunk("cICP", absl::string_view("\x09\x10\0\x01", 4)),
                                   MakePngChunk("cHRM", Numbers({0, 1, 0, 0, 0, 0, 0, 0})) +
                                       MakePngChunk("gAMA", Numbers({1}))})
    EXPECT_EQ(Decode(PngWith({chunk}))->warnings.size(), 1) << "neither kept nor told";
}

// Defect: a ratio of sides was taken for a resolution, and one that libvips has by default for
// none.
TEST(ReadPng, AResolutionHasAUnit) {
  const std::string png = Save(Make<uint8_t>(16, 12, 3, Pattern), ".png");
  const auto ppi = [&png](const std::string& chunk) {
    std::string file = png.substr(0, kPngSignatureBytes);
    for (size_t at = file.size(); const auto next = NextPngChunk(png, at);) {
      at = next->end;
      if (next->type == "IDAT") file += chunk;
      if (next->type != "pHYs") file += png.substr(next->begin, next->end - next->begin);
    }
    const auto info = Probe(file);
    EXPECT_TRUE(info.ok()) << info.status();
    return std::pair(info->metadata.ppi_x, info->metadata.ppi_y);
  };
  const auto pixels = [](uint32_t x, uint32_t y, const char* unit) {
    return MakePngChunk("pHYs", Numbers({x, y}) + std::string(unit, 1));
  };
  constexpr double kMetre = 0.0254;
  EXPECT_EQ(ppi(pixels(2834, 2834, "\1")), std::pair(2834 * kMetre, 2834 * kMetre));
  EXPECT_EQ(ppi(pixels(11811, 5906, "\1")), std::pair(11811 * kMetre, 5906 * kMetre));
  const std::pair not_said(0.0, 0.0);
  EXPECT_EQ(ppi(""), not_said);
  for (const std::string& chunk :
       {pixels(1, 1, "\0"), pixels(4, 3, "\0"), pixels(2835, 2835, "\0"), pixels(2835, 2835, "\2"),
        pixels(0, 0, "\1"), pixels(0, 2835, "\1"), MakePngChunk("pHYs", Numbers({2835, 2835})),
        MakePngChunk("pHYs", "")})
    EXPECT_EQ(ppi(chunk), not_said);
}

TEST(ReadPng, TextsAreKeptAndCostNothing) {
  const std::string text = absl::StrCat("parameters", absl::string_view("\0", 1), "a cat");
  const auto picture = Decode(PngWith({MakePngChunk("tEXt", text)}));
  ASSERT_EQ(picture->metadata.png_texts.size(), 1);
  EXPECT_EQ(picture->metadata.png_texts[0].data, text);
  std::vector<std::string> flood;
  const std::string packed =
      absl::StrCat("k", absl::string_view("\0\0", 2), std::string(2000, '\x78'));
  for (int i = 0; i < 4000; ++i) flood.push_back(MakePngChunk("zTXt", packed));
  const absl::Time start = absl::Now();
  const auto flooded = Decode(PngWith(flood));
  ASSERT_TRUE(flooded.ok()) << flooded.status();
  EXPECT_THAT(flooded->warnings, ElementsAre(HasSubstr("texts above")));
  EXPECT_LT(absl::Now() - start, absl::Seconds(2));
}

TEST(ReadPng, ADamagedProfileIsUnpackedOnce) {
  const std::string damaged = MakePngChunk("iCCP", absl::string_view("p\0\0nothing packed", 17));
  const auto read = ReadPng(PngWith(std::vector<std::string>(50, damaged)));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->warnings.size(), 1) << "one for all";
}

TEST(ReadPng, CountsTheFramesOfAnAnimation) {
  const std::string control = MakePngChunk("fcTL", std::string(26, '\0'));
  const std::string data = MakePngChunk("fdAT", "1234...");
  for (const uint32_t said : {2u, 7u, 1000000u, 0xffffffffu}) {
    std::vector<std::string> chunks = {MakePngChunk("acTL", Numbers({said, 0}))};
    for (int i = 0; i < 3; ++i) chunks.insert(chunks.end(), {control, data});
    chunks.push_back(control);  // of nothing
    // The picture itself comes behind them, so it is the data of the last one.
    const auto info = Probe(PngWith(chunks));
    ASSERT_TRUE(info.ok()) << info.status();
    EXPECT_EQ(info->frames, std::min(said, 4u));
    EXPECT_EQ(info->warnings.size(), said > 4 ? 1 : 0);
  }
  const auto still = Probe(PngWith({MakePngChunk("acTL", Numbers({1000000, 0}))}));
  ASSERT_TRUE(still.ok()) << still.status();
  EXPECT_EQ(still->frames, 1);
  EXPECT_THAT(still->warnings, ElementsAre(HasSubstr("0 are there")));
}

// A classic TIFF of uncompressed pages; each entry list is complete but for the position of the
// pixels.
std::string Tiff(const std::vector<std::vector<std::string>>& pages, size_t pixel_bytes) {
  std::string out("II*\0\x08\0\0\0", 8);
  for (size_t p = 0; p < pages.size(); ++p) {
    const size_t entries = pages[p].size() + 1;
    const size_t pixels = out.size() + 2 + entries * 12 + 4;
    std::vector<std::string> sorted = pages[p];
    sorted.push_back(Entry(273, 4, 1, static_cast<uint32_t>(pixels)));
    std::sort(sorted.begin(), sorted.end(), [](const std::string& a, const std::string& b) {
      return LittleEndian(a, 0, 2) < LittleEndian(b, 0, 2);
    });
    AppendLittleEndian(entries, 2, &out);
    for (const std::string& e : sorted) out += e;
    AppendLittleEndian(p + 1 < pages.size() ? pixels + pixel_bytes : 0, 4, &out);
    for (size_t i = 0; i < pixel_bytes; ++i) out.push_back(static_cast<char>(i * 7));
  }
  return out;
}

std::vector<std::string> Grey(uint32_t width, uint32_t height, uint32_t bits = 8,
                              uint32_t format = 1, uint32_t samples = 1) {
  return {Entry(256, 4, 1, width),  Entry(257, 4, 1, height),
          Entry(258, 3, 1, bits),   Entry(259, 3, 1, 1),
          Entry(262, 3, 1, 1),      Entry(277, 3, 1, samples),
          Entry(278, 4, 1, height), Entry(279, 4, 1, width * height * samples * bits / 8),
          Entry(339, 3, 1, format)};
}

std::vector<std::string> With(std::vector<std::string> entries, const std::string& entry) {
  entries.push_back(entry);
  return entries;
}

TEST(ReadTiff, ThumbnailsLevelsAndMasksAreNoPages) {
  const auto large = Grey(32, 24);
  const auto small = Grey(8, 6);
  for (const auto& pages : {std::vector{large, With(small, Entry(254, 4, 1, 1))},
                            std::vector{With(small, Entry(254, 4, 1, 1)), large},
                            std::vector{large, With(Grey(32, 24), Entry(254, 4, 1, 4))},
                            std::vector{large, With(small, Entry(255, 3, 1, 2))},
                            std::vector{large, Grey(16, 12), small}}) {
    const std::string file = Tiff(pages, 32 * 24);
    const auto info = Probe(file);
    ASSERT_TRUE(info.ok()) << info.status();
    EXPECT_EQ(info->frames, 1);
    EXPECT_EQ(info->size, (Grid{24, 32}));
    const auto picture = Decode(file);
    ASSERT_TRUE(picture.ok()) << picture.status();
    EXPECT_EQ(picture->size(), (Grid{24, 32}));
    EXPECT_THAT(picture->warnings, ElementsAre(HasSubstr("left out")));
  }
  for (const auto& pages : {std::vector{large, large}, std::vector{large, Grey(30, 24)}})
    EXPECT_EQ(Probe(Tiff(pages, 32 * 24))->frames, 2);
}

TEST(ReadTiff, OnlyTransparencyIsTransparency) {
  const auto with_extra = [](std::optional<uint32_t> kind, uint32_t samples = 2) {
    auto entries = Grey(8, 8, 8, 1, samples);
    entries[2] = Entry(258, 3, samples, samples == 2 ? 8 | 8 << 16 : 8);
    if (kind) entries.push_back(Entry(338, 3, 1, *kind));
    return Tiff({entries}, 8 * 8 * samples);
  };
  EXPECT_EQ(Probe(with_extra(2))->channels, 2);
  EXPECT_EQ(Probe(with_extra(std::nullopt))->channels, 2);
  const auto unrelated = Probe(with_extra(0));
  ASSERT_TRUE(unrelated.ok()) << unrelated.status();
  EXPECT_EQ(unrelated->channels, 1);
  EXPECT_THAT(unrelated->warnings, ElementsAre(HasSubstr("1 extra plane")));
  const auto picture = Decode(with_extra(0));
  ASSERT_TRUE(picture.ok()) << picture.status();
  EXPECT_EQ(picture->colour->samples[3], 14);  // the second pixel's first sample: 2 * 7
  EXPECT_EQ(Probe(with_extra(1))->channels, 2);
}

// A pixel of grey and transparency, as they lie in the file, in a TIFF of such pixels.
template <typename T>
std::string GreyAndAlpha(T grey, T alpha, uint32_t kind) {
  constexpr uint32_t kBits = 8 * sizeof(T);
  constexpr uint32_t kFormat = std::is_floating_point_v<T> ? 3 : 1;
  auto entries = Grey(8, 8, kBits, kFormat, 2);
  entries[2] = Entry(258, 3, 2, kBits | kBits << 16);
  entries[8] = Entry(339, 3, 2, kFormat | kFormat << 16);
  entries.push_back(Entry(338, 3, 1, kind));
  constexpr size_t kBytes = 8 * 8 * 2 * sizeof(T);
  std::string file = Tiff({entries}, kBytes);
  for (size_t at = file.size() - kBytes; at < file.size(); at += 2 * sizeof(T)) {
    std::memcpy(file.data() + at, &grey, sizeof(T));
    std::memcpy(file.data() + at + sizeof(T), &alpha, sizeof(T));
  }
  return file;
}

template <typename T>
void ExpectDivided(T stored, T alpha, T straight) {
  for (const uint32_t kind : {1u, 2u}) {
    const auto picture = Decode(GreyAndAlpha<T>(stored, alpha, kind));
    ASSERT_TRUE(picture.ok()) << picture.status();
    EXPECT_EQ(testing::At<T>(picture->colour->samples, 30), kind == 1 ? straight : stored);
    EXPECT_EQ(testing::At<T>(picture->alpha.samples, 10), alpha);
  }
}

// Once, whatever the decoder does with it.
TEST(ReadTiff, AssociatedTransparencyIsDividedOnce) {
  ExpectDivided<uint8_t>(32, 128, 64);
  ExpectDivided<uint16_t>(8192, 32768, 16384);
  ExpectDivided<float>(0.125f, 0.5f, 0.25f);
}

TEST(ReadTiff, ExifOfThePageThatIsAskedFor) {
  const auto described = [](char c) {
    return With(Grey(32, 24), Entry(270, 2, 4, static_cast<uint32_t>(c) * 0x010101));
  };
  const std::string file = Tiff({described('a'), described('b'), Grey(32, 24)}, 32 * 24);
  const auto exif = [&file](int frame) { return Probe(file, {}, frame)->metadata.exif; };
  EXPECT_THAT(exif(0), HasSubstr("aaa"));
  EXPECT_THAT(exif(1), HasSubstr("bbb"));
  EXPECT_EQ(exif(2), "");
}

// A page of such a photometric interpretation.
std::vector<std::string> PageOf(uint32_t photometric, uint32_t bits, uint32_t samples) {
  auto page = Grey(8, 8, bits, 1, samples);
  page[4] = Entry(262, 3, 1, photometric);
  return page;
}

TEST(ReadTiff, UnsupportedIsNotDamaged) {
  std::vector<std::vector<std::string>> pages = {Grey(8, 8, 16, 3), Grey(8, 8, 64, 3),
                                                 Grey(8, 8, 32, 1), Grey(8, 8, 8, 2)};
  for (const uint32_t bits : {3, 10, 12, 14}) {
    pages.push_back(PageOf(1, bits, 1));
    pages.push_back(PageOf(2, bits, 3));
  }
  for (const uint32_t bits : {1, 2, 4}) {
    pages.push_back(PageOf(2, bits, 3));
    pages.push_back(With(PageOf(1, bits, 2), Entry(338, 3, 1, 2)));
    pages.push_back(PageOf(5, bits, 4));
  }
  for (const uint32_t other : {9, 10}) pages.push_back(PageOf(other, 8, 3));
  auto uneven = PageOf(1, 8, 2);
  uneven[2] = Entry(258, 3, 2, 8 | 4 << 16);
  pages.push_back(uneven);
  for (const auto& page : pages)
    EXPECT_THAT(Probe(Tiff({page}, 8 * 8 * 8)).status().message(), HasSubstr("not supported"));
  EXPECT_THAT(Probe(Tiff({With(Grey(8, 8), Entry(50706, 1, 4, 0x0401))}, 64)).status().message(),
              HasSubstr("camera"));
}

TEST(ReadTiff, FewBitsASampleWhereThereIsOne) {
  for (const uint32_t photometric : {0, 1})
    for (const uint32_t bits : {1, 2, 4}) {
      const auto picture = Decode(Tiff({PageOf(photometric, bits, 1)}, 8 * 8 * bits / 8));
      ASSERT_TRUE(picture.ok()) << picture.status();
      EXPECT_EQ(picture->channels, 1);
      EXPECT_EQ(picture->type, SampleType::kU8);
    }
}

// Defect: libvips has transparency beside Lab in signed samples, of which the largest is -1.
template <typename T>
void ExpectLabWithAlpha(T lightness, T opaque) {
  constexpr uint32_t kBits = 8 * sizeof(T);
  for (const bool told : {true, false}) {
    auto page = PageOf(8, kBits, 4);
    if (std::is_floating_point_v<T>) page[8] = Entry(339, 3, 1, 3);
    if (told) page.push_back(Entry(338, 3, 1, 2));
    constexpr size_t kBytes = 8 * 8 * 4 * sizeof(T);
    std::string file = Tiff({page}, kBytes);
    for (size_t i = 0; i < 8 * 8; ++i) {
      const T pixel[] = {lightness, 0, 0,
                         i < 4   ? T{0}
                         : i < 8 ? static_cast<T>(opaque / 2)
                                 : opaque};
      std::memcpy(file.data() + file.size() - kBytes + i * sizeof(pixel), pixel, sizeof(pixel));
    }
    const auto picture = Decode(file);
    ASSERT_TRUE(picture.ok()) << picture.status();
    EXPECT_EQ(picture->channels, 4);
    ASSERT_EQ(picture->type, SampleType::kU16);
    const auto alpha = [&](int64_t i) { return testing::At<uint16_t>(picture->alpha.samples, i); };
    EXPECT_EQ(alpha(0), 0);
    EXPECT_NEAR(alpha(4), 32767, 150);
    EXPECT_EQ(alpha(8), 65535);
    EXPECT_EQ(alpha(63), 65535);
    // Half of the lightness is sRGB's 119.
    for (int64_t c = 0; c < 3; ++c)
      EXPECT_NEAR(testing::At<uint16_t>(picture->colour->samples, 3 * 63 + c) / 257.0, 119, 2);
  }
  EXPECT_THAT(Probe(Tiff({With(PageOf(8, kBits, 4), Entry(338, 3, 1, 1))}, 8 * 8 * 4 * sizeof(T)))
                  .status()
                  .message(),
              HasSubstr("not supported"));
}

TEST(ReadTiff, TransparencyOfLab) {
  ExpectLabWithAlpha<uint8_t>(128, 255);
  ExpectLabWithAlpha<uint16_t>(32768, 65535);
  ExpectLabWithAlpha<float>(50, 1);
}

// Uncompressed, which a decoder takes for RGB.
TEST(ReadTiff, YccIsNotRgb) {
  const std::vector<std::string> page = {
      Entry(256, 3, 1, 1), Entry(257, 3, 1, 1), Entry(258, 3, 1, 8),
      Entry(259, 3, 1, 1), Entry(262, 3, 1, 6), Entry(277, 3, 1, 3),
      Entry(278, 3, 1, 1), Entry(279, 4, 1, 3), Entry(530, 3, 2, 0x00010001)};
  std::string file = Tiff({page}, 3);
  file.replace(file.size() - 3, 3, "\x51\x5a\xf0");  // red
  const auto picture = Decode(file);
  ASSERT_TRUE(picture.ok()) << picture.status();
  const auto& samples = picture->colour->samples;
  EXPECT_GT(samples[0], 230);
  EXPECT_LT(samples[1], 20);
  EXPECT_LT(samples[2], 20);
}

TEST(ReadTiff, DirectoriesInALoopEnd) {
  std::string file = Tiff({Grey(8, 8), Grey(8, 8)}, 64);
  const size_t link = 8 + 2 + 10 * 12;
  const size_t second = LittleEndian(file, link, 4);
  file.replace(second + 2 + 10 * 12, 4, std::string("\x08\0\0\0", 4));
  EXPECT_TRUE(ReadTiff(file, std::nullopt).ok());
}

TEST(ReadTiff, MetadataOfBigTiff) {
  auto image = Make<uint8_t>(8, 8, 3, Pattern);
  const std::string file = Save(image, ".tif[bigtiff]");
  ASSERT_EQ(file[2], '+');
  EXPECT_GT(ReadTiffDirectory(file, FirstTiffDirectory(file)).fields.size(), 8);
}

std::string Heif(absl::string_view references) {
  const std::string meta(4, '\0');
  return absl::StrCat(Box("ftyp", absl::string_view("avif\0\0\0\0mif1avif", 16)),
                      Box("meta", absl::StrCat(meta, Box("iref", absl::StrCat(meta, references)))));
}

std::string Derived(uint16_t from, const std::vector<uint16_t>& to) {
  std::string body;
  AppendBigEndian(from, 2, &body);
  AppendBigEndian(to.size(), 2, &body);
  for (const uint16_t id : to) AppendBigEndian(id, 2, &body);
  return Box("dimg", body);
}

TEST(ReadHeif, ImagesMadeOfThemselves) {
  EXPECT_TRUE(ReadHeif(Heif(Derived(1, {2, 3}))).ok());
  for (const std::string& references : {Derived(1, {1}), Derived(1, {2}) + Derived(2, {1}),
                                        Derived(1, {2}) + Derived(2, {3}) + Derived(3, {2})})
    EXPECT_THAT(ReadHeif(Heif(references)).status().message(), HasSubstr("made of itself"));
  // Eight levels of sixteen each would be four billion parts.
  std::string tree;
  for (uint16_t level = 0; level < 8; ++level)
    tree += Derived(level + 1, std::vector<uint16_t>(16, level + 2));
  EXPECT_THAT(ReadHeif(Heif(tree)).status().message(), HasSubstr("parts"));
}

// A file of one picture (item 1) and an auxiliary one (item 2) with such a type.
std::string HeifWithProperties(absl::string_view auxiliary_type) {
  const std::string full(4, '\0');
  const std::string properties =
      absl::StrCat(Box("clli", full), Box("colr", "profthe profile"),
                   Box("pixi", absl::StrCat(full, absl::string_view("\x01\x08", 2))),
                   Box("auxC", absl::StrCat(full, auxiliary_type, absl::string_view("\0", 1))));
  const std::string of_items =
      absl::StrCat(full, absl::string_view("\0\0\0\x02\0\x01\x03\x01\x82\x03\0\x02\x01\x04", 14));
  const std::string references =
      absl::StrCat(full, Box("auxl", absl::string_view("\0\x02\0\x01\0\x01", 6)),
                   Box("prem", absl::string_view("\0\x01\0\x01\0\x02", 6)));
  return absl::StrCat(
      Box("ftyp", absl::string_view("avif\0\0\0\0mif1avif", 16)),
      Box("meta",
          absl::StrCat(full, Box("pitm", absl::StrCat(full, absl::string_view("\0\x01", 2))),
                       Box("iref", references),
                       Box("iprp", absl::StrCat(Box("ipco", properties), Box("ipma", of_items))))));
}

TEST(ReadHeif, PropertiesAreThoseOfThePicture) {
  const auto depth = ReadHeif(HeifWithProperties("urn:mpeg:hevc:2015:auxid:2"));
  ASSERT_TRUE(depth.ok()) << depth.status();
  EXPECT_EQ(depth->metadata.icc, "the profile");
  EXPECT_TRUE(depth->grey);
  EXPECT_TRUE(depth->associated);
  EXPECT_THAT(depth->warnings, ElementsAre(HasSubstr("clli"), HasSubstr("a depth map")));
  const auto alpha = ReadHeif(HeifWithProperties("urn:mpeg:hevc:2015:auxid:1"));
  ASSERT_TRUE(alpha.ok()) << alpha.status();
  EXPECT_THAT(alpha->warnings, ElementsAre(HasSubstr("clli")));
}

// A few bytes each in the file, much more in a table of it.
TEST(ReadHeif, TablesAreBounded) {
  const std::string full(4, '\0');
  const absl::string_view ftyp("avif\0\0\0\0mif1avif", 16);
  constexpr int kMany = 70000;
  std::string items = absl::StrCat(absl::string_view("\x01\0\0\0", 4), Numbers({kMany}));
  std::string references, properties;
  for (uint32_t i = 0; i < kMany; ++i) {
    items += Numbers({i}) + std::string(1, '\0');
    references += Box("auxl", Numbers({i}) + std::string(2, '\0'));
    properties += Box("free", "");
  }
  for (const std::string& box :
       {Box("iprp", Box("ipma", items)), Box("iprp", Box("ipco", properties)),
        Box("iref", absl::StrCat(absl::string_view("\x01\0\0\0", 4), references))}) {
    const auto read =
        ReadHeif(absl::StrCat(Box("ftyp", ftyp), Box("meta", absl::StrCat(full, box))));
    EXPECT_THAT(read.status().message(),
                ::testing::AnyOf(HasSubstr("properties"), HasSubstr("references")));
  }
}

TEST(ReadJxl, WhatDecodersDoNotHandOn) {
  EXPECT_THAT(ReadJxl(JxlBits(kJxlSize + "1"))->warnings, IsEmpty());
  const auto alpha = ReadJxl(JxlBits(kJxlSize + kJxlPlain +
                                     "10"
                                     "1"));
  EXPECT_THAT(alpha->warnings, IsEmpty());
  EXPECT_THAT(ReadJxl(JxlBits(kJxlSize + kJxlPlain + "10" + kJxlDepth))->warnings,
              ElementsAre(HasSubstr("a depth map")));
  EXPECT_TRUE(ReadJxl(JxlBits(kJxlSize + kJxlPlain + "10" + kJxlAssociated))->associated);
  const std::string black =
      "0"
      "01"
      "0100"
      "000"
      "00"
      "00";  // 2 + 2
  EXPECT_THAT(ReadJxl(JxlBits(kJxlSize + kJxlPlain + "10" + black)).status().message(),
              HasSubstr("CMYK"));
  // An orientation, no other sizes; 100 / 1 ticks, for ever.
  EXPECT_TRUE(ReadJxl(JxlBits(kJxlSize + "0"
                                         "1"
                                         "000"
                                         "0"
                                         "0"
                                         "1"
                                         "00"
                                         "00"
                                         "00"
                                         "0"))
                  ->animation);
}

TEST(ReadJxl, ExifWithItsOffsetAndWithout) {
  const std::string start = JxlStart();
  const std::string exif = Exif({Entry(0x010f, 2, 4, 'a')});
  for (const std::string& before : {std::string(), std::string(4, '\0'),
                                    std::string("\0\0\0\x06"
                                                "Exif\0\0",
                                                10)}) {
    const auto read = ReadJxl(absl::StrCat(start, Box("Exif", absl::StrCat(before, exif))));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->metadata.exif, exif);
    EXPECT_THAT(read->warnings, IsEmpty());
  }
  EXPECT_THAT(ReadJxl(absl::StrCat(start, Box("Exif", "none at all")))->warnings,
              ElementsAre(HasSubstr("EXIF data are damaged")));
}

std::string Packed(absl::string_view type, absl::string_view body) {
  size_t size = BrotliEncoderMaxCompressedSize(body.size());
  std::string packed(size, '\0');
  EXPECT_TRUE(BrotliEncoderCompress(5, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_GENERIC, body.size(),
                                    reinterpret_cast<const uint8_t*>(body.data()), &size,
                                    reinterpret_cast<uint8_t*>(packed.data())));
  packed.resize(size);
  return Box("brob", absl::StrCat(type, packed));
}

// As cjxl and newer versions of libvips write them.
TEST(ReadJxl, PackedMetadataAreTaken) {
  const std::string start = JxlStart();
  const std::string exif = Exif({Entry(0x010f, 2, 4, 'a')});
  const std::string xmp = "<x:xmpmeta xmlns:x='adobe:ns:meta/'/>";
  const auto read = ReadJxl(absl::StrCat(start, Packed("Exif", std::string(4, '\0') + exif),
                                         Packed("xml ", xmp), Packed("jumb", "a manifest")));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->metadata.exif, exif);
  EXPECT_EQ(read->metadata.xmp, xmp);
  EXPECT_THAT(read->warnings, ElementsAre(HasSubstr("C2PA")));
}

// What else a file holds is no business of the decoder, which may refuse it.
TEST(ReadJxl, TheDecoderGetsTheCodestreamAlone) {
  const std::string start = JxlStart();
  const std::string first = Box("jxlp", absl::string_view("\0\0\0\0\xff\x0a", 6));
  const std::string second = Box("jxlp", absl::string_view("\x80\0\0\1end", 7));
  const std::string cut = Box("xml ", std::string(100, 'x')).substr(0, 50);
  for (const std::string& rest : {std::string(), cut, std::string("abc")}) {
    const std::string file = absl::StrCat(start, Box("Exif", "odd"), first, Box("xml ", "<x/>"),
                                          Box("abcd", "unknown"), second, rest);
    const auto read = ReadJxl(file);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(absl::StrJoin(read->pieces, ""), absl::StrCat(start, first, second, rest));
  }
  std::string boxes = start;
  for (int i = 0; i < 70000; ++i) boxes += Box(i % 2 == 0 ? "jxlp" : "free", "");
  EXPECT_THAT(std::string(ReadJxl(boxes).status().message()), HasSubstr("65536 boxes"));
}

// A file may give the reason for a warning as often as it has room.
TEST(Containers, WarningsAreFew) {
  std::string boxes = absl::StrCat(absl::string_view("\0\0\0\x0cJXL \r\n\x87\n", 12),
                                   Box("ftyp", absl::string_view("jxl \0\0\0\0jxl ", 12)));
  for (int i = 0; i < 1000; ++i) boxes += Box("jumb", "");
  EXPECT_THAT(ReadJxl(boxes)->warnings, ElementsAre(HasSubstr("C2PA")));
  Container many;
  for (int i = 0; i < 100000; ++i) many.Warn(absl::StrCat(i));
  EXPECT_EQ(many.warnings.size(), 32);
  EXPECT_EQ(many.warnings.back(), "more is left out");
}

// Ten gigabytes in a few kilobytes, damaged data and boxes without end: told, and not for long.
TEST(ReadJxl, PackedMetadataAreBounded) {
  const std::string start = JxlStart();
  const std::string bomb = Packed("xml ", std::string(size_t{9} << 20, ' '));
  EXPECT_LT(bomb.size(), 1000);
  std::string bombs = start;
  for (int i = 0; i < 1000; ++i) bombs += bomb;
  for (const std::string& file : {bombs, absl::StrCat(start, Box("brob", "xml nothing packed")),
                                  absl::StrCat(start, Box("brob", "xml "))}) {
    const auto read = ReadJxl(file);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->metadata.xmp, "");
    EXPECT_THAT(read->warnings, ElementsAre(HasSubstr("boxes are left out: xml  (packed)")));
  }
}

TEST(ReadPpm, EverySampleIsThere) {
  EXPECT_TRUE(Decode("P2\n2 2\n255\n1 2 3 4\n").ok());
  EXPECT_TRUE(Decode("P1 2 2 0110").ok());
  for (const std::string file :
       {"P3\n7000 7000\n255\n1 2 3\n", "P2 2 2 255 1 2 3", "P2 2 2 255 1 2 3 x",
        "P2 2 2 255 1 2 3 256", "P1 2 2 011", "P1 2 2 0112", "P5 20 20 255\nabc", "P6 4 4 70000\n",
        "P6 -4 4 255\n", "P4 90 9\nab"})
    EXPECT_THAT(Decode(file).status().message(), HasSubstr("damaged or truncated")) << file;
}

// A header is read within limits that take no notice of what is behind it.
TEST(ReadPpm, TheHeaderConvertsNothing) {
  constexpr int kSide = 1500;
  std::string words;
  for (int i = 0; i < 3 * kSide * kSide; ++i) words += "9 ";
  for (const std::string& file :
       {absl::StrFormat("P6 %d %d 4095\n", kSide, kSide) + std::string(6 * kSide * kSide, '\1'),
        absl::StrFormat("P3 %d %d 4095\n", kSide, kSide) + words}) {
    const auto read = ReadPpm(file, {}, Purpose::kHeader);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_LT(read->made[0].size(), 100);
    const auto info = Probe(file);
    ASSERT_TRUE(info.ok()) << info.status();
    EXPECT_EQ(info->size, (Grid{kSide, kSide}));
    EXPECT_EQ(info->type, SampleType::kU16);
    EXPECT_EQ(Decode(file)->size(), info->size);
  }
  EXPECT_FALSE(Probe("P3\n7000 7000\n255\n1 2 3\n").ok());
}

std::vector<int> GreyOf(const std::string& file) {
  const auto picture = Decode(file);
  EXPECT_TRUE(picture.ok()) << picture.status();
  if (!picture.ok()) return {};
  std::vector<int> out;
  const auto& samples = picture->colour->samples;
  if (picture->type == SampleType::kU8)
    for (size_t i = 0; i < samples.size(); i += 3) out.push_back(samples[i]);
  else
    for (size_t i = 0; i < samples.size() / 2; i += 3)
      out.push_back(testing::At<uint16_t>(samples, static_cast<int64_t>(i)));
  return out;
}

// libvips takes comments for numbers, and every largest value for the whole range.
TEST(ReadPpm, CommentsAndAnyLargestValue) {
  EXPECT_THAT(GreyOf("P5 # by hand\n# two\n2#x\n1 # high\n#\n255\n\x07\xc8"), ElementsAre(7, 200));
  EXPECT_THAT(GreyOf(std::string("P5\n3 1\n100\n\0\x32\x64", 14)), ElementsAre(0, 128, 255));
  EXPECT_THAT(GreyOf(std::string("P5\n3 1\n1023\n\0\0\x02\0\x03\xff", 18)),
              ElementsAre(0, 32800, 65535));
  EXPECT_THAT(GreyOf(std::string("P5\n2 1\n65535\n\x01\x02\xff\xff", 17)), ElementsAre(258, 65535));
  EXPECT_THAT(GreyOf("P2\n3 1\n# most\n4\n0 2 4\n"), ElementsAre(0, 128, 255));
  EXPECT_THAT(GreyOf("P1\n4 1\n0110\n"), ElementsAre(255, 0, 0, 255));
  EXPECT_THAT(GreyOf("P1 4 1 0 1 1 # a comment\n0\n"), ElementsAre(255, 0, 0, 255));
  EXPECT_THAT(GreyOf("P4 # bits\n4 1\n\x60"), ElementsAre(255, 0, 0, 255));
}

TEST(ReadPpm, CommentsAreKept) {
  for (const std::string file : {"P5 # by hand\n#two\r\n2#\n1 #  high  \n#\n255\n\x07\xc8",
                                 "P2\n# by hand\n2 1\n#two\n255\n1 2 # high"}) {
    const auto info = Probe(file);
    ASSERT_TRUE(info.ok()) << info.status();
    EXPECT_EQ(info->metadata.comment, "by hand\ntwo\nhigh");
    EXPECT_EQ(Decode(file)->metadata.comment, info->metadata.comment);
  }
  EXPECT_EQ(Probe("P4 8 1\n#")->metadata.comment, "");
}

// Of 8 x 8 pixels; as many codes of LZW as are asked for, of three bits each.
std::string Gif(int codes, bool says_its_end) {
  std::string gif("GIF89a\x08\0\x08\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x08\0\x08\0\0\x02", 30);
  std::string data;
  int bits = 0;
  const auto add = [&](int code) {
    for (int i = 0; i < 3; ++i, ++bits) {
      if (bits % 8 == 0) data += '\0';
      data.back() = static_cast<char>(data.back() | ((code >> i & 1) << bits % 8));
    }
  };
  constexpr int kClear = 4;
  for (int i = 0; i < codes; ++i) add(i % 2 == 0 ? kClear : 1);  // no string ever
  if (says_its_end) add(kClear + 1);
  return gif + static_cast<char>(data.size()) + data + std::string("\0\x3b", 2);
}

// libnsgif takes what is missing for transparent.
TEST(ReadGif, AFrameThatBreaksOff) {
  EXPECT_TRUE(Decode(Gif(128, true)).ok());
  EXPECT_TRUE(Decode(Gif(128, false)).ok()) << "all pixels are there";
  EXPECT_THAT(Decode(Gif(70, false)).status().message(), HasSubstr("a frame ends in the middle"));
  EXPECT_TRUE(ReadGif(Gif(70, true), std::nullopt).ok()) << "as its writer wanted it";
  const std::string two =
      Gif(128, true).substr(0, Gif(128, true).size() - 1) + Gif(70, false).substr(19);
  EXPECT_TRUE(ReadGif(two, 0).ok());
  EXPECT_FALSE(ReadGif(two, 1).ok());
  EXPECT_FALSE(ReadGif(two, std::nullopt).ok());
}

TEST(ReadGifAndWebp, LateFramesAreWork) {
  std::string gif("GIF89a\x58\x1b\x58\x1b\0\0\0", 13);  // 7000 x 7000
  for (int i = 0; i < 60; ++i) gif += std::string(",\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0", 15);
  EXPECT_TRUE(ReadGif(gif, 1).ok());
  EXPECT_THAT(ReadGif(gif, 50).status().message(), HasSubstr("million pixels"));
  std::string chunks =
      absl::StrCat("VP8X", absl::string_view("\x0a\0\0\0\x02\0\0\0\x57\x1b\0\x57\x1b\0", 14));
  for (int i = 0; i < 60; ++i)
    absl::StrAppend(&chunks, "ANMF", absl::string_view("\x10\0\0\0", 4), std::string(16, '\0'));
  std::string webp = "RIFF";
  AppendLittleEndian(chunks.size() + 4, 4, &webp);
  absl::StrAppend(&webp, "WEBP", chunks);
  EXPECT_TRUE(ReadWebp(webp, 1).ok());
  EXPECT_THAT(ReadWebp(webp, 50).status().message(), HasSubstr("million pixels"));
}

}  // namespace
}  // namespace hiif
