// A few bytes in a file that would be much work for who reads it.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "imaging/bytes.h"
#include "imaging/container/apng.h"
#include "imaging/container/container.h"
#include "imaging/container/png.h"
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
using testing::Item;
using testing::Items;
using testing::Numbers;

// A millionth of what each would cost takes no second.
class Costs : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_LT(absl::Now() - start_, absl::Seconds(1)); }
  const absl::Time start_ = absl::Now();
};

std::string Short(uint64_t value) {
  std::string out;
  AppendBigEndian(value, 2, &out);
  return out;
}

// The locations of item 1, named again and again: sizes of fields, and what each says of itself.
std::string Locations(absl::string_view sizes, int times, absl::string_view one) {
  std::string body = absl::StrCat(sizes, Short(times));
  for (int i = 0; i < times; ++i) absl::StrAppend(&body, Short(1), Short(0), one);
  return FullBox("iloc", body);
}

// Four billion steps in 400 KB.
TEST_F(Costs, LocationsOfNoWidth) {
  const std::string exif = Items({Item(1, "Exif", "")});
  const absl::string_view none("\0\0", 2);
  EXPECT_THAT(ReadHeif(Heif(exif + Locations(none, 0xffff, Short(0xffff)))).status().message(),
              HasSubstr("where its items lie"));
  EXPECT_TRUE(ReadHeif(Heif(exif + Locations(none, 0xffff, Short(1)))).ok());
  // Of other items, too, and of one byte each.
  for (const char* kind : {"Exif", "av01"})
    EXPECT_THAT(ReadHeif(Heif(absl::StrCat(Items({Item(1, kind, "")}),
                                           Locations(absl::string_view("\x10\0", 2), 2,
                                                     Short(0xffff) + std::string(0xffff, '\0')))))
                    .status()
                    .message(),
                HasSubstr("where its items lie"));
}

// Looked through once, and not as often as they are named.
TEST_F(Costs, ExifThatIsNamedAgainAndAgain) {
  const std::string block =
      std::string(4, '\0') + Exif(std::vector<std::string>(15'000, Entry(0x9000, 3, 1, 0)));
  // In "idat", at 0, of so many bytes; then of none.
  std::string body("\1\0\0\0\x44\0", 6);
  absl::StrAppend(&body, Short(30'000));
  for (uint32_t i = 0; i < 30'000; ++i)
    absl::StrAppend(&body, Short(1), Short(1), Short(0), Short(1),
                    Numbers({0, i == 0 ? static_cast<uint32_t>(block.size()) : 0}));
  const auto read = ReadHeif(
      Heif(absl::StrCat(Items({Item(1, "Exif", "")}), Box("idat", block), Box("iloc", body))));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->metadata.exif, block.substr(4));
}

// One property of half a megabyte, searched for each of the items that have it.
TEST_F(Costs, APropertyOfManyItems) {
  constexpr uint32_t kMany = 30'000;
  std::string references, of_items = Numbers({kMany});
  for (uint32_t i = 0; i < kMany; ++i) {
    references += Box("auxl", absl::StrCat(Short(i), Short(1), Short(0)));
    absl::StrAppend(&of_items, Short(i), "\1\1");
  }
  const std::string property = Box("auxC", std::string(500'000, 'a'));
  EXPECT_TRUE(ReadHeif(Heif(absl::StrCat(FullBox("iref", references),
                                         Box("iprp", absl::StrCat(Box("ipco", property),
                                                                  FullBox("ipma", of_items))))))
                  .ok());
}

// Ten thousand pages that share their entries, none of which is of a known type: 600 million.
TEST_F(Costs, PagesOfUnknownEntries) {
  constexpr size_t kPages = 9'000, kFirst = 8, kEntries = 60'000;
  std::string file(kFirst + 2 * kPages + 12 * (kEntries + 1), '\0');
  const auto put = [&file](size_t at, uint64_t value, int bytes) {
    std::string number;
    AppendLittleEndian(value, bytes, &number);
    file.replace(at, bytes, number);
  };
  file.replace(0, 4, "II*\0", 4);
  put(4, kFirst, 4);
  for (size_t i = 0; i < kPages; ++i) {
    const size_t at = kFirst + 2 * i;
    put(at, kEntries - i, 2);
    put(at + 2 + 12 * (kEntries - i), i + 1 < kPages ? at + 2 : 0, 4);
  }
  EXPECT_THAT(ReadTiff(file, std::nullopt).status().message(), HasSubstr("tags, is refused"));
}

TEST_F(Costs, SamplesThatAreNotThere) {
  for (const bool told : {false, true}) {
    std::vector<std::string> page = {Entry(256, 3, 1, 8), Entry(257, 3, 1, 8), Entry(258, 3, 1, 8),
                                     Entry(262, 3, 1, 2), Entry(277, 4, 1, 0x7fffffff)};
    if (told) page.push_back(Entry(338, 3, 2, 0));
    const auto read = ReadTiff(Exif(page), std::nullopt);
    if (read.ok()) EXPECT_EQ(read->planes->alpha, -1);
  }
}

// Twelve bytes each in the file, two hundred in memory.
TEST_F(Costs, TextsOfNoLength) {
  std::string file = "\x89PNG\r\n\x1a\n";
  const std::string text = MakePngChunk("tEXt", "");
  for (int i = 0; i < 100'000; ++i) file += text;
  const auto read = ReadPng(file);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_LT(read->metadata.png_texts.size(), 50'000);
  EXPECT_THAT(read->warnings, ElementsAre(HasSubstr("texts above")));
}

// Chunks that each frame gets again.
TEST_F(Costs, PalettesOfAnAnimation) {
  std::string file = absl::StrCat(
      "\x89PNG\r\n\x1a\n",
      MakePngChunk("IHDR", absl::StrCat(Numbers({1, 1}), "\x08\x03", std::string(3, '\0'))),
      MakePngChunk("PLTE", std::string(768, 'p')), MakePngChunk("tRNS", std::string(256, 't')));
  for (int i = 0; i < 100; ++i) file += MakePngChunk("tRNS", std::string(100'000, 't'));
  file += MakePngChunk("fcTL", absl::StrCat(Numbers({0, 1, 1, 0, 0}), std::string(6, '\0')));
  file += MakePngChunk("IDAT", "data");
  const auto apng = ReadApng(file);
  ASSERT_TRUE(apng.ok()) << apng.status();
  const std::string frame = ApngFrameFile(*apng, apng->frames[0]);
  EXPECT_LT(frame.size(), 1500);
  EXPECT_THAT(frame, HasSubstr(std::string(768, 'p')));
  EXPECT_THAT(frame, HasSubstr(std::string(256, 't')));
}

// Each of fifteen bytes would be looked through behind a table of its own.
TEST_F(Costs, FramesBeyondTheLimit) {
  std::string file("GIF89a\x01\0\x01\0\0\0\0", 13);
  const std::string frame(",\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0", 15);
  for (int i = 0; i < 2'000'000; ++i) file += frame;
  EXPECT_THAT(ReadGif(file, std::nullopt).status().message(), HasSubstr("frames is not supported"));
}

}  // namespace
}  // namespace hiif
