// The `reference` backend of every decoder but HIIF and LIIF: a TensorDecoder behind an encoder
// whose latent codes are computed in blocks.
#include "model/upscaler/tensor_upscaler.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>

#include "base/status_macros.h"
#include "model/decoders/tensor_decoder.h"
#include "model/decoders/types.h"
#include "model/upscaler/encoder.h"
#include "model/upscaler/tensor_encoding.h"
#include "model/upscaler/tensors.h"

namespace hiif {
namespace {

// Queries of one call, the last one filled up: see reference.cc.
constexpr int64_t kRows = 1024;
// Tiles are decoded square by square of the output grid: what neighbours share is computed once.
constexpr int64_t kSquare = 32;

struct TensorContext : Context {
  Grid grid() const override { return size; }
  int64_t bytes() const override {
    int64_t bytes = 0;
    for (const at::Tensor& block : kv) bytes += static_cast<int64_t>(block.nbytes());
    return bytes;
  }
  Grid size;
  std::vector<at::Tensor> kv;  // of each attention block, (heads,d,d)
};

class TensorUpscaler : public ReferenceUpscaler {
 public:
  TensorUpscaler(Network network, std::unique_ptr<LatentEncoder> encoder)
      : network_(std::move(network)),
        encoder_(std::move(encoder)),
        decoder_(MakeTensorDecoder(network_)),
        adds_residual_(TypeOf(network_.config.decoder).adds_residual) {}

  const ModelConfig& config() const override { return network_.config; }
  std::string backend() const override { return "reference"; }
  std::string precision() const override { return "float32"; }
  int64_t weights_bytes() const override {
    int64_t bytes = encoder_->weights_bytes();
    for (const auto& [name, tensor] : network_.parameters)
      bytes += static_cast<int64_t>(tensor.nbytes());
    return bytes;
  }

  absl::StatusOr<std::unique_ptr<Encoding>> StartEncoding(
      std::shared_ptr<const RgbImage> image) const override {
    HIIF_RETURN_IF_ERROR(CheckImage(image.get()));
    return std::make_unique<TensorEncoding>(network_.config, *encoder_, *decoder_,
                                            std::move(image));
  }

  absl::StatusOr<std::shared_ptr<const Context>> MakeContext(
      const Features& any, Grid grid, const ContextOptions& options) const override {
    const auto& features = static_cast<const TensorFeatures&>(any);
    HIIF_RETURN_IF_ERROR(Check(features, grid));
    return CatchTorch([&]() -> absl::StatusOr<std::shared_ptr<const Context>> {
      const c10::InferenceMode inference;
      auto context = std::make_shared<TensorContext>();
      context->size = grid;
      if (decoder_->attention_blocks() == 0) return context;
      const int64_t all = grid.height * grid.width;
      const bool whole = options.samples <= 0 || options.samples >= all;
      const int64_t count = whole ? all : options.samples;
      std::vector<at::Tensor> x;  // of every sample
      for (int64_t begin = 0; begin < count; begin += kRows) {
        const int64_t rows = std::min(kRows, count - begin);
        std::vector<QueryPoint> points;
        for (int64_t i = begin; i < begin + rows; ++i) {
          const GridPosition p =
              whole ? GridPosition{i / grid.width, i % grid.width} : SamplePosition(grid, i);
          points.push_back(PixelOf(features, grid, p.row, p.column));
        }
        points.resize(kRows, points.back());
        const auto queries = decoder_->MakeQueries(*features.pixels, points);
        x.push_back(decoder_->Begin(*features.pixels, *queries).slice(0, 0, rows));
      }
      for (int block = 0; block < decoder_->attention_blocks(); ++block) {
        at::Tensor sum;
        for (const at::Tensor& piece : x) {
          const at::Tensor part = decoder_->ContextSum(block, piece);
          sum = sum.defined() ? sum + part : part;
        }
        context->kv.push_back(sum / static_cast<double>(count));
        for (at::Tensor& piece : x) piece = decoder_->Attend(block, piece, context->kv.back());
      }
      return context;
    });
  }

  absl::Status Render(absl::Span<const RenderTile> tiles) const override {
    for (const RenderTile& tile : tiles) HIIF_RETURN_IF_ERROR(CheckTile(tile));
    return CatchTorch([&]() -> absl::Status {
      const c10::InferenceMode inference;
      for (const RenderTile& tile : tiles) {
        const auto& features = static_cast<const TensorFeatures&>(*tile.features);
        const auto& context = static_cast<const TensorContext&>(*tile.context);
        const Region& r = tile.region;
        Pieces pieces(this, features, context.kv, tile.out);
        HIIF_RETURN_IF_ERROR(ForEachSquare(r, [&](int64_t row, int64_t column) {
          return pieces.Add(PixelOf(features, context.size, row, column),
                            (row - r.y) * r.width + column - r.x);
        }));
        HIIF_RETURN_IF_ERROR(pieces.Finish());
      }
      return absl::OkStatus();
    });
  }

