// SwinIR up to its conv_before_upsample: residual Swin transformer blocks on non-overlapping
// windows. A window depends on itself alone, so that layers work through the image in bands of
// windows, in place.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/encoders/bands.h"
#include "model/encoders/encoder.h"
#include "model/encoders/windows.h"
#include "model/format/object_reader.h"
#include "model/layers/layers.h"
#include "model/layers/parallel.h"

namespace hiif {
namespace {

// What the bands of a layer in work hold beside the image, about: on a CPU several small ones,
// which stay in its caches, on a device one.
constexpr int64_t kBandBytes = int64_t{64} << 20;
constexpr int64_t kBandsAtOnce = 8;

// Of a layer: (heads, pixels, pixels), or as the loops want it.
at::Tensor PositionBias(const Scope& scope, const Windows& windows, int64_t heads, bool by_loops) {
  const at::Tensor& table = scope.At("relative_position_bias_table");
  const at::Tensor bias = table.index_select(0, RelativePositionIndex(windows).to(table.device()))
                              .reshape({windows.pixels(), windows.pixels(), heads})
                              .permute({2, 0, 1});
  return by_loops ? BiasForLoops(bias) : bias;
}

// bias: of PositionBias; sides: of the windows of one image, or undefined.
at::Tensor WindowAttention(const Scope& scope, const at::Tensor& windows, int64_t heads,
                           const at::Tensor& bias, const at::Tensor& sides) {
  const at::Tensor qkv = Linear(windows, scope.Below("qkv"));
  const at::Tensor mixed = AttendsByLoops(windows) ? AttendByLoops(qkv, heads, bias, sides)
                                                   : AttendByOperations(qkv, heads, bias, sides);
  return Linear(mixed, scope.Below("proj"));
}

class SwinIr : public Encoder {
 public:
  explicit SwinIr(SwinIrConfig config) : config_(std::move(config)) {}

  std::string name() const override { return "swinir"; }
  nlohmann::json sizes() const override {
    return {{"embed_dim", config_.embed_dim},   {"depths", config_.depths},
            {"heads", config_.heads},           {"window", config_.window},
            {"mlp_hidden", config_.mlp_hidden}, {"output_features", config_.output_features}};
  }
  int features() const override {
    return config_.output_features > 0 ? config_.output_features : config_.embed_dim;
  }

  Shapes shapes() const override {
    const int dim = config_.embed_dim;
    Shapes shapes;
    AddConv(shapes, "conv_first", dim, 3, 3);
    AddNorm(shapes, "patch_embed.norm", dim);
    for (size_t layer = 0; layer < config_.depths.size(); ++layer) {
      const std::string prefix = absl::StrCat("layers.", layer);
      for (int block = 0; block < config_.depths[layer]; ++block) {
        const std::string name = absl::StrCat(prefix, ".residual_group.blocks.", block);
        AddNorm(shapes, name + ".norm1", dim);
        AddLinear(shapes, name + ".attn.qkv", int64_t{3} * dim, dim);
        AddLinear(shapes, name + ".attn.proj", dim, dim);
        const int64_t span = 2 * config_.window - 1;
        shapes[name + ".attn.relative_position_bias_table"] = {span * span, config_.heads[layer]};
        AddNorm(shapes, name + ".norm2", dim);
        AddLinear(shapes, name + ".mlp.fc1", config_.mlp_hidden, dim);
        AddLinear(shapes, name + ".mlp.fc2", dim, config_.mlp_hidden);
      }
      AddConv(shapes, prefix + ".conv", dim, dim, 3);
    }
    AddNorm(shapes, "norm", dim);
    AddConv(shapes, "conv_after_body", dim, dim, 3);
    if (config_.output_features > 0) {
      AddConv(shapes, "conv_before_upsample.0", config_.output_features, dim, 3);
    }
    return shapes;
  }

