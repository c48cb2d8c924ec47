// CLIT: attention of each output pixel over a window of a grid, in a cascade of stages whose grids
// grow by four (docs/decoders.md).
#include <c10/core/GradMode.h>

#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "model/decoders/clit_queries.h"
#include "model/decoders/tensor_decoder.h"

namespace hiif {
namespace {

// Frequencies of the position bias, an axis: 2^(10 j/15) - 1 with the roundings of the released
// code, which angles of thousands of radians show.
constexpr int kFrequencies = 16;
constexpr std::array<float, kFrequencies> kFrequency = {
    0.0f,   0.5874010324478149f, 1.5198421478271484f,
    3.0f,   5.349604606628418f,  9.07936954498291f,
    15.0f,  24.398422241210938f, 39.31746292114258f,
    63.0f,  100.59365844726562f, 160.2698516845703f,
    255.0f, 405.374755859375f,   644.0794067382812f,
    1023.0f};
// Rows of the products over grid pixels, and queries whose window is held at once (50 KiB each at
// 256 features): fixed numbers, so that rounding does not depend on the piece.
constexpr int64_t kGridRows = 256;
constexpr int64_t kWindowRows = 256;

class Clit : public TensorDecoder {
 public:
  Clit(const ClitConfig& config, const Network& network)
      : config_(config),
        parameters_(network.parameters),
        frequencies_(at::tensor(at::ArrayRef<float>(kFrequency))) {}

  absl::Status CheckGrid(int64_t height, int64_t width, Grid grid) const override {
    if (ClitStages(height, width, grid) <= config_.stages) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        "this model enlarges by ", int64_t{1} << (2 * config_.stages),
        " at most, and is asked for ", grid.width, "x", grid.height, " from ", width, "x", height));
  }

  std::shared_ptr<const Pixels> Prepare(const at::Tensor& latents,
                                        absl::Span<const at::Tensor>) const override {
    auto pixels = std::make_shared<ClitPixels>();
    pixels->height = latents.size(2);
    pixels->width = latents.size(3);
    pixels->latents = PixelRows(latents);
    pixels->features = PixelRows(Conv(latents, Scope(parameters_, "conv_ch.")));
    return pixels;
  }

  std::unique_ptr<const Queries> MakeQueries(const Pixels& pixels,
                                             absl::Span<const QueryPoint> points) const override {
    return MakeClitQueries(config_.radius, points, kGridRows, pixels.latents);
  }

  at::Tensor Begin(const Pixels& any_pixels, const Queries& any) const override {
    const auto& pixels = static_cast<const ClitPixels&>(any_pixels);
    const auto& queries = static_cast<const ClitQueries&>(any);
    at::Tensor sum;
    for (size_t t = 0; t < queries.stages.size(); ++t) {
      const at::Tensor out = Stage(static_cast<int>(t), pixels, queries.stages[t]);
      sum = sum.defined() ? out + 0.75 * sum : out;
    }
    return sum;
  }

 private:
  struct ClitPixels : Pixels {
    int64_t bytes() const override {
      return Pixels::bytes() + static_cast<int64_t>(features.nbytes());
    }
    at::Tensor features;  // (h*w,D)
  };

  // A 3x3 convolution as a matrix behind rows of (ky,kx,channel).
  at::Tensor Matrix(const char* name, int t) const {
    return Scope(parameters_, name).Below(absl::StrCat(t)).At("weight").permute({0, 2, 3, 1});
  }
  const at::Tensor& Bias(const char* name, int t) const {
    return Scope(parameters_, name).Below(absl::StrCat(t)).At("bias");
  }

