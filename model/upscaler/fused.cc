#include "model/upscaler/fused.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/status_macros.h"
#include "model/kernels/hiif_decoder.h"
#include "model/layers/coordinates.h"
#include "model/upscaler/encoder.h"
#include "model/upscaler/reference.h"

namespace hiif {
namespace {

using kernels::HiifDecoder;

// A tile is decoded in pieces whose low-resolution pixels' projections (4 KiB each at width 256)
// stay in the last-level cache.
constexpr int64_t kPieceColumns = 128;
constexpr int64_t kTablePixels = 1024;

std::atomic<int64_t> g_recomputed = 0;

struct FusedFeatures : Features {
  int64_t height() const override { return image->height; }
  int64_t width() const override { return image->width; }
  int64_t bytes() const override {
    return static_cast<int64_t>(latents.size() * sizeof(float) + image->samples.size());
  }
  kernels::Latents View() const { return {latents.data(), height(), width(), channels}; }

  std::shared_ptr<const RgbImage> image;
  int channels = 0;
  std::vector<float> latents;  // height x width x channels
};

struct FusedContext : Context {
  Grid grid() const override { return size; }
  int64_t bytes() const override { return folded.bytes(); }
  Grid size;
  int64_t samples = 0;
  kernels::FoldedContext folded;
  // In float32, made when a tile in bfloat16 was not finite.
  mutable absl::Mutex mutex;
  mutable std::optional<kernels::FoldedContext> exact ABSL_GUARDED_BY(mutex);
};

// Buffers of one thread at work.
struct Scratch {
  explicit Scratch(const HiifDecoder& decoder) : workspace(decoder.NewWorkspace()) {}
  std::unique_ptr<HiifDecoder::Workspace, void (*)(HiifDecoder::Workspace*)> workspace;
  kernels::LatentTable table;
  std::vector<kernels::PixelIndex> pixels;
  std::vector<int32_t> order;
  std::vector<kernels::Query> queries;
  std::vector<float> rgb;
};

// Value of a sample in the normalised range.
float Normalised(const RgbImage& image, int64_t index) {
  float value;
  switch (image.type) {
    case SampleType::kU8:
      value = static_cast<float>(image.samples[index]) / 255.0f;
      break;
    case SampleType::kU16: {
      uint16_t sample;
      std::memcpy(&sample, image.samples.data() + index * 2, 2);
      value = static_cast<float>(sample) / 65535.0f;
      break;
    }
    default:
      std::memcpy(&value, image.samples.data() + index * 4, 4);
  }
  return (value - 0.5f) / 0.5f;
}

// Adds the bilinear residual of one position to three values.
void AddResidual(const RgbImage& image, const GridTables& tables, int64_t row, int64_t column,
                 float* out) {
  const int64_t r0 = tables.rows.sample[row];
  const int64_t c0 = tables.columns.sample[column];
  const int64_t r1 = std::min(r0 + 1, image.height - 1);
  const int64_t c1 = std::min(c0 + 1, image.width - 1);
  const float fr = tables.rows.fraction[row];
  const float fc = tables.columns.fraction[column];
  for (int64_t c = 0; c < 3; ++c) {
    const auto at = [&](int64_t y, int64_t x) {
      return Normalised(image, (y * image.width + x) * 3 + c);
    };
    out[c] += at(r0, c0) * (1 - fr) * (1 - fc) + at(r0, c1) * (1 - fr) * fc +
              at(r1, c0) * fr * (1 - fc) + at(r1, c1) * fr * fc;
  }
}

// Query of a position; its neighbours are low-resolution pixels still.
kernels::Query MakeQuery(const GridTables& tables, int64_t row, int64_t column) {
  kernels::Query query;
  query.weight = EnsembleWeights(tables.rows, row, tables.columns, column);
  for (int k = 0; k < 4; ++k) {
    query.neighbour[k] = static_cast<int32_t>(tables.rows.index[k / 2][row] * tables.columns.low +
                                              tables.columns.index[k % 2][column]);
  }
  for (int level = 0; level < tables.rows.levels; ++level) {
    query.bits[level] =
        static_cast<uint8_t>(2 * tables.rows.bit(level, row) + tables.columns.bit(level, column));
  }
  return query;
}

// Projects the neighbours of scratch.queries, each low-resolution pixel once, and makes positions
// of the table of them. For queries that lie anywhere.
void ProjectNeighbours(const HiifDecoder& decoder, const FusedFeatures& features,
                       Scratch& scratch) {
  scratch.pixels.clear();
  for (const kernels::Query& query : scratch.queries) {
    scratch.pixels.insert(scratch.pixels.end(), query.neighbour.begin(), query.neighbour.end());
  }
  std::sort(scratch.pixels.begin(), scratch.pixels.end());
  scratch.pixels.erase(std::unique(scratch.pixels.begin(), scratch.pixels.end()),
                       scratch.pixels.end());
  for (kernels::Query& query : scratch.queries) {
    for (int32_t& neighbour : query.neighbour) {
      neighbour = static_cast<int32_t>(
          std::lower_bound(scratch.pixels.begin(), scratch.pixels.end(), neighbour) -
          scratch.pixels.begin());
    }
  }
  decoder.Project(features.View(), scratch.pixels, *scratch.workspace, scratch.table);
}

// The same for the queries of a rectangle of the grid, whose neighbours are a rectangle too.
void ProjectRectangle(const HiifDecoder& decoder, const FusedFeatures& features,
                      const GridTables& tables, const Region& piece, Scratch& scratch) {
  const int64_t row0 = tables.rows.index[0][piece.y];
  const int64_t row1 = tables.rows.index[1][piece.y + piece.height - 1];
  const int64_t column0 = tables.columns.index[0][piece.x];
  const int64_t column1 = tables.columns.index[1][piece.x + piece.width - 1];
  const int64_t width = column1 - column0 + 1;
  scratch.pixels.clear();
  for (int64_t row = row0; row <= row1; ++row) {
    for (int64_t column = column0; column <= column1; ++column) {
      scratch.pixels.push_back(static_cast<int32_t>(row * features.width() + column));
    }
  }
  scratch.queries.clear();
  for (int64_t y = piece.y; y < piece.y + piece.height; ++y) {
    for (int64_t x = piece.x; x < piece.x + piece.width; ++x) {
      kernels::Query& query = scratch.queries.emplace_back(MakeQuery(tables, y, x));
      for (int k = 0; k < 4; ++k) {
        query.neighbour[k] = static_cast<int32_t>((tables.rows.index[k / 2][y] - row0) * width +
                                                  tables.columns.index[k % 2][x] - column0);
      }
    }
  }
  decoder.Project(features.View(), scratch.pixels, *scratch.workspace, scratch.table);
}

// The attention context's queries.
class ContextSample : public HiifDecoder::Sample {
 public:
  ContextSample(const ModelConfig& config, const HiifDecoder& decoder,
                const FusedFeatures& features, const FusedContext& context, Scratch& scratch)
      : config_(config),
        decoder_(decoder),
        features_(features),
        context_(context),
        scratch_(scratch) {
    const int64_t samples = context.samples;
    const int64_t all = context.size.height * context.size.width;
    whole_ = samples <= 0 || samples >= all;
    size_ = whole_ ? all : samples;
  }
  int64_t size() const override { return size_; }
  absl::Span<const kernels::Query> Range(int64_t begin, int64_t end,
                                         const kernels::LatentTable** table) override {
    std::vector<GridPosition> pixels;
    for (int64_t i = begin; i < end; ++i) {
      pixels.push_back(whole_ ? GridPosition{i / context_.size.width, i % context_.size.width}
                              : SamplePosition(context_.size, i));
    }
    const GridTables tables =
        MakePixelTables(config_, features_.height(), features_.width(), context_.size, pixels);
    scratch_.queries.clear();
    for (int64_t i = 0; i < tables.rows.size(); ++i) {
      scratch_.queries.push_back(MakeQuery(tables, i, i));
    }
    ProjectNeighbours(decoder_, features_, scratch_);
    *table = &scratch_.table;
    return scratch_.queries;
  }

