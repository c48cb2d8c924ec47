#include "model/upscaler/reference.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>

#include "base/status_macros.h"
#include "model/decoders/decoder.h"
#include "model/network.h"
#include "model/upscaler/tensor_upscaler.h"
#include "model/upscaler/tensors.h"

namespace hiif {
namespace {

// Queries of one call. Kernels may round differently for other row counts, so every call has this
// many, the last one padded: a pixel's value then does not depend on the tile it lies in.
constexpr int64_t kRows = 1024;

struct ReferenceFeatures : Features {
  int64_t height() const override { return image.size(2); }
  int64_t width() const override { return image.size(3); }
  int64_t bytes() const override {
    return static_cast<int64_t>(planes.nbytes() * 2 + image.nbytes());
  }
  at::Tensor image;   // (1,3,h,w) normalised
  at::Tensor planes;  // (1,C,h,w)
  at::Tensor pixels;  // (1,h*w,C)
};

struct ReferenceContext : Context {
  Grid grid() const override { return size; }
  int64_t bytes() const override {
    int64_t bytes = 0;
    for (const at::Tensor& block : kv) bytes += static_cast<int64_t>(block.nbytes());
    return bytes;
  }
  Grid size;
  std::vector<at::Tensor> kv;  // of each attention block, (1,heads,d,d)
};

// Every row with every column.
std::vector<TablePosition> AllPositions(const GridTables& tables) {
  std::vector<TablePosition> positions;
  positions.reserve(tables.rows.size() * tables.columns.size());
  for (int64_t row = 0; row < tables.rows.size(); ++row) {
    for (int64_t column = 0; column < tables.columns.size(); ++column) {
      positions.push_back({row, column});
    }
  }
  return positions;
}

class Reference : public ReferenceUpscaler {
 public:
  explicit Reference(Network network) : network_(std::move(network)) {}

  const ModelConfig& config() const override { return network_.config; }
  std::string backend() const override { return "reference"; }
  std::string precision() const override { return "float32"; }
  int64_t weights_bytes() const override {
    int64_t bytes = 0;
    for (const auto& [name, tensor] : network_.parameters)
      bytes += static_cast<int64_t>(tensor.nbytes());
    return bytes;
  }

  absl::StatusOr<std::unique_ptr<Encoding>> StartEncoding(
      std::shared_ptr<const RgbImage> image) const override {
    HIIF_RETURN_IF_ERROR(CheckImage(image.get()));
    return std::make_unique<WholeImage>(this, std::move(image));
  }

  absl::StatusOr<std::shared_ptr<const Context>> MakeContext(
      const Features& any, Grid grid, const ContextOptions& options) const override {
    const auto& features = static_cast<const ReferenceFeatures&>(any);
    HIIF_RETURN_IF_ERROR(CheckGrid(grid, features.height(), features.width()));
    return CatchTorch([&]() -> absl::StatusOr<std::shared_ptr<const Context>> {
      const c10::InferenceMode inference;
      auto context = std::make_shared<ReferenceContext>();
      context->size = grid;
      const auto* hiif = std::get_if<HiifConfig>(&config().decoder);
      if (hiif == nullptr || AttentionBlocks(*hiif) == 0) return context;
      const int64_t all = grid.height * grid.width;
      const bool whole = options.samples <= 0 || options.samples >= all;
      const int64_t count = whole ? all : options.samples;
      // x of every sample is kept: 1 KiB each at width 256.
      std::vector<at::Tensor> x;
      for (int64_t begin = 0; begin < count; begin += kRows) {
        std::vector<GridPosition> pixels;
        for (int64_t i = begin; i < std::min(count, begin + kRows); ++i) {
          pixels.push_back(whole ? GridPosition{i / grid.width, i % grid.width}
                                 : SamplePosition(grid, i));
        }
        const GridTables tables =
            MakePixelTables(config(), features.height(), features.width(), grid, pixels);
        std::vector<TablePosition> positions;
        for (int64_t i = 0; i < tables.rows.size(); ++i) positions.push_back({i, i});
        ForEachPiece(tables, positions, [&](const QueryTensors& queries, int64_t, int64_t rows) {
          x.push_back(HiifBegin(network_, features.pixels, queries).slice(1, 0, rows));
        });
      }
      for (int block = 0; block < AttentionBlocks(*hiif); ++block) {
        at::Tensor sum;
        for (const at::Tensor& piece : x) {
          const at::Tensor part = HiifContextSum(network_, block, piece);
          sum = sum.defined() ? sum + part : part;
        }
        context->kv.push_back(sum / static_cast<double>(count));
        if (block + 1 == AttentionBlocks(*hiif)) break;
        for (at::Tensor& piece : x) piece = HiifAttend(network_, block, piece, context->kv.back());
      }
      return context;
    });
  }

