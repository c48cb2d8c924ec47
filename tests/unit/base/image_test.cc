#include "base/image.h"

#include <gtest/gtest.h>

namespace hiif {
namespace {

TEST(CropTest, TakesTheRegion) {
  for (const SampleType type : {SampleType::kU8, SampleType::kU16, SampleType::kF32}) {
    const int bytes = 3 * SampleBytes(type);
    RgbImage image{type, 3, 4, {}};
    for (int i = 0; i < 3 * 4 * bytes; ++i) image.samples.push_back(static_cast<uint8_t>(i));
    const RgbImage part = Crop(image, {.x = 1, .y = 1, .width = 2, .height = 2});
    EXPECT_EQ(part.type, type);
    EXPECT_EQ(part.height, 2);
    EXPECT_EQ(part.width, 2);
    ASSERT_EQ(part.samples.size(), size_t(4 * bytes));
    for (int row = 0; row < 2; ++row) {
      for (int i = 0; i < 2 * bytes; ++i) {
        EXPECT_EQ(part.samples[row * 2 * bytes + i],
                  image.samples[((row + 1) * 4 + 1) * bytes + i]);
      }
    }
  }
}

}  // namespace
}  // namespace hiif
