#include "base/bicubic.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace hiif {
namespace {

RgbImage Pattern(int64_t width, int64_t height) {
  RgbImage image{SampleType::kU8, height, width, {}};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < 3; ++c) {
        image.samples.push_back((x * x * 37 + y * 91 + c * 57 + x * y * 13) % 256);
      }
    }
  }
  return image;
}

// Recorded from Pillow 13: Image.fromarray(pattern).resize((width, height), Image.BICUBIC).
TEST(BicubicTest, ShrinksAsPillowDoes) {
  const RgbImage small = ResizeBicubic(Pattern(5, 4), Grid{2, 3});
  EXPECT_EQ(small.height, 2);
  EXPECT_EQ(small.width, 3);
  EXPECT_EQ(small.samples, (std::vector<uint8_t>{81, 127, 166, 97, 129, 119, 139, 86, 143, 131, 140,
                                                 129, 165, 95, 161, 175, 83, 140}));
}

TEST(BicubicTest, ShrinksOneAxisAndLeavesTheOtherAsPillowDoes) {
  EXPECT_EQ(ResizeBicubic(Pattern(5, 4), Grid{4, 2}).samples,
            (std::vector<uint8_t>{51,  108, 103, 96,  153, 149, 91,  149, 206, 167, 29, 86,
                                  194, 145, 113, 103, 153, 218, 101, 97,  154, 236, 36, 93}));
  EXPECT_EQ(ResizeBicubic(Pattern(5, 4), Grid{1, 5}).samples,
            (std::vector<uint8_t>{81, 138, 123, 138, 122, 179, 123, 125, 126, 144, 73, 130, 167, 96,
                                  153}));
}

TEST(BicubicTest, EnlargesAndClampsAsPillowDoes) {
  const std::vector<uint8_t> expected = {
      0,   47,  104, 0,   57,  128, 34,  91,  138, 131, 187, 23,  144, 206, 42,  71,  147, 193, 63,
      141, 212, 69,  146, 203, 23,  77,  145, 38,  99,  171, 67,  134, 183, 91,  158, 71,  110, 142,
      56,  120, 93,  143, 126, 91,  157, 128, 98,  155, 80,  137, 202, 109, 170, 232, 129, 195, 252,
      32,  110, 158, 55,  43,  90,  197, 11,  67,  224, 16,  74,  221, 26,  83,  148, 216, 118, 183,
      175, 144, 204, 120, 182, 90,  125, 199, 65,  110, 180, 140, 74,  132, 162, 84,  140, 168, 97,
      154, 172, 248, 34,  208, 153, 58,  239, 46,  110, 170, 141, 206, 112, 177, 234, 84,  137, 194,
      98,  152, 209, 115, 168, 225, 65,  129, 92,  95,  123, 127, 148, 112, 171, 199, 99,  159, 204,
      78,  135, 168, 55,  112, 188, 77,  134, 208, 96,  153, 0,   54,  133, 25,  105, 175, 90,  156,
      213, 210, 73,  129, 255, 14,  71,  221, 2,   59,  246, 27,  84,  255, 48,  105};
  EXPECT_EQ(ResizeBicubic(Pattern(5, 4), Grid{7, 8}).samples, expected);
}

TEST(BicubicTest, TheSameSizeIsACopy) {
  const RgbImage image = Pattern(6, 3);
  EXPECT_EQ(ResizeBicubic(image, Grid{3, 6}).samples, image.samples);
}

}  // namespace
}  // namespace hiif
