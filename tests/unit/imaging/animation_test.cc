// Animations written by ourselves and by libvips, read by the other.
#include "imaging/animation.h"

#include <sys/resource.h>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "imaging/bytes.h"
#include "imaging/container/png.h"
#include "imaging/decode.h"
#include "imaging/writer.h"
#include "tests/unit/imaging/files.h"

namespace hiif {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Make;
using testing::Save;

constexpr Grid kSize = {12, 20};

// Rows of RGB or RGBA of one colour a frame, which GIF holds as it is.
std::string Samples(int frame, int channels) {
  std::string out;
  for (int64_t i = 0; i < kSize.width * kSize.height; ++i)
    for (int c = 0; c < channels; ++c)
      out.push_back(static_cast<char>(c == 3 ? (frame % 2 == 0 ? 255 : 0) : 40 * frame + 60 * c));
  return out;
}

std::string Still(ImageFormat format, int frame, int channels) {
  StringSink sink;
  const auto writer =
      ImageWriter::Create({.format = format, .size = kSize, .channels = channels}, &sink);
  EXPECT_TRUE((*writer)->WriteRows(Samples(frame, channels)).ok());
  EXPECT_TRUE((*writer)->Finish().ok());
  return sink.Take();
}

std::string Write(ImageFormat format, const std::vector<int>& durations, int loops, int channels,
                  ByteSink* to = nullptr) {
  StringSink own;
  ByteSink* sink = to == nullptr ? &own : to;
  const AnimationOptions options{.format = format,
                                 .size = kSize,
                                 .alpha = channels == 4,
                                 .frames = static_cast<int>(durations.size()),
                                 .loops = loops};
  const auto writer = AnimationWriter::Create(options, sink);
  EXPECT_TRUE(writer.ok()) << writer.status();
  std::vector<std::string> stills;
  for (int i = 0; i < 4; ++i) stills.push_back(Still(format, i, channels));
  for (size_t i = 0; i < durations.size(); ++i) {
    const absl::Status added = (*writer)->AddFrame(stills[i % 4], durations[i]);
    EXPECT_TRUE(added.ok()) << added;
  }
  EXPECT_TRUE((*writer)->Finish().ok());
  return own.Take();
}

class AnimationTest : public ::testing::TestWithParam<ImageFormat> {};

TEST_P(AnimationTest, ComesBackAsItWasWritten) {
  for (const int channels : {3, 4}) {
    for (const int loops : {0, 1, 5}) {
      const std::vector<int> durations = {40, 0, 1230, 70};
      const std::string file = Write(GetParam(), durations, loops, channels);
      const auto reader = AnimationReader::Open(file);
      ASSERT_TRUE(reader.ok()) << reader.status();
      EXPECT_EQ((*reader)->info().frames, 4);
      EXPECT_EQ((*reader)->info().size, kSize);
      EXPECT_EQ((*reader)->loops(), loops);
      const int read = (*reader)->info().channels;
      ASSERT_EQ(read % 2 == 0, channels == 4);
      for (int i = 0; i < 4; ++i) {
        const auto frame = (*reader)->Next();
        ASSERT_TRUE(frame.ok() && frame->has_value()) << frame.status();
        EXPECT_EQ((*frame)->duration_ms, durations[i]);
        const std::string expected = Samples(i, channels);
        if (channels == 3 || i % 2 == 0)
          EXPECT_EQ((*frame)->samples, expected) << i;
        else
          EXPECT_EQ((*frame)->samples[3], '\0') << "nothing of the frame before shows";
      }
      const auto end = (*reader)->Next();
      EXPECT_TRUE(end.ok() && !end->has_value());
    }
  }
}

TEST_P(AnimationTest, LibvipsReadsTheTiming) {
  if (GetParam() == ImageFormat::kPng) GTEST_SKIP() << "libvips reads no animated PNG";
  const std::string file = Write(GetParam(), {40, 1230, 70}, 3, 3);
  testing::OpenSavers();
  vips_operation_block_set("VipsForeignLoad", FALSE);
  const vips::VImage image = vips::VImage::new_from_buffer(file.data(), file.size(), "n=-1");
  EXPECT_EQ(image.get_int("page-height"), kSize.height);
  EXPECT_THAT(image.get_array_int("delay"), ElementsAre(40, 1230, 70));
  EXPECT_EQ(image.get_int("loop"), 3);
}

TEST_P(AnimationTest, WritesToWhatCannotGoBack) {
  std::string piped;
  StreamSink sink([&piped](absl::string_view bytes) {
    absl::StrAppend(&piped, bytes);
    return absl::OkStatus();
  });
  Write(GetParam(), {40, 50}, 0, 4, &sink);
  EXPECT_EQ(piped, Write(GetParam(), {40, 50}, 0, 4));
}

// Each shorter than what GIF can say: their sum stays.
TEST_P(AnimationTest, RoundedTimesAddUp) {
  const std::vector<int> durations(30, 33);
  const std::string file = Write(GetParam(), durations, 0, 3);
  const auto reader = AnimationReader::Open(file);
  ASSERT_TRUE(reader.ok()) << reader.status();
  int sum = 0;
  for (auto frame = (*reader)->Next(); frame.ok() && frame->has_value(); frame = (*reader)->Next())
    sum += (*frame)->duration_ms;
  EXPECT_NEAR(sum, 990, 5);
}

TEST_P(AnimationTest, CutAnywhereItEndsWithAnError) {
  const std::string file = Write(GetParam(), {40, 50, 60}, 0, 3);
  for (size_t size = 0; size < file.size(); size += 7) {
    const std::string cut = file.substr(0, size);
    const auto reader = AnimationReader::Open(cut);
    if (!reader.ok()) continue;
    auto frame = (*reader)->Next();
    while (frame.ok() && frame->has_value()) frame = (*reader)->Next();
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, AnimationTest,
                         ::testing::Values(ImageFormat::kGif, ImageFormat::kWebp,
                                           ImageFormat::kPng),
                         [](const auto& info) { return std::string(FormatName(info.param)); });

TEST(AnimationLimitsTest, FormatsThatHoldNone) {
  StringSink sink;
  const auto writer =
      AnimationWriter::Create({.format = ImageFormat::kJpeg, .size = kSize, .frames = 2}, &sink);
  EXPECT_THAT(writer.status().message(), HasSubstr("--all-frames"));
  EXPECT_THAT(AnimationReader::Open(Still(ImageFormat::kPng, 0, 3)).status().message(),
              HasSubstr("no animation"));
}

TEST(AnimationLimitsTest, AHugeCanvasIsRefusedAtOnce) {
  std::string file = Write(ImageFormat::kWebp, {10, 10}, 0, 3);
  for (const size_t at : {24, 27}) file.replace(at, 2, "\xfe\x3f");  // 16,383 pixels a side
  EXPECT_THAT(AnimationReader::Open(file).status().message(), HasSubstr("megapixels"));
}

// A frame is held, not all of them.
TEST(AnimationLimitsTest, TenThousandFrames) {
  const std::vector<int> durations(10'000, 20);
  EXPECT_THAT(AnimationReader::Open(Write(ImageFormat::kGif, durations, 0, 3)).status().message(),
              HasSubstr("a GIF of 10000 frames"));
  const std::string file = Write(ImageFormat::kWebp, durations, 0, 3);
  rusage before{};
  getrusage(RUSAGE_SELF, &before);
  const auto reader = AnimationReader::Open(file);
  ASSERT_TRUE(reader.ok()) << reader.status();
  int frames = 0;
  auto frame = (*reader)->Next();
  for (; frame.ok() && frame->has_value(); frame = (*reader)->Next()) ++frames;
  EXPECT_EQ(frames, 10'000) << frame.status();
  rusage after{};
  getrusage(RUSAGE_SELF, &after);
#ifndef HIIF_SANITIZED
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 64 << 10) << "KiB";
#endif
}

std::string Chunk(uint32_t sequence, const std::vector<uint32_t>& numbers, int delay, int per,
                  int dispose, int blend) {
  std::string data;
  AppendBigEndian(sequence, 4, &data);
  for (const uint32_t n : numbers) AppendBigEndian(n, 4, &data);
  AppendBigEndian(delay, 2, &data);
  AppendBigEndian(per, 2, &data);
  AppendBigEndian(dispose, 1, &data);
  AppendBigEndian(blend, 1, &data);
  return MakePngChunk("fcTL", data);
}

TEST(ApngTest, FramesOutsideTheCanvasAreRefused) {
  const std::string still = Still(ImageFormat::kPng, 0, 3);
  std::string control;
  AppendBigEndian(2, 4, &control);
  AppendBigEndian(0, 4, &control);
  const std::string head = absl::StrCat(still.substr(0, 33), MakePngChunk("acTL", control));
  const std::string second =
      absl::StrCat(Chunk(1, {20, 12, 0, 0}, 1, 0, 0, 0), MakePngChunk("fdAT", "1234..."));
  for (const std::vector<uint32_t>& place : {std::vector<uint32_t>{20, 12, 1, 0},
                                             {20, 12, 0xffffffff, 0},
                                             {0, 12, 0, 0},
                                             {0xffffffff, 0xffffffff, 0, 0}}) {
    const std::string file =
        absl::StrCat(head, Chunk(0, place, 1, 0, 0, 0), still.substr(33, still.size() - 33 - 12),
                     second, still.substr(still.size() - 12));
    EXPECT_THAT(AnimationReader::Open(file).status().message(), HasSubstr("canvas"));
    for (const int frame : {0, 1})
      EXPECT_THAT(Probe(file, {}, frame).status().message(), HasSubstr("canvas"));
  }
  // Without data of frames it is a picture.
  EXPECT_THAT(AnimationReader::Open(absl::StrCat(head, still.substr(33))).status().message(),
              HasSubstr("no animation"));
}

std::string DataOf(const std::string& png) {
  std::string out;
  for (size_t at = kPngSignatureBytes; const auto chunk = NextPngChunk(png, at);) {
    if (chunk->type == "IDAT") absl::StrAppend(&out, chunk->data);
    at = chunk->end;
  }
  return out;
}

// Six frames: whole, and parts that replace or cover, with every way to go.
std::string Parts(int channels) {
  struct Part {
    std::vector<uint32_t> place;
    int dispose, blend;
  };
  const Part parts[] = {{{20, 12, 0, 0}, 0, 0}, {{9, 5, 3, 2}, 0, 1},   {{8, 8, 10, 4}, 2, 0},
                        {{6, 6, 1, 1}, 1, 1},   {{20, 12, 0, 0}, 0, 0}, {{5, 9, 15, 0}, 0, 1}};
  std::string control;
  AppendBigEndian(std::size(parts), 4, &control);
  AppendBigEndian(0, 4, &control);
  std::string file;
  int sequence = 0;
  for (size_t i = 0; i < std::size(parts); ++i) {
    const auto& [place, dispose, blend] = parts[i];
    const std::string png =
        Save(Make<uint8_t>(static_cast<int>(place[0]), static_cast<int>(place[1]), channels,
                           [&](int x, int y, int b) {
                             return b == 3 ? (x + y) % 3 * 255 / 2
                                           : 30 * static_cast<int>(i) + 5 * x + 7 * b;
                           }),
             ".png");
    if (i == 0) file = absl::StrCat(png.substr(0, 33), MakePngChunk("acTL", control));
    absl::StrAppend(&file, Chunk(sequence++, place, 1, 0, dispose, blend));
    std::string data;
    if (i > 0) AppendBigEndian(sequence++, 4, &data);
    absl::StrAppend(&file, MakePngChunk(i == 0 ? "IDAT" : "fdAT", data + DataOf(png)));
  }
  return file + MakePngChunk("IEND", "");
}

TEST(ApngTest, ANamedFrameIsTheOneThatIsShown) {
  for (const int channels : {3, 4}) {
    const std::string file = Parts(channels);
    const auto reader = AnimationReader::Open(file);
    ASSERT_TRUE(reader.ok()) << reader.status();
    const int read = (*reader)->info().channels;
    EXPECT_EQ(read, 4);
    for (int i = 0; i < 6; ++i) {
      SCOPED_TRACE(i);
      const auto shown = (*reader)->Next();
      ASSERT_TRUE(shown.ok()) << shown.status();
      const auto info = Probe(file, {}, i);
      ASSERT_TRUE(info.ok()) << info.status();
      EXPECT_EQ(info->frames, 6);
      EXPECT_EQ(info->channels, read);
      const auto picture = Decode(file, {.frame = i});
      ASSERT_TRUE(picture.ok()) << picture.status();
      ASSERT_EQ(picture->size(), kSize);
      for (int64_t p = 0; p < kSize.width * kSize.height; ++p) {
        const auto* expected = reinterpret_cast<const uint8_t*>((*shown)->samples.data()) + 4 * p;
        const int alpha = picture->alpha.empty() ? 255 : picture->alpha.samples[p];
        ASSERT_EQ(alpha, expected[3]) << p;
        // What lies under half of it may have been continued from beside it.
        for (int c = 0; c < 3 && alpha == 255; ++c)
          ASSERT_EQ(+picture->colour->samples[3 * p + c], +expected[c]) << p;
      }
    }
    EXPECT_THAT(Decode(file, {.frame = 6}).status().message(), HasSubstr("frame 6"));
  }
}

// Some kilobytes that ask for a canvas a thousand times.
TEST(ApngTest, LateFramesAreWork) {
  std::string header;
  for (const uint32_t side : {7000, 7000}) AppendBigEndian(side, 4, &header);
  header += std::string("\x08\x06\0\0\0", 5);
  std::string control;
  for (const uint32_t number : {1000, 0}) AppendBigEndian(number, 4, &control);
  std::string file = absl::StrCat("\x89PNG\r\n\x1a\n", MakePngChunk("IHDR", header),
                                  MakePngChunk("acTL", control));
  for (int i = 0; i < 1000; ++i)
    absl::StrAppend(&file, Chunk(i, {7000, 7000, 0, 0}, 1, 0, 0, 1),
                    MakePngChunk(i == 0 ? "IDAT" : "fdAT", "1234..."));
  file += MakePngChunk("IEND", "");
  EXPECT_EQ(Probe(file)->frames, 1000);
  EXPECT_TRUE(Probe(file, {}, 3).ok());
  EXPECT_THAT(Probe(file, {}, 900).status().message(), HasSubstr("million pixels"));
}

}  // namespace
}  // namespace hiif
