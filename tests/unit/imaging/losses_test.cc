// Parts of a file that are not in its enlargement: told, and nothing else is.
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "imaging/bytes.h"
#include "imaging/container/container.h"
#include "imaging/decode.h"
#include "imaging/tiff_directory.h"
#include "imaging/writer.h"
#include "tests/unit/imaging/files.h"
#include "tests/unit/imaging/structures.h"

namespace hiif {
namespace {

using testing::Box;
using ::testing::ElementsAre;
using testing::Entry;
using testing::Exif;
using testing::FullBox;
using ::testing::HasSubstr;
using testing::Heif;
using ::testing::IsEmpty;
using testing::Item;
using testing::Items;
using testing::JxlBits;
using testing::JxlStart;
using testing::kJxlAssociated;
using testing::kJxlDepth;
using testing::kJxlPlain;
using testing::kJxlSize;
using testing::Make;
using testing::Numbers;
using testing::Pattern;
using testing::Save;

std::string Words(const std::vector<std::string>& words) {
  return absl::StrCat(absl::StrJoin(words, absl::string_view("\0", 1)), std::string(1, '\0'));
}

std::vector<std::string> HeifWarnings(const std::string& file) {
  const auto read = ReadHeif(file);
  EXPECT_TRUE(read.ok()) << read.status();
  return read.ok() ? read->warnings : std::vector<std::string>();
}

TEST(HeifLosses, BoxesThatAreNotOfThePicture) {
  const std::string padding = absl::StrCat(Box("free", "abc"), Box("mdat", "pixels"));
  EXPECT_THAT(HeifWarnings(Heif("", padding)), IsEmpty());
  EXPECT_THAT(HeifWarnings(Heif("", padding + std::string(500, '\0'))), IsEmpty());
  EXPECT_THAT(HeifWarnings(Heif(Box("xyz ", ""), absl::StrCat(Box("mpvd", "a video"),
                                                              Box("uuid", "of somebody else")))),
              ElementsAre(HasSubstr("left out: xyz , mpvd, uuid")));
  EXPECT_THAT(HeifWarnings(Heif("", padding + "\xff\xd8\xff\xe0 another picture")),
              ElementsAre(HasSubstr("20 bytes behind the picture")));
  // Cut in the pixels: the decoder's to judge.
  EXPECT_THAT(HeifWarnings(Heif("", padding.substr(0, padding.size() - 3))), IsEmpty());
}

TEST(HeifLosses, ItemsThatAreNoPictures) {
  const std::string xmp = Words({"", "application/rdf+xml", ""});
  for (const char* picture : {"av01", "hvc1", "grid", "iovl", "iden", "jpeg"})
    EXPECT_THAT(HeifWarnings(
                    Heif(Items({Item(1, picture, ""), Item(2, "Exif", ""), Item(3, "mime", xmp)}))),
                IsEmpty());
  EXPECT_THAT(HeifWarnings(Heif(Items({Item(1, "mime", Words({"a note", "text/plain"})),
                                       Item(2, "uri ", Words({"", "urn:of:a:maker"})),
                                       Item(3, "mime", ""), Item(4, "rgan", Words({"regions"}))}))),
              ElementsAre(HasSubstr("left out: text/plain, urn:of:a:maker, mime, rgan")));
}

// XMP data come from the decoder, of the one picture: what there is of them is said.
TEST(HeifLosses, XmpOfThePicture) {
  const std::string primary = FullBox("pitm", absl::string_view("\0\1", 2));
  const std::string items = Items({Item(3, "mime", Words({"", "application/rdf+xml", "deflate"}))});
  const auto of = [](char picture) {
    const std::string to = {'\0', '\3', '\0', '\1', '\0', picture};
    return FullBox("iref", Box("cdsc", to));
  };
  EXPECT_TRUE(ReadHeif(Heif(absl::StrCat(primary, items, of(1))))->xmp);
  EXPECT_FALSE(ReadHeif(Heif(absl::StrCat(primary, items, of(2))))->xmp);
  EXPECT_FALSE(ReadHeif(Heif(absl::StrCat(primary, items)))->xmp);
}

// An EXIF block that describes more than it holds.
std::string Bomb() {
  std::vector<std::string> entries;
  for (uint16_t i = 0; i < 2000; ++i) entries.push_back(Entry(0x9000 + i, 7, 1 << 15, 8));
  return Exif(entries) + std::string(1 << 15, 'x');
}

// Decoders take any block of EXIF data, from behind four bytes on whatever these say.
TEST(HeifLosses, EveryBlockOfExifIsLookedThrough) {
  const std::string fine = Exif({Entry(0x010f, 2, 4, 'a')});
  const std::string prefix("Exif\0\0", 6);
  const auto boxed = [](uint32_t offset, const std::string& data) {
    return Numbers({offset}) + data;
  };
  const auto read = [](const std::vector<std::string>& blocks) {
    std::string data, locations("\1\0\0\0\x44\0", 6);
    AppendBigEndian(blocks.size(), 2, &locations);
    for (const std::string& block : blocks) {
      absl::StrAppend(
          &locations, absl::string_view("\0\1\0\1\0\0\0\1", 8),
          Numbers({static_cast<uint32_t>(data.size()), static_cast<uint32_t>(block.size())}));
      data += block;
    }
    return ReadHeif(Heif(
        absl::StrCat(Items({Item(1, "Exif", "")}), Box("idat", data), Box("iloc", locations))));
  };
  for (const std::string& block :
       {fine, boxed(0, fine), boxed(6, prefix + fine), boxed(0, prefix + fine)}) {
    const auto taken = read({block});
    ASSERT_TRUE(taken.ok()) << taken.status();
    EXPECT_EQ(taken->metadata.exif, fine);
  }
  for (const std::string& block :
       {boxed(0, Bomb()), boxed(6, prefix + Bomb()), boxed(0, prefix + Bomb()),
        boxed(static_cast<uint32_t>(6 + Bomb().size()), absl::StrCat(prefix, Bomb(), fine))}) {
    EXPECT_THAT(read({block}).status().message(), HasSubstr("more than they hold"));
    EXPECT_THAT(read({boxed(0, fine), block}).status().message(), HasSubstr("more than they hold"));
  }
}

TEST(Losses, BytesBehindThePicture) {
  const auto image = Make<uint8_t>(16, 12, 3, Pattern);
  const std::string ppm = Save(image, ".ppm");
  for (const std::string& file :
       {Save(image, ".png"), Save(image, ".gif"), Save(image, ".jpg"), ppm,
        std::string("P4\n8 2\n\1\2"), std::string("P2 2 1 255 1 2\n"), std::string("P1 2 1 01")}) {
    const auto warnings = [&file](absl::string_view behind) {
      const auto picture = Decode(absl::StrCat(file, behind));
      EXPECT_TRUE(picture.ok()) << file.substr(0, 8) << picture.status();
      return picture.ok() ? picture->warnings : std::vector<std::string>();
    };
    EXPECT_THAT(warnings(""), IsEmpty());
    EXPECT_THAT(warnings("\n"), IsEmpty());
    EXPECT_THAT(warnings(std::string(512, '\0')), IsEmpty()) << file.substr(0, 8);
    EXPECT_THAT(warnings(ppm),
                ElementsAre(absl::StrCat(ppm.size(),
                                         " bytes behind the picture (another picture, a "
                                         "video) are left out")))
        << file.substr(0, 8);
  }
  const std::string jxl = absl::StrCat(absl::string_view("\0\0\0\x0cJXL \r\n\x87\n", 12),
                                       Box("ftyp", absl::string_view("jxl \0\0\0\0jxl ", 12)));
  EXPECT_THAT(ReadJxl(jxl + "more")->warnings, ElementsAre(HasSubstr("4 bytes behind")));
}

// By libjxl's encoder: 16 x 12, lossless; grey 10 and 30, or RGB (10, 80, 150) and (30, 100, 170)
// at 0 and 5, transparency 100 and 105, extra channels of 200.
TEST(JxlLosses, ChannelsThatAreNoTransparency) {
  struct Case {
    const char* file;
    std::vector<int> pixels;  // 0 and 5 of the first row
    bool alpha;
    std::vector<std::string> warnings;
  };
  const std::string one = "1 extra channel of the JPEG XL (a depth map) is left out";
  const std::string two = "2 extra channels of the JPEG XL (a depth map) are left out";
  const std::string spots =
      "the spot colours of the JPEG XL are drawn into its picture, not kept "
      "apart";
  for (const Case& c : std::vector<Case>{
           // grey, depth
           {"/wpYMDABUNwICAgQALAASyg0Fj4noWCKAjQ/jGGMMcYwBqdi8KRzgQMAEIAUAQjAFStSnrR22VYRUBw=",
            {10, 30},
            false,
            {one}},
           // RGB, depth
           {"/wpYMDABJAgIEADYAEsYk46DgwkRxQawIxUxKsbYMMbgUAxOxV5AIIBW7MAF1rwYoBAjBAAtgN+52X/"
            "dl5U3sCdA"
            "GA==",
            {10, 80, 150, 30, 100, 170},
            false,
            {one}},
           // grey, depth, depth
           {"/wpYMFAQQAAUNwIIIAABALAASyg0Fj6noGCKAsgPYxhjjDGMwakYPCkXCAjgj/63gTV/OH5e+l7dzhoZ6AQ=",
            {10, 30},
            false,
            {two}},
           // grey, transparency, depth, depth
           {"/wpYMNAogAAobgQIgAAQANQASyg1xj6sCgomQIF58WI8mhzGMMYYI2LwLn0BgQAK5VpDCLEjhRhygxooQcerNr"
            "Cd"
            "ZapsoOY=",
            {10, 30},
            true,
            {two}},
           // grey, transparency
           {"/wpYMLAobgQICBAAyABLKDXGPqwKCiZAgcnIGIncMAZijDGGMXjXBQ4AQACf8i8B9O+/"
            "0m+LTH2SAOZkAYACAA==",
            {10, 30},
            true,
            {}},
           // RGB, spot colour
           {"/wpYMDACAIAHAAAAAABHAggIEADYAEsYk46DgwkRxQawIxUxKsbYMMbgUAxOxV5AIIBW7MAF1rwYoBAjBAAtgN"
            "+5"
            "2X/dl5U3sCdAGA==",
            {106, 49, 91, 118, 61, 103},
            false,
            {spots}},
       }) {
    std::string file;
    ASSERT_TRUE(absl::Base64Unescape(c.file, &file));
    const auto picture = Decode(file);
    ASSERT_TRUE(picture.ok()) << picture.status();
    EXPECT_EQ(picture->warnings, c.warnings);
    const bool grey = c.pixels.size() == 2;
    EXPECT_EQ(picture->channels, (grey ? 1 : 3) + (c.alpha ? 1 : 0));
    EXPECT_EQ(picture->alpha.empty(), !c.alpha);
    const size_t colours = c.pixels.size() / 2;
    for (size_t i = 0; i < c.pixels.size(); ++i)
      EXPECT_EQ(picture->colour->samples[15 * (i / colours) + i % colours], c.pixels[i]) << c.file;
    if (c.alpha) {
      EXPECT_EQ(picture->alpha.samples[0], 100);
      EXPECT_EQ(picture->alpha.samples[5], 105);
    }
  }
}

// What libjxl hands on has no place for transparency where these are more: it is not dropped.
TEST(JxlLosses, ChannelsThatDecodersDoNotHandOn) {
  for (const auto& [file, kind] : std::vector<std::pair<const char*, const char*>>{
           // grey, transparency, depth
           {"/wpYMFAoAIobAQggAAEA1ABLKDXGPqwKCiZAgcnIGEmTwxjGGGNEDN6lLxAQQKe4LQCB/z9/"
            "4j7RkrwcGzUNwhXv"
            "WwkUHA==",
            "grey and 2 extra channels"},
           // RGB, transparency, depth
           {"/wpYMFAogAQIIAABAAABSxiTjoODCRHFBrDTZMQYI2IMYwwOxeBUbNQXmAAAATTi/"
            "zcwbM1UFxjvSp7tjMtBmKmS"
            "gB+p2X/dl5U3sCdAGA==",
            "RGB and 2 extra channels"}}) {
    std::string bytes;
    ASSERT_TRUE(absl::Base64Unescape(file, &bytes));
    EXPECT_THAT(Decode(bytes).status().message(), HasSubstr(kind));
  }
}

TEST(JxlLosses, TheHeaderOfManyParts) {
  const std::string grey =
      "0"
      "0"
      "0"
      "10";  // no XYB, other colours than usual, no profile
  const std::string stream =
      JxlBits(absl::StrCat(kJxlSize, kJxlPlain, "01", "0000", kJxlDepth, kJxlAssociated, grey));
  EXPECT_THAT(ReadJxl(stream).status().message(), HasSubstr("grey and 2 extra channels"));
  std::string file = JxlStart();
  for (size_t i = 0; i < stream.size(); ++i)
    file += Box("jxlp", absl::StrCat(Numbers({static_cast<uint32_t>(i)}), stream.substr(i, 1)));
  EXPECT_THAT(ReadJxl(file).status().message(), HasSubstr("grey and 2 extra channels"));
  // Of RGB with the transparency alone.
  const auto straight =
      ReadJxl(JxlBits(absl::StrCat(kJxlSize, kJxlPlain, "10", kJxlAssociated, "01")));
  ASSERT_TRUE(straight.ok()) << straight.status();
  EXPECT_TRUE(straight->associated);
  EXPECT_FALSE(straight->opaque || straight->grey);
}

// White is white, and opaque is opaque.
TEST(HeifLosses, TwelveBitsAreTheWholeRange) {
  const auto value = [](int x, int, int b) {
    return b == 3 ? (x < 8 ? 0x8000 : 65535) : x < 16 ? 65535 : x < 32 ? 0 : 0x8000;
  };
  for (const int bands : {3, 4}) {
    const auto picture =
        Decode(Save(Make<uint16_t>(48, 32, bands, value), ".avif[bitdepth=12,lossless]"));
    ASSERT_TRUE(picture.ok()) << picture.status();
    ASSERT_EQ(picture->type, SampleType::kU16);
    const auto grey = [&](int x) { return testing::At<uint16_t>(picture->colour->samples, 3 * x); };
    EXPECT_EQ(grey(12), 65535);
    EXPECT_EQ(grey(24), 0);
    EXPECT_NEAR(grey(40), 0x8000, 16);
    if (bands == 3) continue;
    EXPECT_NEAR(testing::At<uint16_t>(picture->alpha.samples, 2), 0x8000, 16);
    EXPECT_EQ(testing::At<uint16_t>(picture->alpha.samples, 12), 65535);
  }
}

// The first directory of an EXIF block, as it comes out in a TIFF.
struct InTiff {
  std::string file;
  TiffFields fields;
  std::vector<std::string> warnings;
};
InTiff WriteTiff(const std::string& exif) {
  WriterOptions options{.format = ImageFormat::kTiff, .size = {1, 1}, .channels = 3};
  options.metadata.exif = exif;
  StringSink sink;
  auto writer = ImageWriter::Create(options, &sink);
  EXPECT_TRUE(writer.ok() && (*writer)->WriteRows("abc").ok() && (*writer)->Finish().ok());
  InTiff out{.file = std::string(sink.bytes()), .fields = {}, .warnings = (*writer)->warnings()};
  out.fields = ReadTiffDirectory(out.file, FirstTiffDirectory(out.file));
  return out;
}

TEST(ExifLosses, WhatIsOfThePictureIsInTheTiff) {
  constexpr uint16_t kTitle = 0x9c9b, kSubject = 0x9c9f, kRating = 0x4746, kPercent = 0x4749;
  constexpr uint16_t kDescription = 0x010e, kAscii = 2, kByte = 1, kShort = 3, kUtf8 = 129;
  const uint32_t text = 'a' | 0xc3 << 8 | 0xa4 << 16;  // "aä"
  std::vector<std::string> entries = {Entry(kDescription, kUtf8, 4, text),
                                      Entry(0x0112, kShort, 1, 1), Entry(kRating, kShort, 1, 4),
                                      Entry(kPercent, kShort, 1, 75)};
  for (uint16_t tag = kTitle; tag <= kSubject; ++tag)
    entries.push_back(Entry(tag, kByte, 4, 'T' + tag - kTitle));
  const InTiff out = WriteTiff(Exif(entries));
  EXPECT_THAT(out.warnings, IsEmpty());
  EXPECT_EQ(out.fields.Integer(kRating), 4);
  EXPECT_EQ(out.fields.Integer(kPercent), 75);
  for (uint16_t tag = kTitle; tag <= kSubject; ++tag) {
    ASSERT_NE(out.fields.Find(tag), nullptr) << tag;
    EXPECT_EQ(out.fields.Find(tag)->value[0], 'T' + tag - kTitle);
  }
  const TiffField* description = out.fields.Find(kDescription);
  ASSERT_NE(description, nullptr);
  EXPECT_EQ(description->type, kAscii) << "readers of TIFF know no other";
  EXPECT_EQ(description->value, absl::string_view("a\xc3\xa4\0", 4));
  // And out of it again, without being called unknown.
  const auto read = ReadTiff(out.file, std::nullopt);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(read->warnings, IsEmpty());
  const TiffFields again =
      ReadTiffDirectory(read->metadata.exif, FirstTiffDirectory(read->metadata.exif));
  EXPECT_EQ(again.Integer(kRating), 4);
  EXPECT_NE(again.Find(kSubject), nullptr);
}

TEST(ExifLosses, WhatIsNotInTheTiffIsTold) {
  // Two tags that nobody knows, primaries, and how the JPEG was stored.
  const InTiff out =
      WriteTiff(Exif({Entry(0x0103, 3, 1, 6), Entry(0x011a, 5, 1, 8), Entry(0x013f, 5, 1, 8),
                      Entry(0x0213, 3, 1, 1), Entry(0xc000, 3, 1, 1), Entry(0xc001, 3, 1, 1)}));
  EXPECT_THAT(out.warnings, ElementsAre(HasSubstr("EXIF data are left out: 319, 49152, 49153")));
  // Texts of UTF-8 in the directories below are EXIF's, which knows them.
  constexpr uint32_t kDetails = 8 + 2 + 12 + 4;
  const InTiff below = WriteTiff(Exif({Entry(0x8769, 4, 1, kDetails)}) +
                                 Exif({Entry(0xa430, 129, 3, 'n')}).substr(8));
  EXPECT_THAT(below.warnings, IsEmpty());
  const TiffFields details = ReadTiffDirectory(below.file, below.fields.Integer(0x8769));
  ASSERT_NE(details.Find(0xa430), nullptr);
  EXPECT_EQ(details.Find(0xa430)->type, 129);
}

}  // namespace
}  // namespace hiif