  // Sides that are not multiples of the window are mirrored as far as needed and the latent codes
  // cropped (model.md 1, serving).
  at::Tensor Forward(const Scope& scope, const at::Tensor& image,
                     const Heartbeat& beat) const override {
    const int64_t height = image.size(2);
    const int64_t width = image.size(3);
    const at::Tensor padded = config_.output_features > 0
                                  ? PadSymmetric(image, Up(height), Up(width))
                                  : PadReflect(image, Up(height), Up(width));
    at::Tensor first = Conv(padded, scope.Below("conv_first"));
    at::Tensor x = LayerNorm(first.permute({0, 2, 3, 1}), scope.Below("patch_embed.norm"));
    for (size_t layer = 0; layer < config_.depths.size(); ++layer) {
      const Scope group = scope.Below(absl::StrCat("layers.", layer));
      at::Tensor before = x;
      if (!TakesGradient()) x = x.clone();
      for (int i = 0; i < config_.depths[layer]; ++i) {
        const Scope block = group.Below(absl::StrCat("residual_group.blocks.", i));
        // Every second one is shifted, also where the image is a single window.
        x = Layer(block, config_.heads[layer], i % 2 == 1, x, beat);
      }
      Beat(beat);
      x = AddTo(before, Conv(x.permute({0, 3, 1, 2}), group.Below("conv")).permute({0, 2, 3, 1}));
    }
    x = LayerNorm(x, scope.Below("norm"));
    at::Tensor deep = Conv(x.permute({0, 3, 1, 2}), scope.Below("conv_after_body"));
    x.reset();
    deep = AddTo(deep, first);
    first.reset();
    if (config_.output_features > 0) {
      deep = at::leaky_relu(Conv(deep, scope.Below("conv_before_upsample.0")), 0.01);
    }
    return deep.slice(2, 0, height).slice(3, 0, width);
  }

  // Backwards from a latent code: a convolution reads a pixel further, a layer the windows that
  // hold what is read, whose borders lie at multiples of the window or half a window beside.
  std::optional<int64_t> receptive_field() const override {
    const int64_t window = config_.window;
    int64_t reach = 2;
    for (size_t group = config_.depths.size(); group-- > 0;) {
      ++reach;
      for (int i = config_.depths[group]; i-- > 0;) {
        const int64_t shift = i % 2 == 1 ? window / 2 : 0;
        reach = Up(reach - shift) + shift;
      }
    }
    return Up(reach + 1);
  }
  int64_t alignment() const override { return config_.window; }

  double Cost(int64_t height, int64_t width) const override {
    double attention = 0;  // q k^T and its product with v
    for (const int depth : config_.depths) {
      attention += 2.0 * depth * config_.window * config_.window * config_.embed_dim;
    }
    return static_cast<double>(Up(height) * Up(width)) * (MultiplyAdds(shapes()) + attention);
  }

  int64_t MostThreads(int64_t height, int64_t width) const override {
    const int64_t rows = Up(height) / config_.window;
    const int64_t band = BandRows(Up(height), Up(width), /*on_device=*/false);
    return std::min((rows + band - 1) / band, kBandsAtOnce);
  }

  // The first convolution, x before and in a group, in the type of the products, since a LayerNorm
  // keeps what it gets; beside them a band of windows, or what the group's convolution gives. At
  // the end what the last convolution reads, and what it gives before and after its activation.
  int64_t Footprint(int64_t height, int64_t width, int value_bytes, bool on_device) const override {
    const int64_t pixels = Up(height) * Up(width);
    const int64_t values = pixels * config_.embed_dim * value_bytes;
    const int64_t bands = BandsBytes(Up(height), Up(width), value_bytes, on_device);
    return std::max(3 * values + std::max(values, bands),
                    values + 2 * pixels * config_.output_features * value_bytes);
  }

 private:
  int64_t Up(int64_t n) const { return (n + config_.window - 1) / config_.window * config_.window; }