  absl::Status Query(const Features& any, const Context& any_context, Cell cell,
                     absl::Span<const Coordinate> coordinates,
                     absl::Span<float> out) const override {
    if (out.size() != coordinates.size() * 3) {
      return absl::InvalidArgumentError("the output of a query has the wrong size");
    }
    const auto& features = static_cast<const TensorFeatures&>(any);
    const auto& context = static_cast<const TensorContext&>(any_context);
    const Grid grid{static_cast<int64_t>(std::nearbyint(2.0 / cell.row)),
                    static_cast<int64_t>(std::nearbyint(2.0 / cell.column))};
    HIIF_RETURN_IF_ERROR(Check(features, grid));
    return CatchTorch([&] {
      const c10::InferenceMode inference;
      Pieces pieces(this, features, context.kv, out);
      for (size_t i = 0; i < coordinates.size(); ++i) {
        const QueryPoint point = {{CoordinateMode::kExact, features.height(), grid.height,
                                   PixelAt(coordinates[i].row, grid.height)},
                                  {CoordinateMode::kExact, features.width(), grid.width,
                                   PixelAt(coordinates[i].column, grid.width)}};
        HIIF_RETURN_IF_ERROR(pieces.Add(point, static_cast<int64_t>(i)));
      }
      return pieces.Finish();
    });
  }

  absl::Status RenderStrip(const Features& any, Grid grid, int64_t first_row, int64_t rows,
                           absl::Span<float> out) const override {
    const auto& features = static_cast<const TensorFeatures&>(any);
    HIIF_RETURN_IF_ERROR(Check(features, grid));
    if (first_row < 0 || rows < 1 || first_row + rows > grid.height ||
        static_cast<int64_t>(out.size()) != rows * grid.width * 3) {
      return absl::InvalidArgumentError(
          "the strip does not lie in the output, or its size is wrong");
    }
    return CatchTorch([&] {
      const c10::InferenceMode inference;
      std::vector<QueryPoint> points;
      std::vector<int64_t> places;
      for (int64_t row = first_row; row < first_row + rows; ++row) {
        for (int64_t column = 0; column < grid.width; ++column) {
          places.push_back(static_cast<int64_t>(points.size()));
          points.push_back(PixelOf(features, grid, row, column));
        }
      }
      return Store(DecodeInOneCall(*decoder_, *features.pixels, points), features, points, places,
                   out);
    });
  }

  std::vector<float> FeaturePlanes(const Features& any) const override {
    return Planes(static_cast<const TensorFeatures&>(any).pixels->latents);
  }

  std::vector<float> NonLocalPlanes(const Features& any) const override {
    const at::Tensor map = decoder_->NonLocal(*static_cast<const TensorFeatures&>(any).pixels);
    return map.defined() ? Planes(map) : std::vector<float>();
  }

 private:
  // Gathers points and decodes kRows of them at a time.
  class Pieces {
   public:
    Pieces(const TensorUpscaler* owner, const TensorFeatures& features,
           const std::vector<at::Tensor>& kv, absl::Span<float> out)
        : owner_(owner), features_(features), kv_(kv), out_(out) {}
    // `place`: of the pixel in the output.
    absl::Status Add(const QueryPoint& point, int64_t place) {
      points_.push_back(point);
      places_.push_back(place);
      return static_cast<int64_t>(points_.size()) < kRows ? absl::OkStatus() : Finish();
    }
    absl::Status Finish() {
      if (points_.empty()) return absl::OkStatus();
      points_.resize(kRows, points_.back());
      const TensorDecoder& decoder = *owner_->decoder_;
      const auto queries = decoder.MakeQueries(*features_.pixels, points_);
      at::Tensor x = decoder.Begin(*features_.pixels, *queries);
      for (size_t block = 0; block < kv_.size(); ++block) {
        x = decoder.Attend(static_cast<int>(block), x, kv_[block]);
      }
      const absl::Status status =
          owner_->Store(decoder.Finish(x, *queries), features_, points_, places_, out_);
      points_.clear();
      places_.clear();
      return status;
    }

   private:
    const TensorUpscaler* owner_;
    const TensorFeatures& features_;
    const std::vector<at::Tensor>& kv_;
    const absl::Span<float> out_;
    std::vector<QueryPoint> points_;
    std::vector<int64_t> places_;
  };