  absl::Status Render(absl::Span<const RenderTile> tiles) const override {
    for (const RenderTile& tile : tiles) HIIF_RETURN_IF_ERROR(CheckTile(tile));
    return CatchTorch([&]() -> absl::Status {
      const c10::InferenceMode inference;
      for (const RenderTile& tile : tiles) {
        const auto& features = static_cast<const ReferenceFeatures&>(*tile.features);
        const auto& context = static_cast<const ReferenceContext&>(*tile.context);
        const GridTables tables = MakeRegionTables(config(), features.height(), features.width(),
                                                   context.size, tile.region);
        HIIF_RETURN_IF_ERROR(Decode(features, tables, context.kv, AllPositions(tables), tile.out));
      }
      return absl::OkStatus();
    });
  }

  absl::Status Query(const Features& any, const Context& context, Cell cell,
                     absl::Span<const Coordinate> coordinates,
                     absl::Span<float> out) const override {
    if (out.size() != coordinates.size() * 3) {
      return absl::InvalidArgumentError("the output of a query has the wrong size");
    }
    const auto& features = static_cast<const ReferenceFeatures&>(any);
    return CatchTorch([&] {
      const c10::InferenceMode inference;
      const GridTables tables =
          MakeQueryTables(config(), features.height(), features.width(), cell, coordinates);
      std::vector<TablePosition> positions(coordinates.size());
      for (int64_t i = 0; i < static_cast<int64_t>(positions.size()); ++i) positions[i] = {i, i};
      return Decode(features, tables, static_cast<const ReferenceContext&>(context).kv, positions,
                    out);
    });
  }

  absl::Status RenderStrip(const Features& any, Grid grid, int64_t first_row, int64_t rows,
                           absl::Span<float> out) const override {
    const auto& features = static_cast<const ReferenceFeatures&>(any);
    HIIF_RETURN_IF_ERROR(CheckGrid(grid, features.height(), features.width()));
    if (first_row < 0 || rows < 1 || first_row + rows > grid.height ||
        static_cast<int64_t>(out.size()) != rows * grid.width * 3) {
      return absl::InvalidArgumentError(
          "the strip does not lie in the output, or its size is wrong");
    }
    return CatchTorch([&] {
      const c10::InferenceMode inference;
      const GridTables tables = MakeRegionTables(config(), features.height(), features.width(),
                                                 grid, {0, first_row, grid.width, rows});
      const std::vector<TablePosition> positions = AllPositions(tables);
      const QueryTensors queries = MakeQueries(tables.rows, tables.columns, positions, tables.cell);
      const at::Tensor rgb = std::holds_alternative<HiifConfig>(config().decoder)
                                 ? HiifDecode(network_, features.pixels, queries)
                                 : LiifDecode(network_, features.pixels, queries);
      return Store(rgb[0], features, tables, positions, out);
    });
  }

  std::vector<float> FeaturePlanes(const Features& any) const override {
    const auto& features = static_cast<const ReferenceFeatures&>(any);
    at::Tensor planes = features.planes;
    if (std::holds_alternative<LiifConfig>(config().decoder)) {
      planes = planes.slice(1, 4, planes.size(1), 9);  // the centre of each 3x3 neighbourhood
    }
    planes = planes.contiguous();
    const float* values = planes.data_ptr<float>();
    return {values, values + planes.numel()};
  }

