#include "model/upscaler/engine_upscaler.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "base/status_macros.h"
#include "model/decoders/decoder.h"
#include "model/upscaler/check.h"
#include "model/upscaler/encoding.h"
#include "model/upscaler/factory.h"
#include "model/upscaler/guarded_call.h"
#include "model/upscaler/piece.h"

namespace hiif {
namespace {

std::atomic<int64_t> g_recomputed = 0;

Grid SizeOf(const Features& features) { return {features.height(), features.width()}; }

// Pixels of the context's sample, in the order they are summed. Holds none of them: it may be all
// of a grid.
class Sample {
 public:
  Sample(Grid grid, const ContextOptions& options)
      : grid_(grid),
        all_(options.strip.value_or(Region{0, 0, grid.width, grid.height})),
        whole_(options.strip || options.samples <= 0 || options.samples >= all_.pixels()),
        size_(whole_ ? all_.pixels() : options.samples) {}

  int64_t size() const { return size_; }
  std::vector<GridPosition> Pixels(int64_t begin, int64_t count) const {
    std::vector<GridPosition> pixels;
    pixels.reserve(count);
    for (int64_t i = begin; i < begin + count; ++i) {
      pixels.push_back(whole_ ? GridPosition{all_.y + i / all_.width, all_.x + i % all_.width}
                              : SamplePosition(grid_, i));
    }
    return pixels;
  }

