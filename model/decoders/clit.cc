// CLIT: attention of each output pixel over a window of a grid, in a cascade of stages whose grids
// grow by four (docs/decoders.md).
#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/decoders/clit_stage.h"
#include "model/decoders/point_decoder.h"
#include "model/format/object_reader.h"

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
constexpr int kExponentRange = 10;
// 4^8 is more than any grid; keys a side at most 15.
constexpr int kMaxStages = 8;
constexpr int kMaxRadius = 7;
// Side of a call's points, about, and so how many of a grid's pixels they share.
constexpr double kCallSide = 32;

class Clit : public PointDecoder {
 public:
  explicit Clit(ClitConfig config)
      : config_(std::move(config)), frequencies_(at::tensor(at::ArrayRef<float>(kFrequency))) {}

  std::string name() const override { return "clit"; }
  nlohmann::json sizes() const override {
    return {{"features", config_.features}, {"heads", config_.heads},
            {"radius", config_.radius},     {"stages", config_.stages},
            {"hidden", config_.hidden},     {"exponent_range", kExponentRange}};
  }
  Shapes shapes(int features) const override {
    Shapes shapes;
    AddConv(shapes, "conv_ch", config_.features, features, 3);
    AddLinear(shapes, "pb_encoder.proj", config_.heads, int64_t{4} * kFrequencies);
    for (int t = 0; t < config_.stages; ++t) {
      for (const char* name : {"conv_qs.", "conv_ks.", "conv_vs."}) {
        AddConv(shapes, absl::StrCat(name, t), config_.features, config_.features, 3);
      }
      AddMlp(shapes, absl::StrCat("imnets.", t), Keys() * config_.features + 2, config_.hidden, 3);
    }
    return shapes;
  }

  absl::Status CheckGrid(Grid size, Grid grid) const override {
    if (ClitStages(size, grid) <= config_.stages) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("this model enlarges by ", int64_t{1} << (2 * config_.stages),
                     " at most, and is asked for ", grid.width, "x", grid.height, " from ",
                     size.width, "x", size.height));
  }

  // Of the stages that the grid runs: the pixels of their grids, shared by a call, and the window.
  DecoderCost Cost(int features, Grid size, Grid grid) const override {
    const double width = config_.features;
    const auto keys = static_cast<double>(Keys());
    Shapes network;
    AddMlp(network, "imnets.0", Keys() * config_.features + 2, config_.hidden, 3);
    DecoderCost cost{.pixel = 9.0 * features * width};
    const int stages = std::min(ClitStages(size, grid), config_.stages);
    for (int t = 0; t < stages; ++t) {
      const Grid stage = ClitStageGrid(size, grid, t);
      const auto side = [&](int64_t low, int64_t high) {
        return kCallSide * static_cast<double>(low) / static_cast<double>(high) +
               2 * config_.radius + 2;
      };
      const double pixels =
          side(stage.height, grid.height) * side(stage.width, grid.width) / (kCallSide * kCallSide);
      cost.query += MultiplyAdds(network) + keys * (2 * width + 64.0 * config_.heads) +
                    27 * width * width * pixels;
    }
    return cost;
  }
  // Points that lie apart share nothing: samples of the features, the grid's q, k and v, windows.
  int64_t unit() const override { return kRows; }
  int64_t CallBytes(int features) const override {
    const int64_t samples = int64_t{2 * config_.radius + 3} * (2 * config_.radius + 3);
    return unit() * 4 *
           (config_.features * (3 * samples + 2 * 3 * Keys() + 9 + 6 * Keys()) +
            samples * 9 * features / 4 + int64_t{20} * (samples + Keys()));
  }

  at::Tensor Begin(const Parameters& parameters, const ImageCodes& image,
                   absl::Span<const QueryPoint> points) const override {
    const AxisPosition& row = points.front().row;
    const AxisPosition& column = points.front().column;
    const int stages = ClitStages(image.size, {row.high, column.high});
    at::Tensor sum;
    for (int t = 0; t < stages; ++t) {
      const ClitStage stage = MakeClitStage(t, config_.radius, points, image.codes);
      const at::Tensor out = Stage(parameters, t, image, stage);
      sum = sum.defined() ? out + 0.75 * sum : out;
    }
    return sum;
  }

 private:
  int64_t Keys() const { return int64_t{2 * config_.radius + 1} * (2 * config_.radius + 1); }

  // q, k and v of the stage's grid pixels: (U,3D).
  static at::Tensor QueryKeyValue(const Parameters& parameters, int t, const ImageCodes& image,
                                  const ClitStage& stage) {
    const at::Tensor features = ConvAt(image, stage.pixels, {Scope(parameters, "conv_ch.")});
    at::Tensor samples;
    for (int64_t k = 0; k < stage.sample_index.size(1); ++k) {
      at::Tensor corner = GatherRows(features, stage.sample_index.select(1, k));
      if (stage.sample_weight.defined()) corner = corner * stage.sample_weight.select(1, k);
      samples = samples.defined() ? samples + corner : corner;
    }
    std::vector<at::Tensor> weights, biases, rows;
    for (const char* name : {"conv_qs.", "conv_ks.", "conv_vs."}) {
      const Scope conv = Scope(parameters, name).Below(absl::StrCat(t));
      weights.push_back(conv.At("weight").permute({0, 2, 3, 1}).flatten(1));  // (ky,kx,channel)
      biases.push_back(conv.At("bias"));
    }
    const at::Tensor weight = at::cat(weights);
    const at::Tensor bias = at::cat(biases);
    const int64_t count = stage.patch.size(0);
    const int64_t step = TakesGradient() ? count : kRows;
    for (int64_t begin = 0; begin < count; begin += step) {
      const at::Tensor patches =
          GatherRows(samples, stage.patch.slice(0, begin, begin + step)).flatten(1);
      rows.push_back(at::linear(patches, weight, bias));
    }
    return at::cat(rows);
  }

  // (Q,side^2,heads): a row part and a column part.
  at::Tensor PositionBias(const Parameters& parameters, const at::Tensor& row_distance,
                          const at::Tensor& column_distance) const {
    const at::Tensor& weight = parameters.at("pb_encoder.proj.weight");
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
    return (rows + columns).flatten(1, 2) + parameters.at("pb_encoder.proj.bias");
  }

  // Attention and network of stage t on some of its points: (R,3).
  at::Tensor Window(const Parameters& parameters, int t, const at::Tensor& qkv,
                    const ClitStage& stage, int64_t begin, int64_t rows) const {
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
        PositionBias(parameters, some(stage.row_distance), some(stage.column_distance));
    const at::Tensor attention = at::softmax(logits, 1).unsqueeze(-1);
    const at::Tensor value =
        key_value.slice(2, features, 2 * features).reshape({rows, -1, heads, features / heads});
    const at::Tensor x = at::cat({(value * attention).flatten(1), some(stage.cell)}, -1);
    return Mlp(parameters, absl::StrCat("imnets.", t), x, config_.hidden.size(), GeluErf);
  }

  at::Tensor Stage(const Parameters& parameters, int t, const ImageCodes& image,
                   const ClitStage& stage) const {
    const at::Tensor qkv = QueryKeyValue(parameters, t, image, stage);
    const int64_t count = stage.key.size(0);
    std::vector<at::Tensor> parts;
    for (int64_t begin = 0; begin < count; begin += kRows) {
      parts.push_back(Window(parameters, t, qkv, stage, begin, std::min(kRows, count - begin)));
    }
    return at::cat(parts);
  }

  const ClitConfig config_;
  const at::Tensor frequencies_;
};

