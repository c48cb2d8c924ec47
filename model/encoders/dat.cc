// DAT (Chen et al., "Dual Aggregation Transformer for Image Super-Resolution", ICCV 2023) up to its
// upsampler: blocks that attend over the pixels of a window and blocks that attend over channels
// take turns; each adds a depthwise convolution, weighed against it by what the other one holds
// (adaptive interaction), and a feed-forward network with a spatial gate follows.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/encoders/dat_layers.h"
#include "model/encoders/encoder.h"
#include "model/encoders/windows.h"
#include "model/format/object_reader.h"
#include "model/layers/layers.h"
#include "model/layers/parallel.h"

namespace hiif {
namespace {

// Every second spatial block is shifted, and the groups begin with one that is or is not in turn.
bool Shifted(size_t group, int block) { return block % 4 == (group % 2 == 0 ? 2 : 0); }

// 3x3, 1x1 and 3x3 around a quarter of the width.
void AddResidualConvs(Shapes& shapes, const std::string& name, int64_t dim) {
  AddConv(shapes, name + ".0", dim / 4, dim, 3);
  AddConv(shapes, name + ".2", dim / 4, dim / 4, 1);
  AddConv(shapes, name + ".4", dim, dim / 4, 3);
}

// Batch norms are folded into the convolutions before them.
void AddDatAttention(Shapes& shapes, const std::string& name, const DatConfig& config,
                     int64_t heads, bool spatial) {
  const int64_t dim = config.embed_dim;
  AddLinear(shapes, name + ".qkv", 3 * dim, dim);
  AddLinear(shapes, name + ".proj", dim, dim);
  AddConv(shapes, name + ".dwconv.0", dim, 1, 3);
  AddConv(shapes, name + ".channel_interaction.1", dim / 8, dim, 1);
  AddConv(shapes, name + ".channel_interaction.4", dim, dim / 8, 1);
  AddConv(shapes, name + ".spatial_interaction.0", dim / 16, dim, 1);
  AddConv(shapes, name + ".spatial_interaction.3", 1, dim / 16, 1);
  if (!spatial) {
    shapes[name + ".temperature"] = {heads, 1, 1};
    return;
  }
  const int64_t position = dim / 2 / 4 / 4;
  for (int branch = 0; branch < 2; ++branch) {
    const std::string bias = absl::StrCat(name, ".attns.", branch, ".pos");
    AddLinear(shapes, bias + ".pos_proj", position, 2);
    for (int layer = 1; layer <= 3; ++layer) {
      AddNorm(shapes, absl::StrCat(bias, ".pos", layer, ".0"), position);
      AddLinear(shapes, absl::StrCat(bias, ".pos", layer, ".2"), layer == 3 ? heads / 2 : position,
                position);
    }
  }
}

class Dat : public Encoder {
 public:
  explicit Dat(DatConfig config) : config_(std::move(config)) {}

  std::string name() const override { return "dat"; }
  nlohmann::json sizes() const override {
    return {{"embed_dim", config_.embed_dim},
            {"depths", config_.depths},
            {"heads", config_.heads},
            {"ffn_hidden", config_.ffn_hidden},
            {"window_short", config_.window_short},
            {"window_long", config_.window_long},
            {"output_scale", config_.output_scale}};
  }
  int features() const override { return config_.embed_dim; }

  Shapes shapes() const override {
    Shapes shapes;
    const int64_t dim = config_.embed_dim;
    AddConv(shapes, "conv_first", dim, 3, 3);
    AddNorm(shapes, "before_RG.1", dim);
    for (size_t layer = 0; layer < config_.depths.size(); ++layer) {
      const std::string group = absl::StrCat("layers.", layer);
      for (int i = 0; i < config_.depths[layer]; ++i) {
        const std::string block = absl::StrCat(group, ".blocks.", i);
        AddNorm(shapes, block + ".norm1", dim);
        AddDatAttention(shapes, block + ".attn", config_, config_.heads[layer], i % 2 == 0);
        AddNorm(shapes, block + ".norm2", dim);
        AddLinear(shapes, block + ".ffn.fc1", config_.ffn_hidden, dim);
        AddNorm(shapes, block + ".ffn.sg.norm", config_.ffn_hidden / 2);
        AddConv(shapes, block + ".ffn.sg.conv", config_.ffn_hidden / 2, 1, 3);
        AddLinear(shapes, block + ".ffn.fc2", dim, config_.ffn_hidden / 2);
      }
      AddResidualConvs(shapes, group + ".conv", dim);
    }
    AddNorm(shapes, "norm", dim);
    AddResidualConvs(shapes, "conv_after_body", dim);
    return shapes;
  }