 private:
  const Grid grid_;
  const Region all_;
  const bool whole_;
  const int64_t size_;
};

// A value that the network says, in the range where [-1,1] is [0,1] of the image. Of what the
// residual, of that range, is added to: the difference.
void ToHalves(const Normalisation& from, bool difference, float* rgb) {
  if (from == Normalisation{}) return;
  for (int c = 0; c < 3; ++c) {
    rgb[c] = rgb[c] * (from.deviation[c] / 0.5f);
    if (!difference) rgb[c] += (from.mean[c] - 0.5f) / 0.5f;
  }
}

}  // namespace

int64_t RecomputedPieces() { return g_recomputed.load(std::memory_order_relaxed); }

EngineUpscaler::EngineUpscaler(ModelConfig config, std::string backend,
                               std::unique_ptr<Engine> engine, std::unique_ptr<Engine> exact)
    : config_(std::move(config)),
      backend_(std::move(backend)),
      engine_(std::move(engine)),
      exact_(std::move(exact)) {}

int64_t EngineUpscaler::weights_bytes() const {
  const auto bytes = [](const Engine& engine) {
    return engine.Costs({1, 1}, {1, 1}).weights_bytes;
  };
  return bytes(*engine_) + (exact_ == nullptr ? 0 : bytes(*exact_));
}

WorkCost EngineUpscaler::Cost(Grid input, Grid grid, const Region& region,
                              const ContextOptions& options) const {
  return CostOf(config_, engine_->Costs(input, grid), engine_->Plan(input), grid, region,
                options.samples);
}

MemoryFootprint EngineUpscaler::Footprint(Grid input, Grid grid, const Region& region,
                                          const ContextOptions& options) const {
  EngineCost costs = engine_->Costs(input, grid);
  costs.weights_bytes = weights_bytes();
  return FootprintOf(config_, costs, engine_->Plan(input), grid, region, options.samples);
}

absl::StatusOr<std::unique_ptr<Encoding>> EngineUpscaler::StartEncoding(
    std::shared_ptr<const RgbImage> image) const {
  HIIF_RETURN_IF_ERROR(CheckImage(image.get()));
  return GuardedCall(*engine_, [&]() -> absl::StatusOr<std::unique_ptr<Encoding>> {
    return std::make_unique<BlockEncoding>(*engine_, std::move(image));
  });
}

absl::Status EngineUpscaler::CheckGrid(Grid input, Grid grid) const {
  HIIF_RETURN_IF_ERROR(hiif::CheckGrid(grid, input));
  return config_.decoder->CheckGrid(input, grid);
}

std::unique_ptr<Engine::Attention> EngineUpscaler::MakeAttention(const Engine& engine,
                                                                 const EngineFeatures& features,
                                                                 Grid grid,
                                                                 const ContextOptions& options,
                                                                 const Heartbeat& beat) const {
  const Sample sample(grid, options);
  std::optional<Positions> positions;
  Piece piece;
  const auto queries = [&](int64_t begin, int64_t count) {
    positions = PixelPositions(config_, SizeOf(features), grid, sample.Pixels(begin, count));
    piece = {};
    piece.features = &features;
    piece.positions = &*positions;
    piece.AskAnywhere(count);
    return piece.Group(nullptr);
  };
  return engine.MakeAttention(engine.attention_blocks() > 0 ? sample.size() : 0, queries, beat);
}

absl::StatusOr<std::shared_ptr<const Context>> EngineUpscaler::MakeContext(
    const Features& any, Grid grid, const ContextOptions& options) const {
  const auto& features = static_cast<const EngineFeatures&>(any);
  HIIF_RETURN_IF_ERROR(CheckGrid(SizeOf(features), grid));
  if (options.strip) HIIF_RETURN_IF_ERROR(CheckRegion(*options.strip, grid));
  return GuardedCall(*engine_, [&]() -> absl::StatusOr<std::shared_ptr<const Context>> {
    auto context = std::make_shared<EngineContext>();
    context->size = grid;
    context->options = options;
    context->options.beat = nullptr;  // of this call alone
    context->attention = MakeAttention(*engine_, features, grid, options, options.beat);
    return context;
  });
}

Region EngineUpscaler::Cut(const Positions& positions, int64_t y, int64_t x) const {
  const CallShape shape = engine_->shape();
  const AxisTable& rows = positions.rows;
  const AxisTable& columns = positions.columns;
  Region piece{x, y, shape.columns, 1};
  if (shape.queries > 0) {
    piece.height = std::min(rows.size(), shape.rows);
    piece.width = shape.queries / piece.height;
  }
  piece.width = std::min(piece.width, columns.size() - x);
  piece.height = std::min(piece.height, rows.size() - y);
  if (shape.pixels > 0) {
    const int64_t span = columns.index[1][x + piece.width - 1] - columns.index[0][x] + 1;
    while (y + piece.height < rows.size() &&
           (rows.index[1][y + piece.height] - rows.index[0][y] + 1) * span <= shape.pixels) {
      ++piece.height;
    }
  }
  return piece;
}

absl::Status EngineUpscaler::Render(absl::Span<const RenderTile> tiles) const {
  for (const RenderTile& tile : tiles) HIIF_RETURN_IF_ERROR(CheckTile(tile));
  return GuardedCall(*engine_, [&]() -> absl::Status {
    std::vector<Piece> pieces;
    std::vector<std::unique_ptr<const Positions>> positions;  // of the pieces
    for (const RenderTile& tile : tiles) {
      const auto& features = static_cast<const EngineFeatures&>(*tile.features);
      const auto& context = static_cast<const EngineContext&>(*tile.context);
      positions.push_back(std::make_unique<const Positions>(
          RegionPositions(config_, SizeOf(features), context.size, tile.region)));
      for (int64_t x = 0; x < tile.region.width;) {
        Region cut;
        for (int64_t y = 0; y < tile.region.height; y += cut.height) {
          cut = Cut(*positions.back(), y, x);
          Piece piece{&features,
                      &context,
                      positions.back().get(),
                      cut,
                      tile.out.data() + (y * tile.region.width + x) * 3,
                      tile.region.width * 3,
                      {},
                      {},
                      {}};
          piece.AskRectangle(engine_->shape().rectangles);
          pieces.push_back(std::move(piece));
          if (static_cast<int64_t>(pieces.size()) == engine_->shape().groups) {
            HIIF_RETURN_IF_ERROR(Run(pieces));
          }
        }
        x += cut.width;
      }
    }
    return Run(pieces);
  });
}

absl::Status EngineUpscaler::Query(const Features& any, const Context& context, Cell cell,
                                   absl::Span<const Coordinate> coordinates,
                                   absl::Span<float> out) const {
  if (out.size() != coordinates.size() * 3) {
    return absl::InvalidArgumentError("the output of a query has the wrong size");
  }
  const auto& features = static_cast<const EngineFeatures&>(any);
  return GuardedCall(*engine_, [&]() -> absl::Status {
    const Positions positions =
        CoordinatePositions(config_, SizeOf(features), context.grid(), cell, coordinates);
    const int64_t call = engine_->shape().anywhere();
    std::vector<Piece> pieces;
    for (int64_t begin = 0; begin < positions.rows.size(); begin += call) {
      Piece piece{&features,
                  static_cast<const EngineContext*>(&context),
                  &positions,
                  {0, begin, 0, 0},
                  out.data() + begin * 3,
                  0,
                  {},
                  {},
                  {}};
      piece.AskAnywhere(std::min(call, positions.rows.size() - begin));
      pieces.push_back(std::move(piece));
      if (static_cast<int64_t>(pieces.size()) == engine_->shape().groups) {
        HIIF_RETURN_IF_ERROR(Run(pieces));
      }
    }
    return Run(pieces);
  });
}

// Computes the pieces and empties the list.
absl::Status EngineUpscaler::Run(std::vector<Piece>& pieces) const {
  if (pieces.empty()) return absl::OkStatus();
  std::vector<Engine::Group> groups;
  size_t queries = 0;
  for (const Piece& piece : pieces) {
    groups.push_back(piece.Group(piece.context->attention.get()));
    queries += piece.size();
  }
  std::vector<float> rgb(queries * 3);
  engine_->Decode(groups, rgb.data());
  float* values = rgb.data();
  for (const Piece& piece : pieces) {
    HIIF_RETURN_IF_ERROR(Finish(piece, values));
    values += piece.size() * 3;
  }
  pieces.clear();
  return absl::OkStatus();
}

// Residual, what is not finite, and into the output.
absl::Status EngineUpscaler::Finish(const Piece& piece, float* rgb) const {
  const auto count = static_cast<int64_t>(piece.size());
  std::vector<int64_t> wrong;
  for (int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(rgb[i * 3] + rgb[i * 3 + 1] + rgb[i * 3 + 2])) wrong.push_back(i);
  }
  if (!wrong.empty() && exact_ != nullptr) HIIF_RETURN_IF_ERROR(Recompute(piece, wrong, rgb));
  const bool residual = config_.decoder->residual();
  std::optional<RectangleResidual> rectangle;
  if (residual && piece.region.width > 0) {
    rectangle.emplace(*piece.features->image, *piece.positions, piece.region);
  }
  for (int64_t i = 0; i < count; ++i) {
    float* value = rgb + i * 3;
    ToHalves(config_.normalisation, residual, value);
    if (rectangle) {
      rectangle->Add(piece.RowOf(i), piece.ColumnOf(i), value);
    } else if (residual) {
      AddResidual(*piece.features->image, *piece.positions, piece.RowOf(i), piece.ColumnOf(i),
                  value);
    }
    for (int c = 0; c < 3; ++c) {
      if (!std::isfinite(value[c]))
        return absl::InternalError("the network's output is not finite");
    }
    std::copy_n(value, 3, piece.OutOf(i));
  }
  return absl::OkStatus();
}