 private:
  const ModelConfig& config_;
  const HiifDecoder& decoder_;
  const FusedFeatures& features_;
  const FusedContext& context_;
  Scratch& scratch_;
  bool whole_ = false;
  int64_t size_ = 0;
};

class FusedUpscaler : public Upscaler {
 public:
  FusedUpscaler(ModelConfig config, std::unique_ptr<LatentEncoder> encoder,
                std::unique_ptr<HiifDecoder> decoder, std::unique_ptr<HiifDecoder> exact,
                bool bfloat16)
      : config_(std::move(config)),
        encoder_(std::move(encoder)),
        decoder_(std::move(decoder)),
        exact_(std::move(exact)),
        bfloat16_(bfloat16) {}

  const ModelConfig& config() const override { return config_; }
  std::string backend() const override { return "fused"; }
  std::string precision() const override { return bfloat16_ ? "bfloat16" : "float32"; }
  int64_t weights_bytes() const override {
    return encoder_->weights_bytes() + decoder_->weights_bytes() +
           (exact_ == nullptr ? 0 : exact_->weights_bytes());
  }

  absl::StatusOr<std::unique_ptr<Encoding>> StartEncoding(
      std::shared_ptr<const RgbImage> image) const override {
    HIIF_RETURN_IF_ERROR(CheckImage(image.get()));
    if (image->height * image->width > INT32_MAX) {
      return absl::InvalidArgumentError("the image has more than 2^31 pixels");
    }
    return std::make_unique<BlockEncoding>(this, std::move(image));
  }

