// A region of an enlargement, rendered, or cut out of the whole.
#ifndef TESTS_TESTING_RENDERING_H_
#define TESTS_TESTING_RENDERING_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "model/upscaler/upscaler.h"

namespace hiif::testing {

inline std::vector<float> RenderRegion(const Upscaler& upscaler, const Features& features,
                                       const Context& context, Region region) {
  std::vector<float> out(region.pixels() * 3);
  const RenderTile tile{&features, &context, region, absl::MakeSpan(out)};
  EXPECT_TRUE(upscaler.Render({&tile, 1}).ok());
  return out;
}

// whole: of a grid of `width` columns.
inline std::vector<float> Cut(const std::vector<float>& whole, int64_t width, Region region) {
  std::vector<float> out;
  for (int64_t y = region.y; y < region.y + region.height; ++y) {
    const auto row = whole.begin() + (y * width + region.x) * 3;
    out.insert(out.end(), row, row + region.width * 3);
  }
  return out;
}

}  // namespace hiif::testing

#endif  // TESTS_TESTING_RENDERING_H_