absl::Status EngineUpscaler::Recompute(const Piece& piece, const std::vector<int64_t>& at,
                                       float* rgb) const {
  g_recomputed.fetch_add(1, std::memory_order_relaxed);
  const EngineContext& context = *piece.context;
  const Engine::Attention* attention = nullptr;
  {
    absl::MutexLock lock(&context.mutex);
    if (context.exact == nullptr) {
      context.exact =
          MakeAttention(*exact_, *piece.features, context.size, context.options, nullptr);
    }
    attention = context.exact.get();
  }
  std::vector<hiif::Query> queries;
  for (const int64_t i : at) queries.push_back(piece.QueryAt(i));
  Engine::Group group = piece.Group(attention);
  group.queries = queries;
  group.region = {};
  std::vector<float> values(queries.size() * 3);
  exact_->Decode({&group, 1}, values.data());
  for (size_t k = 0; k < at.size(); ++k) std::copy_n(&values[k * 3], 3, rgb + at[k] * 3);
  return absl::OkStatus();
}

std::vector<float> EngineUpscaler::FeaturePlanes(const Features& features) const {
  return engine_->FeaturePlanes(*static_cast<const EngineFeatures&>(features).latents);
}

std::vector<float> EngineUpscaler::JoinedPlanes(const Features& features) const {
  return engine_->JoinedPlanes(*static_cast<const EngineFeatures&>(features).latents);
}

}  // namespace hiif