  absl::StatusOr<std::shared_ptr<const Context>> MakeContext(
      const Features& any, Grid grid, const ContextOptions& options) const override {
    const auto& features = static_cast<const FusedFeatures&>(any);
    HIIF_RETURN_IF_ERROR(CheckGrid(grid, features.height(), features.width()));
    auto context = std::make_shared<FusedContext>();
    context->size = grid;
    const ScratchLease scratch(this);
    context->samples = options.samples;
    context->folded = Fold(*decoder_, features, *context, *scratch);
    return context;
  }

  absl::Status Render(absl::Span<const RenderTile> tiles) const override {
    for (const RenderTile& tile : tiles) HIIF_RETURN_IF_ERROR(CheckTile(tile));
    const ScratchLease scratch(this);
    for (const RenderTile& tile : tiles) HIIF_RETURN_IF_ERROR(RenderOne(tile, *scratch));
    return absl::OkStatus();
  }

  absl::Status Query(const Features& any, const Context& context, Cell cell,
                     absl::Span<const Coordinate> coordinates,
                     absl::Span<float> out) const override {
    if (out.size() != coordinates.size() * 3) {
      return absl::InvalidArgumentError("the output of a query has the wrong size");
    }
    const auto& features = static_cast<const FusedFeatures&>(any);
    const auto& fused = static_cast<const FusedContext&>(context);
    const GridTables tables =
        MakeQueryTables(config_, features.height(), features.width(), cell, coordinates);
    const ScratchLease scratch(this);
    for (size_t begin = 0; begin < coordinates.size(); begin += kernels::kBlockRows) {
      const size_t count = std::min<size_t>(coordinates.size() - begin, kernels::kBlockRows);
      HIIF_RETURN_IF_ERROR(InAnyPrecision(features, fused, *scratch, [&](const Pass& pass) {
        return QueryBlock(features, tables, begin, count, pass, out.data() + begin * 3);
      }));
    }
    return absl::OkStatus();
  }

 private:
  class BlockEncoding : public Encoding {
   public:
    BlockEncoding(const FusedUpscaler* owner, std::shared_ptr<const RgbImage> image)
        : owner_(owner),
          plan_(PlanEncoding(owner->config_.encoder, image->height, image->width)),
          left_(static_cast<int>(plan_.blocks.size())),
          features_(std::make_shared<FusedFeatures>()) {
      features_->channels = owner->encoder_->channels();
      features_->latents.resize(image->height * image->width * features_->channels);
      features_->image = std::move(image);
    }
    int blocks() const override { return static_cast<int>(plan_.blocks.size()); }
    int64_t BlockPixels(int block) const override {
      return plan_.BlockPixels(block, features_->height(), features_->width());
    }
    absl::Status EncodeBlock(int block, int threads) override {
      HIIF_RETURN_IF_ERROR(owner_->encoder_->Encode(
          *features_->image, plan_.blocks[block], plan_.halo, threads, features_->latents.data()));
      left_.fetch_sub(1, std::memory_order_acq_rel);
      return absl::OkStatus();
    }
    absl::StatusOr<std::shared_ptr<const Features>> Finish() override {
      if (left_.load(std::memory_order_acquire) != 0) {
        return absl::FailedPreconditionError("not every block was encoded");
      }
      return std::shared_ptr<const Features>(std::move(features_));
    }