absl::StatusOr<DecoderConfig> FromSizes(const nlohmann::json& sizes) {
  ObjectReader reader(sizes, "decoder_config");
  const ClitConfig config{reader.Size("features", 1), reader.Size("heads", 1),
                          reader.Size("radius", 0), reader.Size("stages", 1),
                          reader.Sizes("hidden")};
  if (config.features % config.heads != 0) {
    reader.Fail("has a number of features that its heads do not divide");
  }
  if (config.radius > kMaxRadius) reader.Fail(absl::StrCat("has a radius above ", kMaxRadius));
  if (config.stages > kMaxStages) {
    reader.Fail(absl::StrCat("has more than ", kMaxStages, " stages"));
  }
  if (reader.Size("exponent_range", 1) != kExponentRange) {
    reader.Fail(absl::StrCat("has an exponent_range that is not ", kExponentRange));
  }
  HIIF_RETURN_IF_ERROR(reader.Finish());
  return DecoderConfig(config);
}

std::optional<DecoderConfig> FromTensors(const Safetensors& tensors) {
  ClitConfig config;
  config.features = Dimension(tensors, "conv_ch.weight", 0);
  if (config.features == 0) return std::nullopt;
  config.heads = Dimension(tensors, "pb_encoder.proj.weight", 0);
  config.stages = Count(tensors, "imnets.");
  config.hidden = HiddenOfMlp(tensors, "imnets.0");
  const int keys = (Dimension(tensors, "imnets.0.layers.0.weight", 1) - 2) / config.features;
  config.radius = 0;
  while ((2 * config.radius + 3) * (2 * config.radius + 3) <= keys) ++config.radius;
  return DecoderConfig(config);
}

}  // namespace

DecoderConfig::DecoderConfig(const ClitConfig& config) : decoder_(std::make_shared<Clit>(config)) {}

DecoderKind ClitKind() { return {"clit", FromSizes, FromTensors}; }

}  // namespace hiif
