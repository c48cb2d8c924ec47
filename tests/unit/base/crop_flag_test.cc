#include "base/crop_flag.h"

#include <gtest/gtest.h>

namespace hiif {
namespace {

TEST(CropFlag, TakesFourNumbers) {
  const auto crop = ParseCrop("1,2,30,40");
  ASSERT_TRUE(crop.ok()) << crop.status();
  EXPECT_EQ(crop->x, 1);
  EXPECT_EQ(crop->y, 2);
  EXPECT_EQ(crop->width, 30);
  EXPECT_EQ(crop->height, 40);
}

TEST(CropFlag, RefusesEverythingElse) {
  for (const char* text : {"", "1,2,3", "1,2,3,4,5", "1,2,3,4,x", "-1,0,3,4", "0,0,0,4", "0,0,3,-4",
                           "a,0,3,4", "0,0,3.5,4", "0;0;3;4", "2147483647,0,1,1",
                           "0,1,1,2147483647", "9223372036854775807,0,9223372036854775807,1"}) {
    EXPECT_EQ(ParseCrop(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(CropFlag, MustLieInsideTheImage) {
  const Grid size = {.height = 20, .width = 30};
  EXPECT_TRUE(ParseCrop("10,5,20,15", size).ok());
  for (const char* text : {"11,5,20,15", "10,6,20,15", "0,0,31,1", "0,0,1,21",
                           "9223372036854775807,0,9223372036854775807,1"}) {
    EXPECT_EQ(ParseCrop(text, size).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace hiif