   private:
    const FusedUpscaler* owner_;
    const EncodingPlan plan_;
    std::atomic<int> left_;
    std::shared_ptr<FusedFeatures> features_;
  };

  // A Scratch for the time of one call; as many exist as calls ever ran at once.
  class ScratchLease {
   public:
    explicit ScratchLease(const FusedUpscaler* owner) : owner_(owner) {
      absl::MutexLock lock(&owner->mutex_);
      if (owner->scratch_.empty()) {
        scratch_ = std::make_unique<Scratch>(*owner->decoder_);
      } else {
        scratch_ = std::move(owner->scratch_.back());
        owner->scratch_.pop_back();
      }
    }
    ~ScratchLease() {
      absl::MutexLock lock(&owner_->mutex_);
      owner_->scratch_.push_back(std::move(scratch_));
    }
    ScratchLease(const ScratchLease&) = delete;
    ScratchLease& operator=(const ScratchLease&) = delete;
    Scratch& operator*() const { return *scratch_; }
    Scratch* operator->() const { return scratch_.get(); }

   private:
    const FusedUpscaler* owner_;
    std::unique_ptr<Scratch> scratch_;
  };

  // What a piece is computed with.
  struct Pass {
    const HiifDecoder& decoder;
    const kernels::FoldedContext& context;
    Scratch& scratch;

    // scratch.queries, whose neighbours are projected, to scratch.rgb, without the residual.
    void Decode() const {
      scratch.rgb.resize(scratch.queries.size() * 3);
      decoder.Decode(scratch.table, scratch.queries, context, *scratch.workspace,
                     scratch.rgb.data());
    }
  };

  kernels::FoldedContext Fold(const HiifDecoder& decoder, const FusedFeatures& features,
                              const FusedContext& context, Scratch& scratch) const {
    ContextSample sample(config_, decoder, features, context, scratch);
    return decoder.MakeContext(sample,
                               GridCell(config_, features.height(), features.width(), context.size),
                               *scratch.workspace);
  }

  // compute(pass), and where its result was not finite in bfloat16 once more in float32.
  template <class Compute>
  absl::Status InAnyPrecision(const FusedFeatures& features, const FusedContext& context,
                              Scratch& scratch, const Compute& compute) const {
    const absl::Status status = compute(Pass{*decoder_, context.folded, scratch});
    if (exact_ == nullptr || !absl::IsInternal(status)) return status;
    g_recomputed.fetch_add(1, std::memory_order_relaxed);
    Scratch own(*exact_);
    const kernels::FoldedContext* folded = nullptr;
    {
      absl::MutexLock lock(&context.mutex);
      if (!context.exact) context.exact = Fold(*exact_, features, context, own);
      folded = &*context.exact;
    }
    return compute(Pass{*exact_, *folded, own});
  }

  // Positions [begin, begin + count) of the tables.
  static absl::Status QueryBlock(const FusedFeatures& features, const GridTables& tables,
                                 size_t begin, size_t count, const Pass& pass, float* out) {
    Scratch& scratch = pass.scratch;
    scratch.queries.clear();
    for (size_t k = 0; k < count; ++k) {
      const auto i = static_cast<int64_t>(begin + k);
      scratch.queries.push_back(MakeQuery(tables, i, i));
    }
    ProjectNeighbours(pass.decoder, features, scratch);
    pass.Decode();
    for (size_t k = 0; k < count; ++k) {
      const auto i = static_cast<int64_t>(begin + k);
      float* rgb = scratch.rgb.data() + k * 3;
      AddResidual(*features.image, tables, i, i, rgb);
      HIIF_RETURN_IF_ERROR(Store(rgb, 3, out + k * 3));
    }
    return absl::OkStatus();
  }

  static absl::Status Store(const float* values, int64_t count, float* out) {
    for (int64_t i = 0; i < count; ++i) {
      if (!std::isfinite(values[i]))
        return absl::InternalError("the network's output is not finite");
      out[i] = values[i];
    }
    return absl::OkStatus();
  }