  // Of a window in a layer: q, k and v, as they come and head by head, or as float32 with what
  // comes of them; on a GPU the weights of all pairs before, with and after their bias and in the
  // softmax, and their mask.
  int64_t WindowBytes(int value_bytes, bool on_device) const {
    const int64_t pixels = int64_t{config_.window} * config_.window;
    const int64_t as_float = !on_device && value_bytes < 4 ? 16 : 0;
    const int64_t pairs = pixels * pixels * (MostHeads() * (8 + value_bytes) + 4);
    const int64_t attention =
        pixels * config_.embed_dim * (8 * value_bytes + as_float) + (on_device ? pairs : 0);
    const int64_t mlp = pixels * (2 * config_.mlp_hidden + 2 * config_.embed_dim) * value_bytes;
    return std::max(attention, mlp) + pixels * config_.embed_dim * 8;
  }
  int64_t MostHeads() const {
    return *std::max_element(config_.heads.begin(), config_.heads.end());
  }
  static int64_t BandsAtOnce(bool on_device) { return on_device ? 1 : kBandsAtOnce; }
  // Rows of windows of a band.
  int64_t BandRows(int64_t height, int64_t width, bool on_device) const {
    const int64_t row = width / config_.window * WindowBytes(4, on_device);
    const int64_t bytes = kBandBytes / BandsAtOnce(on_device);
    return EvenBand(height / config_.window, std::max<int64_t>(1, bytes / row));
  }
  // Bytes of the bands in work, and of their bias.
  int64_t BandsBytes(int64_t height, int64_t width, int value_bytes, bool on_device) const {
    const int64_t rows = std::min(height / config_.window,
                                  BandsAtOnce(on_device) * BandRows(height, width, on_device));
    const int64_t pixels = int64_t{config_.window} * config_.window;
    return rows * (width / config_.window) * WindowBytes(value_bytes, on_device) +
           MostHeads() * pixels * pixels * 12;
  }

  // Attention of a band, (N, rows, width, dim), whose rows have been shifted.
  at::Tensor Attend(const Scope& block, int64_t heads, const at::Tensor& band,
                    const Windows& windows, const at::Tensor& bias, const at::Tensor& sides) const {
    const int64_t shift = windows.shift_columns;
    at::Tensor y = LayerNorm(band, block.Below("norm1"));
    if (shift > 0) y = at::roll(y, {-shift}, {2});
    y = FromWindows(WindowAttention(block.Below("attn"), ToWindows(y, windows), heads, bias, sides),
                    windows, band.size(1), band.size(2));
    return shift > 0 ? at::roll(y, {shift}, {2}) : y;
  }

  static at::Tensor Mlp(const Scope& block, const at::Tensor& x) {
    const Scope mlp = block.Below("mlp");
    return Linear(at::gelu(Linear(LayerNorm(x, block.Below("norm2")), mlp.Below("fc1"))),
                  mlp.Below("fc2"));
  }

