#include "model/cost/cost.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "model/decoders/decoder.h"
#include "model/encoders/encoder.h"

namespace hiif {
namespace {

constexpr int64_t kFloatBytes = sizeof(float);
// Layers take and give back tensors of many sizes: of what they hold, this much is in memory, since
// the allocator (tcmalloc) cannot put every tensor where another one was. The blocks of an image,
// which differ in what of their halo lies inside, leave more holes than one that is whole.
constexpr double kAllocatorOfWhole = 1.3;
constexpr double kAllocatorOfBlocks = 1.5;

int64_t SamplesOf(Grid grid, int64_t samples) {
  const int64_t all = grid.height * grid.width;
  return samples <= 0 ? all : std::min(samples, all);
}

bool HasContext(const ModelConfig& config) { return config.decoder->attention_blocks() > 0; }

// Low-resolution pixels that a region of the grid reads.
double PixelsRead(Grid input, Grid grid, const Region& region) {
  const auto side = [](int64_t part, int64_t high, int64_t low) {
    const double wanted =
        static_cast<double>(part) / static_cast<double>(high) * static_cast<double>(low);
    return std::min(wanted + 2, static_cast<double>(low));
  };
  return side(region.height, grid.height, input.height) *
         side(region.width, grid.width, input.width);
}

}  // namespace

double WorkCost::encode_total() const { return std::accumulate(encode.begin(), encode.end(), 0.0); }

int64_t MemoryFootprint::Peak(int workers) const {
  return features +
         std::max(encode_worker * std::min<int64_t>(workers, encode_blocks), RenderPeak(workers));
}

int64_t MemoryFootprint::RenderPeak(int workers) const {
  return context +
         std::max(context_worker, decode_worker * std::min<int64_t>(workers, decode_tiles));
}

WorkCost CostOf(const ModelConfig& config, const EngineCost& engine, const EncodingPlan& plan,
                Grid grid, const Region& region, int64_t samples) {
  WorkCost cost;
  // Of hundreds of blocks there are few sizes, and an encoder counts all of its layers.
  std::map<std::pair<int64_t, int64_t>, double> known;
  for (int block = 0; block < static_cast<int>(plan.blocks.size()); ++block) {
    const Region read = plan.Read(block);
    const auto [size, is_new] = known.try_emplace({read.height, read.width});
    if (is_new) size->second = config.encoder->Cost(read.height, read.width);
    cost.encode.push_back(size->second);
  }
  cost.encode.insert(cost.encode.end(), engine.parts.begin(), engine.parts.end());
  if (HasContext(config)) {
    cost.context =
        static_cast<double>(SamplesOf(grid, samples)) * (engine.sample + 4 * engine.projection) +
        engine.fold;
  }
  const auto pixels = static_cast<double>(std::max<int64_t>(1, region.pixels()));
  cost.coordinate = engine.coordinate +
                    engine.projection * std::min(4.0, PixelsRead(plan.size, grid, region) / pixels);
  cost.decode = cost.coordinate * static_cast<double>(region.pixels());
  return cost;
}

MemoryFootprint FootprintOf(const ModelConfig& config, const EngineCost& engine,
                            const EncodingPlan& plan, Grid grid, const Region& region,
                            int64_t samples) {
  MemoryFootprint footprint;
  footprint.weights = engine.weights_bytes;
  footprint.features = plan.size.height * plan.size.width * engine.pixel_bytes;
  footprint.encode_blocks = static_cast<int64_t>(std::max(plan.blocks.size(), engine.parts.size()));
  const double allocator = plan.blocks.size() > 1 ? kAllocatorOfBlocks : kAllocatorOfWhole;
  for (int block = 0; block < static_cast<int>(plan.blocks.size()); ++block) {
    const Region read = plan.Read(block);
    // The image as floats, and what the layers hold, or at the end the codes and their copy for
    // the features.
    const int64_t values = config.encoder->features();
    const int64_t codes = read.pixels() * values * engine.value_bytes +
                          plan.blocks[block].pixels() * values * kFloatBytes;
    const int64_t bytes =
        read.pixels() * 3 * kFloatBytes +
        std::max(codes, config.encoder->Footprint(read.height, read.width, engine.value_bytes,
                                                  engine.on_device));
    footprint.encode_worker = std::max(
        footprint.encode_worker, static_cast<int64_t>(allocator * static_cast<double>(bytes)));
  }
  footprint.encode_worker = std::max(footprint.encode_worker, engine.part_bytes);
  const int64_t tile = std::min(MemoryFootprint::kTilePixels, region.pixels());
  footprint.decode_tiles =
      (region.pixels() + MemoryFootprint::kTilePixels - 1) / MemoryFootprint::kTilePixels;
  const int64_t queries = engine.call_queries > 0 ? std::min(engine.call_queries, tile) : tile;
  footprint.decode_worker = engine.call_bytes + engine.call_pixels * engine.projected_bytes +
                            queries * engine.query_bytes;
  if (HasContext(config)) {
    footprint.context = engine.context_bytes;
    footprint.context_worker = engine.call_bytes + engine.call_pixels * engine.projected_bytes +
                               SamplesOf(grid, samples) * engine.sample_bytes;
  }
  return footprint;
}

EngineCost WrittenCost(const ModelConfig& config, Grid size, Grid grid) {
  const DecoderCost of = config.decoder->Cost(config.encoder->features(), size, grid);
  EngineCost cost;
  cost.projection = of.pixel;
  cost.coordinate = of.query;
  cost.sample = of.sample;
  return cost;
}

EngineCost FoldedCost(const ModelConfig& config) {
  const auto& hiif = *config.decoder.hiif();
  const double width = hiif.width;
  const double square = width * width;
  EngineCost cost;
  cost.projection = 9 * static_cast<double>(config.encoder->features()) * width + 4 * square;
  cost.coordinate = square * (1 + 2 * hiif.attention_blocks + 2 * (hiif.levels - 1) - 1);
  cost.sample = square * (1 + 4 * hiif.attention_blocks);
  cost.fold = hiif.attention_blocks * square * (width + width / hiif.heads);
  return cost;
}

}  // namespace hiif