  // q, k and v of the stage's grid pixels: (U,3D).
  at::Tensor QueryKeyValue(int t, const ClitPixels& pixels, const ClitStage& stage) const {
    at::Tensor samples = GatherRows(pixels.features, stage.sample_index);
    if (stage.sample_weight.defined()) samples = samples * stage.sample_weight;
    samples = samples.size(1) == 1 ? samples.squeeze(1)
                                   : samples.select(1, 0) + samples.select(1, 1) +
                                         samples.select(1, 2) + samples.select(1, 3);
    const at::Tensor weight =
        at::cat({Matrix("conv_qs.", t), Matrix("conv_ks.", t), Matrix("conv_vs.", t)}).flatten(1);
    const at::Tensor bias =
        at::cat({Bias("conv_qs.", t), Bias("conv_ks.", t), Bias("conv_vs.", t)});
    std::vector<at::Tensor> rows;
    const int64_t count = stage.patch.size(0);
    const int64_t step = c10::GradMode::is_enabled() ? count : kGridRows;
    for (int64_t begin = 0; begin < count; begin += step) {
      const at::Tensor patches =
          GatherRows(samples, stage.patch.slice(0, begin, begin + step)).flatten(1);
      rows.push_back(at::linear(patches, weight, bias));
    }
    return at::cat(rows);
  }

  // (Q,side^2,heads): a row part and a column part.
  at::Tensor PositionBias(const at::Tensor& row_distance, const at::Tensor& column_distance) const {
    const at::Tensor& weight = parameters_.at("pb_encoder.proj.weight");
    const auto part = [&](const at::Tensor& distance, int64_t first) {
      const at::Tensor angle =
          distance.unsqueeze(-1) * frequencies_.to(distance.device());  // (Q,side,16)
      const at::Tensor sines =
          at::linear(at::sin(angle), weight.slice(1, first, first + kFrequencies));
      return sines + at::linear(at::cos(angle), weight.slice(1, first + 2 * kFrequencies,
                                                             first + 3 * kFrequencies));
    };
    const at::Tensor rows = part(row_distance, 0).unsqueeze(2);
    const at::Tensor columns = part(column_distance, kFrequencies).unsqueeze(1);
    return (rows + columns).flatten(1, 2) + parameters_.at("pb_encoder.proj.bias");
  }

  // Attention and network of stage t on some of its queries: (R,3).
  at::Tensor Window(int t, const at::Tensor& qkv, const ClitStage& stage, int64_t begin,
                    int64_t rows) const {
    const int64_t heads = config_.heads;
    const int64_t features = config_.features;
    const auto some = [&](const at::Tensor& all) { return all.slice(0, begin, begin + rows); };
    const at::Tensor corners =
        GatherRows(qkv.slice(1, 0, features), some(stage.corner)) * some(stage.corner_weight);
    const at::Tensor query =
        corners.select(1, 0) + corners.select(1, 1) + corners.select(1, 2) + corners.select(1, 3);
    const at::Tensor key_value =
        GatherRows(qkv.slice(1, features, 3 * features), some(stage.key));  // (R,49,2D)
    const at::Tensor products = key_value.slice(2, 0, features) * query.unsqueeze(1);
    const at::Tensor logits =
        products.reshape({rows, -1, heads, features / heads}).sum(-1) /
            std::sqrt(static_cast<double>(features) / static_cast<double>(heads)) +
        PositionBias(some(stage.row_distance), some(stage.column_distance));
    const at::Tensor attention = at::softmax(logits, 1).unsqueeze(-1);
    const at::Tensor value =
        key_value.slice(2, features, 2 * features).reshape({rows, -1, heads, features / heads});
    const at::Tensor x = at::cat({(value * attention).flatten(1), some(stage.cell)}, -1);
    return Mlp(parameters_, absl::StrCat("imnets.", t), x, config_.hidden.size(), GeluErf);
  }

  at::Tensor Stage(int t, const ClitPixels& pixels, const ClitStage& stage) const {
    const at::Tensor qkv = QueryKeyValue(t, pixels, stage);
    const int64_t count = stage.key.size(0);
    std::vector<at::Tensor> parts;
    for (int64_t begin = 0; begin < count; begin += kWindowRows) {
      parts.push_back(Window(t, qkv, stage, begin, std::min(kWindowRows, count - begin)));
    }
    return at::cat(parts);
  }

  const ClitConfig config_;
  const Parameters& parameters_;
  const at::Tensor frequencies_;
};

}  // namespace

std::unique_ptr<const TensorDecoder> MakeDecoder(const ClitConfig& config, const Network& network) {
  return std::make_unique<Clit>(config, network);
}

}  // namespace hiif