  // A Swin layer; where no gradient is taken, in the memory of x.
  at::Tensor Layer(const Scope& block, int64_t heads, bool shifted, at::Tensor x,
                   const Heartbeat& beat) const {
    const int64_t height = x.size(1);
    const int64_t width = x.size(2);
    const int64_t window = config_.window;
    const int64_t shift = shifted ? window / 2 : 0;
    const Windows windows{window, window, shift, shift};
    const at::Tensor bias = PositionBias(block.Below("attn"), windows, heads, AttendsByLoops(x));
    const auto sides = [&](int64_t begin, int64_t end) {
      return shifted ? Sides(height, width, windows, begin, end) : at::Tensor();
    };
    if (TakesGradient()) {
      const at::Tensor rolled = shifted ? at::roll(x, {-shift}, {1}) : x;
      const at::Tensor y = Attend(block, heads, rolled, windows, bias, sides(0, height));
      x = x + (shifted ? at::roll(y, {shift}, {1}) : y);
      return x + Mlp(block, x);
    }
    const int64_t at_once = BandsAtOnce(!x.is_cpu());
    const int64_t step = BandRows(height, width, !x.is_cpu()) * window;
    const int64_t bands = (height + step - 1) / step;
    InParallel(bands, at_once, [&](int64_t i) {
      Beat(beat);
      const int64_t begin = i * step;
      // The rows of the band, of which the last may have come round from the top.
      const int64_t end = std::min(height, begin + step);
      const int64_t from = begin + shift;
      const int64_t to = std::min(height, end + shift);
      const int64_t round = end + shift - to;
      at::Tensor lower = x.slice(1, from, to);
      at::Tensor upper = x.slice(1, 0, round);
      const at::Tensor band = round > 0 ? at::cat({lower, upper}, 1) : lower;
      const at::Tensor y = Attend(block, heads, band, windows, bias, sides(begin, end));
      lower.add_(y.slice(1, 0, to - from));
      if (round > 0) upper.add_(y.slice(1, to - from));
    });
    InParallel(bands, at_once, [&](int64_t i) {
      Beat(beat);
      at::Tensor rows = x.slice(1, i * step, std::min(height, (i + 1) * step));
      rows.add_(Mlp(block, rows));
    });
    return x;
  }

  const SwinIrConfig config_;
};

absl::StatusOr<EncoderConfig> FromSizes(const nlohmann::json& sizes) {
  ObjectReader reader(sizes, "encoder_config");
  const SwinIrConfig config{reader.Size("embed_dim", 1),  reader.Sizes("depths"),
                            reader.Sizes("heads"),        reader.Size("window", 2),
                            reader.Size("mlp_hidden", 1), reader.Size("output_features", 0)};
  if (config.depths.size() != config.heads.size())
    reader.Fail("has depths and heads of different length");
  for (const int heads : config.heads) {
    if (config.embed_dim % heads != 0) reader.Fail("has an embed_dim that its heads do not divide");
  }
  if (int64_t{config.window} * config.window > kMaxWindowPixels)
    reader.Fail(absl::StrCat("has windows of more than ", kMaxWindowPixels, " pixels"));
  HIIF_RETURN_IF_ERROR(reader.Finish());
  return EncoderConfig(config);
}

std::optional<EncoderConfig> FromTensors(const Safetensors& tensors) {
  if (!tensors.tensors().contains("encoder.conv_first.weight")) return std::nullopt;
  SwinIrConfig config;
  config.embed_dim = Dimension(tensors, "encoder.conv_first.weight", 0);
  config.output_features = Dimension(tensors, "encoder.conv_before_upsample.0.weight", 0);
  config.depths.clear();
  config.heads.clear();
  const std::string table = ".residual_group.blocks.0.attn.relative_position_bias_table";
  for (int layer = 0; layer < Count(tensors, "encoder.layers."); ++layer) {
    const std::string prefix = absl::StrCat("encoder.layers.", layer);
    config.depths.push_back(Count(tensors, prefix + ".residual_group.blocks."));
    config.heads.push_back(std::max(1, Dimension(tensors, prefix + table, 1)));
  }
  const int entries = Dimension(tensors, "encoder.layers.0" + table, 0);
  config.window = (static_cast<int>(std::lround(std::sqrt(entries))) + 1) / 2;
  config.mlp_hidden =
      Dimension(tensors, "encoder.layers.0.residual_group.blocks.0.mlp.fc1.weight", 0);
  if (config.window < 2 || config.depths.empty()) return std::nullopt;
  return EncoderConfig(config);
}

}  // namespace

EncoderConfig::EncoderConfig(const SwinIrConfig& config)
    : encoder_(std::make_shared<SwinIr>(config)) {}

EncoderKind SwinIrKind() { return {"swinir", FromSizes, FromTensors}; }

}  // namespace hiif
