#include "model/cost/plan.h"

#include <algorithm>
#include <cmath>

namespace hiif {
namespace {

// Of a block, halo included, against the block alone.
constexpr double kMostOverhead = 2.4;
constexpr int64_t kMostSide = 384;
// Blocks of images of few rows are longer instead, up to this many pixels.
constexpr int64_t kStripPixels = 4096;

// Side of a square block.
int64_t BlockSide(const Encoder& encoder, int64_t halo) {
  constexpr int64_t kSample = 1024;  // large enough for the cost of a pixel
  const double pixel = encoder.Cost(kSample, kSample) / (kSample * kSample);
  const double padded = std::sqrt(kBlockWork / pixel);
  const double least = 2.0 * static_cast<double>(halo) / (std::sqrt(kMostOverhead) - 1.0);
  const double side = std::max(padded - 2.0 * static_cast<double>(halo), least);
  return std::clamp<int64_t>(static_cast<int64_t>(side), 64, kMostSide);
}

// Where pieces of about `piece` begin and the last one ends.
std::vector<int64_t> Cuts(int64_t size, int64_t piece, int64_t alignment) {
  const int64_t count = std::max<int64_t>(1, (size + piece / 2) / piece);
  std::vector<int64_t> cuts = {0};
  for (int64_t i = 1; i < count; ++i) {
    const int64_t cut = size * i / count / alignment * alignment;
    if (cut > cuts.back()) cuts.push_back(cut);
  }
  cuts.push_back(size);
  return cuts;
}

}  // namespace

Region EncodingPlan::Read(int block) const {
  const Region& r = blocks[block];
  const int64_t x = std::max<int64_t>(0, r.x - halo);
  const int64_t y = std::max<int64_t>(0, r.y - halo);
  return {x, y, std::min(size.width, r.x + r.width + halo) - x,
          std::min(size.height, r.y + r.height + halo) - y};
}

EncodingPlan PlanWhole(Grid size) { return {size, {{0, 0, size.width, size.height}}, 0}; }

EncodingPlan PlanEncoding(const Encoder& encoder, Grid size) {
  const auto field = encoder.receptive_field();
  if (!field.has_value()) return PlanWhole(size);
  EncodingPlan plan;
  plan.size = size;
  const int64_t alignment = encoder.alignment();
  plan.halo = (*field + alignment - 1) / alignment * alignment;
  const int64_t side = BlockSide(encoder, plan.halo);
  const auto longer = [&](int64_t other) {
    return side * std::max<int64_t>(1, kStripPixels / (side * other));
  };
  const std::vector<int64_t> rows = Cuts(size.height, longer(size.width), alignment);
  const std::vector<int64_t> columns = Cuts(size.width, longer(size.height), alignment);
  for (size_t r = 0; r + 1 < rows.size(); ++r) {
    for (size_t c = 0; c + 1 < columns.size(); ++c) {
      plan.blocks.push_back(
          {columns[c], rows[r], columns[c + 1] - columns[c], rows[r + 1] - rows[r]});
    }
  }
  return plan;
}

}  // namespace hiif