  absl::Status RenderOne(const RenderTile& tile, Scratch& scratch) const {
    const auto& features = static_cast<const FusedFeatures&>(*tile.features);
    const auto& context = static_cast<const FusedContext&>(*tile.context);
    const Region& region = tile.region;
    const GridTables tables =
        MakeRegionTables(config_, features.height(), features.width(), context.size, region);
    const AxisTable& rows = tables.rows;
    const AxisTable& columns = tables.columns;
    for (int64_t x0 = 0; x0 < region.width; x0 += kPieceColumns) {
      const int64_t x1 = std::min(x0 + kPieceColumns, region.width);
      const int64_t span = columns.index[1][x1 - 1] - columns.index[0][x0] + 1;
      for (int64_t y0 = 0; y0 < region.height;) {
        int64_t y1 = y0 + 1;
        while (y1 < region.height &&
               (rows.index[1][y1] - rows.index[0][y0] + 1) * span <= kTablePixels) {
          ++y1;
        }
        const Region piece{x0, y0, x1 - x0, y1 - y0};
        HIIF_RETURN_IF_ERROR(InAnyPrecision(features, context, scratch, [&](const Pass& pass) {
          return RenderPiece(tile, tables, piece, pass);
        }));
        y0 = y1;
      }
    }
    return absl::OkStatus();
  }

  // `piece` counts from the tile's first pixel, as the tables do.
  static absl::Status RenderPiece(const RenderTile& tile, const GridTables& tables,
                                  const Region& piece, const Pass& pass) {
    Scratch& scratch = pass.scratch;
    const auto& features = static_cast<const FusedFeatures&>(*tile.features);
    ProjectRectangle(pass.decoder, features, tables, piece, scratch);
    pass.Decode();
    float* rgb = scratch.rgb.data();
    for (int64_t y = piece.y; y < piece.y + piece.height; ++y) {
      for (int64_t x = piece.x; x < piece.x + piece.width; ++x) {
        AddResidual(*features.image, tables, y, x, rgb + (x - piece.x) * 3);
      }
      float* out = tile.out.data() + (y * tile.region.width + piece.x) * 3;
      HIIF_RETURN_IF_ERROR(Store(rgb, piece.width * 3, out));
      rgb += piece.width * 3;
    }
    return absl::OkStatus();
  }

  const ModelConfig config_;
  const std::unique_ptr<LatentEncoder> encoder_;
  const std::unique_ptr<HiifDecoder> decoder_;
  // Takes what is not finite by decoder_; null where that has float32 factors itself.
  const std::unique_ptr<HiifDecoder> exact_;
  const bool bfloat16_;
  mutable absl::Mutex mutex_;
  mutable std::vector<std::unique_ptr<Scratch>> scratch_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

int64_t RecomputedPieces() { return g_recomputed.load(std::memory_order_relaxed); }

absl::StatusOr<std::unique_ptr<Upscaler>> MakeFusedUpscaler(const Checkpoint& checkpoint,
                                                            Precision precision) {
  const auto* hiif = std::get_if<HiifConfig>(&checkpoint.config().decoder);
  if (hiif == nullptr)
    return absl::UnimplementedError("the fused backend serves the HIIF decoder only");
  HIIF_RETURN_IF_ERROR(CheckNormalisation(checkpoint.config()));
  const auto make = [&](kernels::Number number) -> absl::StatusOr<std::unique_ptr<HiifDecoder>> {
    auto decoder = HiifDecoder::Create(checkpoint.tensors(), *hiif,
                                       EncoderFeatures(checkpoint.config().encoder), number);
    if (absl::IsInvalidArgument(decoder.status())) {
      return absl::UnimplementedError(decoder.status().message());
    }
    return decoder;
  };
  const bool bfloat16 = precision == Precision::kBFloat16 ||
                        (precision == Precision::kAuto && kernels::HasFastBFloat16());
  kernels::Number number = bfloat16 ? kernels::Number::kBFloat16 : kernels::Number::kFloat32;
  if (kernels::HasAmx()) {
    number = bfloat16 ? kernels::Number::kAmxBFloat16 : kernels::Number::kAmxFloat32;
  }
  HIIF_ASSIGN_OR_RETURN(auto encoder, LatentEncoder::Create(checkpoint, bfloat16));
  HIIF_ASSIGN_OR_RETURN(auto decoder, make(number));
  std::unique_ptr<HiifDecoder> exact;
  if (number != kernels::Number::kFloat32) {
    HIIF_ASSIGN_OR_RETURN(exact, make(kernels::Number::kFloat32));
  }
  return std::make_unique<FusedUpscaler>(checkpoint.config(), std::move(encoder),
                                         std::move(decoder), std::move(exact), bfloat16);
}

}  // namespace hiif