 private:
  class WholeImage : public Encoding {
   public:
    WholeImage(const Reference* owner, std::shared_ptr<const RgbImage> image)
        : owner_(owner), image_(std::move(image)) {}
    int blocks() const override { return 1; }
    int64_t BlockPixels(int) const override { return image_->height * image_->width; }
    absl::Status EncodeBlock(int, int) override {
      return CatchTorch([&]() -> absl::Status {
        const c10::InferenceMode inference;
        auto features = std::make_shared<ReferenceFeatures>();
        features->image =
            NormalisedImage(*image_, {0, 0, image_->width, image_->height}).contiguous();
        features->planes =
            DecoderFeatures(owner_->network_, EncodeImage(owner_->network_, features->image))
                .contiguous();
        features->pixels = features->planes.flatten(2).transpose(1, 2).contiguous();
        features_ = std::move(features);
        return absl::OkStatus();
      });
    }
    absl::StatusOr<std::shared_ptr<const Features>> Finish() override {
      if (features_ == nullptr) return absl::FailedPreconditionError("not every block was encoded");
      return features_;
    }

   private:
    const Reference* owner_;
    std::shared_ptr<const RgbImage> image_;
    std::shared_ptr<const ReferenceFeatures> features_;
  };

  // Calls f(queries, begin, rows) for pieces of kRows queries; the last is filled up by repeating
  // its last position, `rows` says how many count.
  template <class F>
  void ForEachPiece(const GridTables& tables, absl::Span<const TablePosition> positions,
                    F&& f) const {
    std::vector<TablePosition> piece(kRows);
    for (size_t begin = 0; begin < positions.size(); begin += kRows) {
      const absl::Span<const TablePosition> part = positions.subspan(begin, kRows);
      std::copy(part.begin(), part.end(), piece.begin());
      std::fill(piece.begin() + static_cast<int64_t>(part.size()), piece.end(), part.back());
      f(MakeQueries(tables.rows, tables.columns, piece, tables.cell), static_cast<int64_t>(begin),
        static_cast<int64_t>(part.size()));
    }
  }

  absl::Status Decode(const ReferenceFeatures& features, const GridTables& tables,
                      const std::vector<at::Tensor>& kv, absl::Span<const TablePosition> positions,
                      absl::Span<float> out) const {
    absl::Status status;
    ForEachPiece(tables, positions, [&](const QueryTensors& queries, int64_t begin, int64_t rows) {
      if (!status.ok()) return;
      at::Tensor rgb;
      if (std::holds_alternative<LiifConfig>(config().decoder)) {
        rgb = LiifDecode(network_, features.pixels, queries);
      } else {
        at::Tensor x = HiifBegin(network_, features.pixels, queries);
        for (size_t block = 0; block < kv.size(); ++block) {
          x = HiifAttend(network_, static_cast<int>(block), x, kv[block]);
        }
        rgb = HiifFinish(network_, x, queries);
      }
      status = Store(rgb[0].slice(0, 0, rows), features, tables, positions.subspan(begin, rows),
                     out.subspan(begin * 3, rows * 3));
    });
    return status;
  }

  // Adds the residual (HIIF) and writes (Q,3) values.
  absl::Status Store(at::Tensor rgb, const ReferenceFeatures& features, const GridTables& tables,
                     absl::Span<const TablePosition> positions, absl::Span<float> out) const {
    if (std::holds_alternative<HiifConfig>(config().decoder)) {
      rgb = rgb + SampleResidual(features.image, tables.rows, tables.columns, positions);
    }
    rgb = rgb.contiguous();
    const float* values = rgb.data_ptr<float>();
    for (size_t i = 0; i < out.size(); ++i) {
      if (!std::isfinite(values[i]))
        return absl::InternalError("the network's output is not finite");
      out[i] = values[i];
    }
    return absl::OkStatus();
  }

  const Network network_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ReferenceUpscaler>> ReferenceUpscaler::Create(
    const Checkpoint& checkpoint) {
  const DecoderConfig& decoder = checkpoint.config().decoder;
  if (!std::holds_alternative<HiifConfig>(decoder) && !std::holds_alternative<LiifConfig>(decoder))
    return MakeTensorUpscaler(checkpoint);
  HIIF_RETURN_IF_ERROR(CheckNormalisation(checkpoint.config()));
  return CatchTorch([&]() -> absl::StatusOr<std::unique_ptr<ReferenceUpscaler>> {
    HIIF_ASSIGN_OR_RETURN(Network network, LoadNetwork(checkpoint));
    return std::make_unique<Reference>(std::move(network));
  });
}

}  // namespace hiif
