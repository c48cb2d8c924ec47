#include "model/decoders/ciaosr_map.h"

#include <algorithm>

namespace hiif {
namespace {

// Floats of attention, or of patches, that are held at once.
constexpr int64_t kHeld = int64_t{8} << 20;

at::Tensor Match(const Scope& scope, const at::Tensor& x) {
  const at::Tensor y = Conv(x, scope.Below("0"));
  return at::prelu(y, scope.At("1.weight").to(y.scalar_type()));
}

// Neighbourhoods of a map (1,C,h,w), a place a row: (places, C*kernel^2).
at::Tensor Patches(const at::Tensor& x, int64_t kernel, int64_t padding, int64_t stride) {
  return at::im2col(x, {kernel, kernel}, {1, 1}, {padding, padding}, {stride, stride})[0].t();
}

// The map of one block, height and width even.
at::Tensor MapOfEven(const Scope& scope, const at::Tensor& x, const Heartbeat& beat) {
  const int64_t channels = x.size(1);
  const int64_t height = x.size(2);
  const int64_t width = x.size(3);
  const at::Tensor queries = Patches(Match(scope.Below("conv_match_1"), x), 3, 1, 1);
  at::Tensor keys = Patches(Match(scope.Below("conv_match_2"), at::avg_pool2d(x, 2)), 3, 1, 1);
  keys = keys / keys.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-4);
  const at::Tensor values =
      Patches(Match(scope.Below("conv_assembly"), x), 6, 2, 2).contiguous();  // (L,36C)
  const at::Tensor keys_t = keys.t().contiguous();
  // What the rows of a band lay down: rows 2 first - 2 to 2 (first + rows) + 1 of 2 height.
  const int64_t held = width * std::max(keys.size(0), values.size(1));
  const int64_t step = std::clamp<int64_t>(kHeld / held, 1, height);
  at::Tensor laid = at::zeros({1, channels, 2 * height + 4, 2 * width}, x.options());
  for (int64_t first = 0; first < height; first += step) {
    Beat(beat);
    const int64_t rows = std::min(step, height - first);
    const at::Tensor attention = at::softmax(
        at::matmul(queries.slice(0, first * width, (first + rows) * width), keys_t) * 10.0, -1);
    const at::Tensor patches = at::matmul(attention, values).t().unsqueeze(0);
    const int64_t height_laid = 2 * rows + 4;
    laid.slice(2, 2 * first, 2 * first + height_laid)
        .add_(at::col2im(patches, {height_laid, 2 * width}, {6, 6}, {1, 1}, {0, 2}, {2, 2}));
  }
  const Scope down = scope.Below("down");
  return at::conv2d(laid.slice(2, 2, 2 * height + 2), down.At("weight"), down.At("bias"),
                    /*stride=*/2, /*padding=*/1) /
         6.0;
}

// First pixels of the blocks of an axis.
std::vector<int64_t> Starts(int64_t size) {
  if (size <= kCiaoSrBlock) return {0};
  std::vector<int64_t> starts;
  for (int64_t first = 0; first < size - kCiaoSrBlock; first += kCiaoSrStride) {
    starts.push_back(first);
  }
  starts.push_back(size - kCiaoSrBlock);
  return starts;
}

}  // namespace

std::vector<Region> CiaoSrBlocks(Grid size) {
  std::vector<Region> blocks;
  for (const int64_t y : Starts(size.height)) {
    for (const int64_t x : Starts(size.width)) {
      blocks.push_back(
          {x, y, std::min(size.width, kCiaoSrBlock), std::min(size.height, kCiaoSrBlock)});
    }
  }
  return blocks;
}

at::Tensor CiaoSrMap(const Scope& scope, const at::Tensor& latents, const Heartbeat& beat) {
  const int64_t height = latents.size(2);
  const int64_t width = latents.size(3);
  return MapOfEven(scope, PadReflect(latents, height + height % 2, width + width % 2), beat)
      .slice(2, 0, height)
      .slice(3, 0, width);
}

int64_t CiaoSrMapBytes(int features, Grid block) {
  const int64_t pixels = (block.height + 1) * (block.width + 1);
  // Patches of the queries (C/2) and, of a quarter of the pixels, of keys and values, as they are
  // taken and as they are multiplied; what they are laid on; and a band, on its way four times.
  const int64_t patches = pixels * features * (2 * 9) / 2 + pixels / 4 * features * (9 + 2 * 36);
  const int64_t band =
      std::max(kHeld, (block.width + 1) * std::max(pixels / 4, int64_t{36} * features));
  return 4 * (patches + pixels * features * 12 + 4 * band);
}

at::Tensor JoinCiaoSrBlocks(absl::Span<const at::Tensor> maps, Grid size) {
  if (maps.size() == 1) return maps[0];
  const std::vector<Region> blocks = CiaoSrBlocks(size);
  at::Tensor sum = at::zeros({1, maps[0].size(1), size.height, size.width}, maps[0].options());
  at::Tensor count = at::zeros({size.height, size.width}, maps[0].options());
  for (size_t i = 0; i < blocks.size(); ++i) {
    const Region& b = blocks[i];
    sum.slice(2, b.y, b.y + b.height).slice(3, b.x, b.x + b.width).add_(maps[i]);
    count.slice(0, b.y, b.y + b.height).slice(1, b.x, b.x + b.width).add_(1);
  }
  return sum / count;
}

}  // namespace hiif
