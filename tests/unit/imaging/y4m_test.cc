#include "imaging/y4m.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hiif {
namespace {

using ::testing::HasSubstr;

VideoFormat Parse(const std::string& text) {
  const auto format = ParseY4mHeader(text);
  EXPECT_TRUE(format.ok()) << text << format.status();
  return format.value_or(VideoFormat());
}

TEST(Y4m, HeadersSayWhatFramesHold) {
  const VideoFormat sd = Parse("YUV4MPEG2 W353 H201 F25:1 Ip A1:1 C420mpeg2 XYSCSS=420MPEG2");
  EXPECT_EQ(sd.FrameBytes(), 353 * 201 + 2 * 177 * 101);
  EXPECT_FALSE(sd.full_range);
  EXPECT_EQ(sd.kr, 0.299);
  EXPECT_EQ(Parse("YUV4MPEG2 W1280 H720 C444p10 XCOLORRANGE=FULL").kr, 0.2126);
  EXPECT_TRUE(Parse("YUV4MPEG2 W1280 H720 C444p10 XCOLORRANGE=FULL").full_range);
  EXPECT_EQ(Parse("YUV4MPEG2 W1280 H720 C422p10").FrameBytes(), 1280 * 720 * 4);
  EXPECT_EQ(Parse("YUV4MPEG2 W64 H64 XCOLORMATRIX=BT2020NC").kb, 0.0593);
  EXPECT_EQ(Parse("YUV4MPEG2 W3 H3 Cmono").FrameBytes(), 9);
  for (const auto& [text, why] :
       {std::pair("RIFF", "YUV4MPEG2"), std::pair("YUV4MPEG2 W5", "no size"),
        std::pair("YUV4MPEG2 W0 H5", "side"), std::pair("YUV4MPEG2 W99999999 H5", "side"),
        std::pair("YUV4MPEG2 W5 H5 It", "deinterlace"),
        std::pair("YUV4MPEG2 W5 H5 C411", "not supported"),
        std::pair("YUV4MPEG2 W5 H5 C420p12", "not supported")})
    EXPECT_THAT(ParseY4mHeader(text).status().message(), HasSubstr(why)) << text;
}

TEST(Y4m, AnotherSizeKeepsTheRest) {
  const VideoFormat in = Parse("YUV4MPEG2 W100 H50 F30000:1001 Ip A4:3 C422 XA=b");
  EXPECT_EQ(Y4mHeader(Resized(in, in.size, {125, 250})),
            "YUV4MPEG2 W250 H125 F30000:1001 Ip A4:3 C422 XA=b");
  EXPECT_EQ(Y4mHeader(Resized(in, in.size, {100, 100})),
            "YUV4MPEG2 W100 H100 F30000:1001 Ip A8:3 C422 XA=b");
}

TEST(Y4m, APartKeepsTheShapeOfItsPixels) {
  const VideoFormat in = Parse("YUV4MPEG2 W64 H48 A1:1");
  EXPECT_EQ(Y4mHeader(Resized(in, {24, 16}, {48, 32})), "YUV4MPEG2 W32 H48 A1:1");
  EXPECT_EQ(Y4mHeader(Resized(in, {24, 16}, {48, 64})), "YUV4MPEG2 W64 H48 A1:2");
}

// A reader of the output sees its header alone: enlarged past 720 lines, it stands for BT.709.
TEST(Y4m, TheMatrixIsThatOfTheHeaderOrOfTheSize) {
  for (const char* header :
       {"YUV4MPEG2 W640 H360 C444", "YUV4MPEG2 W640 H360 C444 XCOLORMATRIX=BT601",
        "YUV4MPEG2 W640 H360 C444 XCOLORMATRIX=BT709", "YUV4MPEG2 W640 H360 Cmono"}) {
    for (const Grid size : {Grid{719, 1278}, Grid{720, 1280}}) {
      const VideoFormat in = Parse(header);
      const VideoFormat out = Resized(in, in.size, size);
      EXPECT_EQ(out.kr, Parse(Y4mHeader(out)).kr) << Y4mHeader(out);
    }
  }
  const VideoFormat in = Parse("YUV4MPEG2 W640 H360 C444");
  EXPECT_EQ(Resized(in, in.size, {720, 1280}).kr, 0.2126);
}

TEST(Y4m, KnownColours) {
  // 75 % bars' red in limited BT.601: 65, 100, 212; black and white.
  const VideoFormat format = Parse("YUV4MPEG2 W3 H1 C444");
  const std::string frame("\x41\x10\xeb\x64\x80\x80\xd4\x80\x80", 9);
  const std::vector<uint16_t> rgb = FrameToRgb(format, frame);
  const double expected[] = {0.75, 0, 0, 0, 0, 0, 1, 1, 1};
  for (int i = 0; i < 9; ++i) EXPECT_NEAR(rgb[i] / 65535.0, expected[i], 0.005) << i;
  EXPECT_EQ(FrameFromRgb(format, rgb), frame);
}

TEST(Y4m, ThereAndBack) {
  for (const char* chroma :
       {"420jpeg", "420mpeg2", "420paldv", "422", "444", "mono", "420p10", "422p10", "444p10"}) {
    for (const char* range : {"FULL", "LIMITED"}) {
      const VideoFormat format =
          Parse(std::string("YUV4MPEG2 W37 H21 C") + chroma + " XCOLORRANGE=" + range);
      std::vector<uint16_t> rgb(37 * 21 * format.channels());
      for (size_t i = 0; i < rgb.size(); ++i) {
        const size_t pixel = i / format.channels();
        const double x = static_cast<double>(pixel % 37);
        const double y = static_cast<double>(pixel / 37);
        rgb[i] = static_cast<uint16_t>(
            32768 + 15000 * std::sin(x / 9 + y / 7 + static_cast<double>(i % format.channels())));
      }
      const std::string frame = FrameFromRgb(format, rgb);
      ASSERT_EQ(std::ssize(frame), format.FrameBytes());
      const std::string again = FrameFromRgb(format, FrameToRgb(format, frame));
      double error = 0;
      const int step = format.SampleBytes();
      for (size_t i = 0; i < frame.size(); i += step) {
        const auto value = [&](const std::string& f) {
          return static_cast<uint8_t>(f[i]) + (step == 2 ? static_cast<uint8_t>(f[i + 1]) << 8 : 0);
        };
        error += std::pow((value(frame) - value(again)) / double((1 << format.bits) - 1), 2);
      }
      const double psnr =
          -10 * std::log10(error * step / static_cast<double>(frame.size()) + 1e-12);
      EXPECT_GT(psnr, 48) << chroma << range;
    }
  }
}

}  // namespace
}  // namespace hiif