  at::Tensor Forward(const Scope& scope, const at::Tensor& image,
                     const Heartbeat& beat) const override {
    const at::Tensor first = OnOneThread([&] {
      return Conv(image * 0.5 + (0.5 - DatMean().to(image.options())), scope.Below("conv_first"));
    });
    at::Tensor x = LayerNorm(Tokens(first), scope.Below("before_RG.1"));
    for (size_t layer = 0; layer < config_.depths.size(); ++layer) {
      const Scope group = scope.Below(absl::StrCat("layers.", layer));
      const at::Tensor group_input = x.clone();
      for (int i = 0; i < config_.depths[layer]; ++i) {
        const Scope block = group.Below(absl::StrCat("blocks.", i));
        const Scope attention = block.Below("attn");
        const at::Tensor normalised = LayerNorm(x, block.Below("norm1"));
        const int64_t heads = config_.heads[layer];
        x = AddTo(x, i % 2 == 0 ? SpatialAttention(config_, normalised, attention, heads,
                                                   Shifted(layer, i), beat)
                                : ChannelAttention(config_, normalised, attention, heads, beat));
        x = AddTo(x, FeedForward(config_, x, block, beat));
      }
      x = Tokens(ResidualConvs(Planes(x), group.Below("conv"))) + group_input;
    }
    x = LayerNorm(x, scope.Below("norm"));
    return (ResidualConvs(Planes(x), scope.Below("conv_after_body")) + first) *
           static_cast<double>(config_.output_scale);
  }

  // Attention over channels is over the whole image.
  std::optional<int64_t> receptive_field() const override { return std::nullopt; }
  bool keeps_float32() const override { return true; }  // rounded, its codes cost 0.04 dB

  double Cost(int64_t height, int64_t width) const override {
    // Spatial attention: q k^T and its product with v, in windows of both shapes; channel
    // attention: q^T k and its product with v.
    double attention = 0;
    for (size_t group = 0; group < config_.depths.size(); ++group) {
      const int every_other = (config_.depths[group] + 1) / 2;
      const double spatial = every_other;
      const double channel = config_.depths[group] - spatial;
      attention += config_.embed_dim * (2.0 * spatial * config_.window_short * config_.window_long +
                                        2.0 * channel * config_.embed_dim / config_.heads[group]);
    }
    return static_cast<double>(height * width) * (MultiplyAdds(shapes()) + attention);
  }

  int64_t MostThreads(int64_t height, int64_t) const override {
    const int64_t side = config_.window_long;
    return std::min((height + side - 1) / side, kStripsAtOnce);
  }

  // The first convolution, a group's input, x, its norm, what a block adds as strips and put
  // together; and what the strips in work hold.
  int64_t Footprint(int64_t height, int64_t width, int, bool on_device) const override {
    const int64_t side = config_.window_long;
    const int64_t strips = (height + side - 1) / side;
    const int64_t rows = MostThreads(height, width) * std::min(strips * side, side + 2);
    const int64_t columns = (width + side - 1) / side * side;
    const int64_t dim = config_.embed_dim;
    const int64_t window = int64_t{config_.window_short} * config_.window_long;
    const auto [fewest, most] = std::minmax_element(config_.heads.begin(), config_.heads.end());
    // Of pairs of pixels: the weights of some windows, or the bias of a half as it comes and
    // padded.
    const int64_t at_once =
        on_device ? std::min(kWindowsAtOnce, rows * columns / window) * 3 / 2 : 3;
    const int64_t pairs = at_once * window * window * (on_device ? *most : *most / 2);
    const int64_t of_pixel = std::max(7 * dim, 2 * dim + 5 * int64_t{config_.ffn_hidden} / 2);
    return (height * width * dim * 7 + rows * columns * of_pixel +
            strips * dim * (dim / *fewest) +  // q^T k
            pairs) *
           static_cast<int64_t>(sizeof(float));
  }

 private:
  const DatConfig config_;
};

absl::StatusOr<EncoderConfig> FromSizes(const nlohmann::json& sizes) {
  ObjectReader reader(sizes, "encoder_config");
  const DatConfig dat{reader.Size("embed_dim", 32),   reader.Sizes("depths"),
                      reader.Sizes("heads"),          reader.Size("ffn_hidden", 2),
                      reader.Size("window_short", 2), reader.Size("window_long", 2),
                      reader.Size("output_scale", 1)};
  if (dat.depths.size() != dat.heads.size())
    reader.Fail("has depths and heads of different length");
  for (const int heads : dat.heads) {
    if (heads % 2 != 0 || dat.embed_dim % heads != 0)
      reader.Fail("needs an even number of heads that divides embed_dim");
  }
  if (dat.ffn_hidden % 2 != 0) reader.Fail("needs an even ffn_hidden");
  if (dat.window_short % 2 != 0 || dat.window_long % dat.window_short != 0 ||
      int64_t{dat.window_short} * dat.window_long > kMaxWindowPixels) {
    reader.Fail(absl::StrCat("needs an even window_short that divides window_long, of ",
                             kMaxWindowPixels, " pixels together at most"));
  }
  HIIF_RETURN_IF_ERROR(reader.Finish());
  return EncoderConfig(dat);
}

// Its configuration does not follow from the shapes: scripts/get-dat writes it.
std::optional<EncoderConfig> FromTensors(const Safetensors&) { return std::nullopt; }

}  // namespace

EncoderConfig::EncoderConfig(const DatConfig& config) : encoder_(std::make_shared<Dat>(config)) {}

EncoderKind DatKind() { return {"dat", FromSizes, FromTensors}; }

}  // namespace hiif