  absl::Status Check(const TensorFeatures& features, Grid grid) const {
    HIIF_RETURN_IF_ERROR(CheckGrid(grid, features.height(), features.width()));
    return decoder_->CheckGrid(features.height(), features.width(), grid);
  }

  QueryPoint PixelOf(const TensorFeatures& features, Grid grid, int64_t row, int64_t column) const {
    const CoordinateMode mode = config().coordinates;
    return {{mode, features.height(), grid.height, static_cast<double>(row)},
            {mode, features.width(), grid.width, static_cast<double>(column)}};
  }

  // Calls f(row, column) for every pixel of a region, until one fails.
  template <class F>
  static absl::Status ForEachSquare(const Region& r, F&& f) {
    for (int64_t y = r.y; y < r.y + r.height; y += kSquare) {
      for (int64_t x = r.x; x < r.x + r.width; x += kSquare) {
        for (int64_t row = y; row < std::min(y + kSquare, r.y + r.height); ++row) {
          for (int64_t column = x; column < std::min(x + kSquare, r.x + r.width); ++column) {
            HIIF_RETURN_IF_ERROR(f(row, column));
          }
        }
      }
    }
    return absl::OkStatus();
  }

  // (h*w,C) to planes.
  static std::vector<float> Planes(const at::Tensor& rows) {
    const at::Tensor planes = rows.t().contiguous();
    const float* values = planes.data_ptr<float>();
    return {values, values + planes.numel()};
  }

  // Adds the residual and writes the first places.size() rows of (Q,3) values, in the range where
  // [-1,1] is [0,1] of the image.
  absl::Status Store(at::Tensor rgb, const TensorFeatures& features,
                     absl::Span<const QueryPoint> points, absl::Span<const int64_t> places,
                     absl::Span<float> out) const {
    rgb = rgb.contiguous();
    const float* values = rgb.data_ptr<float>();
    const Normalisation& from = config().normalisation;
    const bool same = from == Normalisation{};
    for (size_t i = 0; i < places.size(); ++i, values += 3) {
      std::array<float, 3> pixel = {values[0], values[1], values[2]};
      if (adds_residual_) AddResidual(features.image, points[i], pixel);
      for (int c = 0; c < 3; ++c) {
        if (!std::isfinite(pixel[c]))
          return absl::InternalError("the network's output is not finite");
        if (!same) pixel[c] = (pixel[c] * from.deviation[c] + from.mean[c] - 0.5f) / 0.5f;
        out[places[i] * 3 + c] = pixel[c];
      }
    }
    return absl::OkStatus();
  }

  // The bilinear sample of the normalised image, border replicated.
  static void AddResidual(const at::Tensor& image, const QueryPoint& point,
                          std::array<float, 3>& pixel) {
    const int64_t height = image.size(2);
    const int64_t width = image.size(3);
    const BilinearPosition row = ClampedAt(point.row);
    const BilinearPosition column = ClampedAt(point.column);
    const int64_t above = std::min(row.lower + 1, height - 1);
    const int64_t right = std::min(column.lower + 1, width - 1);
    for (int64_t c = 0; c < 3; ++c) {
      const float* plane = image.data_ptr<float>() + c * height * width;
      const float* low = plane + row.lower * width;
      const float* high = plane + above * width;
      const float r = row.fraction;
      const float s = column.fraction;
      pixel[c] += low[column.lower] * ((1 - r) * (1 - s)) + low[right] * ((1 - r) * s) +
                  high[column.lower] * (r * (1 - s)) + high[right] * (r * s);
    }
  }

  static BilinearPosition ClampedAt(const AxisPosition& axis) {
    const BilinearPosition p = BilinearAt(axis);
    if (p.lower < 0) return {0, 0};
    return p.lower >= axis.low - 1 ? BilinearPosition{axis.low - 1, 0} : p;
  }

  const Network network_;
  const std::unique_ptr<LatentEncoder> encoder_;
  const std::unique_ptr<const TensorDecoder> decoder_;
  const bool adds_residual_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ReferenceUpscaler>> MakeTensorUpscaler(
    const Checkpoint& checkpoint) {
  HIIF_ASSIGN_OR_RETURN(auto encoder, LatentEncoder::Create(checkpoint, /*bfloat16=*/false));
  return CatchTorch([&]() -> absl::StatusOr<std::unique_ptr<ReferenceUpscaler>> {
    HIIF_ASSIGN_OR_RETURN(Network network, LoadNetwork(checkpoint));
    std::erase_if(network.parameters,
                  [](const auto& p) { return p.first.starts_with("encoder."); });
    return std::make_unique<TensorUpscaler>(std::move(network), std::move(encoder));
  });
}

}  // namespace hiif
