// RDN: dense blocks, whose layers see all before them, fused locally and at the end.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/encoders/bands.h"
#include "model/encoders/encoder.h"
#include "model/format/object_reader.h"
#include "model/layers/layers.h"

namespace hiif {
namespace {

// A dense block is done in bands of rows where its layers would take more than this.
constexpr int64_t kBandBytes = int64_t{256} << 20;

class Rdn : public Encoder {
 public:
  explicit Rdn(const RdnConfig& config) : config_(config) {}

  std::string name() const override { return "rdn"; }
  nlohmann::json sizes() const override {
    return {{"base_features", config_.base_features},
            {"blocks", config_.blocks},
            {"layers_per_block", config_.layers_per_block},
            {"growth", config_.growth}};
  }
  int features() const override { return config_.base_features; }

  Shapes shapes() const override {
    const int base = config_.base_features;
    Shapes shapes;
    AddConv(shapes, "SFENet1", base, 3, 3);
    AddConv(shapes, "SFENet2", base, base, 3);
    for (int block = 0; block < config_.blocks; ++block) {
      const std::string prefix = absl::StrCat("RDBs.", block);
      for (int layer = 0; layer < config_.layers_per_block; ++layer) {
        AddConv(shapes, absl::StrCat(prefix, ".convs.", layer, ".conv.0"), config_.growth,
                Channels(layer), 3);
      }
      AddConv(shapes, prefix + ".LFF", base, Channels(config_.layers_per_block), 1);
    }
    AddConv(shapes, "GFF.0", base, config_.blocks * base, 1);
    AddConv(shapes, "GFF.1", base, base, 3);
    return shapes;
  }

  at::Tensor Forward(const Scope& scope, const at::Tensor& image,
                     const Heartbeat& beat) const override {
    const at::Tensor first = Conv(image, scope.Below("SFENet1"));
    at::Tensor x = Conv(first, scope.Below("SFENet2")).to(image.scalar_type());
    // The fusion of all blocks is a sum of their parts: none of them is kept.
    const Scope fusion = scope.Below("GFF");
    const at::Tensor weight = fusion.Below("0").At("weight");
    at::Tensor fused;
    const int64_t rows = BandRows(x.size(2), x.size(3) * x.size(0)) + 2 * config_.layers_per_block;
    Buffers buffers{x.size(0) * std::min(x.size(2), rows) * x.size(3), {}, {}};
    for (int i = 0; i < config_.blocks; ++i) {
      x = Block(scope.Below(absl::StrCat("RDBs.", i)), x, beat, &buffers);
      const at::Tensor part =
          at::conv2d(x, weight.slice(1, int64_t{i} * features(), int64_t{i + 1} * features()),
                     i == 0 ? fusion.Below("0").At("bias") : at::Tensor());
      if (fused.defined()) {
        fused = AddTo(fused, part);
      } else {
        fused = part.to(image.scalar_type());
      }
    }
    return Conv(fused, fusion.Below("1")) + first;
  }

  bool recordable() const override { return true; }

  std::optional<int64_t> receptive_field() const override {
    return config_.blocks * config_.layers_per_block + 3;
  }

  double Cost(int64_t height, int64_t width) const override {
    return static_cast<double>(height * width) * MultiplyAdds(shapes());
  }

  // The first layer, x before and after a block, the sum, and a band of a block.
  int64_t Footprint(int64_t height, int64_t width, int value_bytes, bool) const override {
    const int64_t rows = std::min(height, BandRows(height, width) + 2 * config_.layers_per_block);
    return height * width * features() * (value_bytes + 12) +
           rows * width * LayerBytes(value_bytes);
  }

 private:
  int64_t Channels(int layers) const {
    return config_.base_features + int64_t{layers} * config_.growth;
  }
  // Of a pixel in a dense block: all channels, what its last layer reads and gives, and what the
  // fusion gives before and after x is added, and once more where it goes to.
  int64_t LayerBytes(int value_bytes) const {
    return (Channels(config_.layers_per_block) + Channels(config_.layers_per_block - 1) +
            config_.growth + int64_t{config_.base_features}) *
               value_bytes +
           8 * int64_t{config_.base_features};
  }
  // Rows of a band, without those around it that its layers read.
  int64_t BandRows(int64_t height, int64_t width) const {
    const int64_t most =
        std::max<int64_t>(8 * config_.layers_per_block, kBandBytes / (width * LayerBytes(4)));
    return height <= most + 2 * config_.layers_per_block ? height : EvenBand(height, most);
  }

  at::Tensor Layer(const Scope& block, int layer, const at::Tensor& dense,
                   const Heartbeat& beat) const {
    Beat(beat);
    return Conv(dense, block.Below(absl::StrCat("convs.", layer, ".conv.0"))).relu_();
  }

  // What layers write their channels into, and what a layer reads of it is put together in: of
  // tensors that grow with every layer none would fit where the one before it was. All bands have
  // the same.
  struct Buffers {
    int64_t pixels;  // of the largest band
    at::Tensor all;
    at::Tensor read;
  };

  at::Tensor Layers(const Scope& block, const at::Tensor& x, const Heartbeat& beat,
                    Buffers* buffers) const {
    at::Tensor grown = Layer(block, 0, x, beat);
    const int layers = config_.layers_per_block;
    if (!buffers->all.defined()) {
      buffers->all = at::empty({buffers->pixels * Channels(layers)}, grown.options());
      buffers->read = at::empty({buffers->pixels * Channels(layers - 1)}, grown.options());
    }
    const auto planes = [&](const at::Tensor& flat, int layer) {  // channels last
      const int64_t channels = Channels(layer);
      return flat.narrow(0, 0, x.size(0) * x.size(2) * x.size(3) * channels)
          .view({x.size(0), x.size(2), x.size(3), channels})
          .permute({0, 3, 1, 2});
    };
    const at::Tensor dense = planes(buffers->all, layers);
    dense.slice(1, 0, Channels(0)).copy_(x);
    for (int layer = 0;; ++layer) {
      dense.slice(1, Channels(layer), Channels(layer + 1)).copy_(grown);
      if (layer + 1 == layers) break;
      const at::Tensor input = planes(buffers->read, layer + 1);
      input.copy_(dense.slice(1, 0, Channels(layer + 1)));
      grown = Layer(block, layer + 1, input, beat);
    }
    grown.reset();
    return Conv(dense, block.Below("LFF")) + x;
  }

  // The same with a gradient, which takes all of them.
  at::Tensor LayersKept(const Scope& block, const at::Tensor& x, const Heartbeat& beat) const {
    at::Tensor dense = x;
    for (int layer = 0; layer < config_.layers_per_block; ++layer) {
      const at::Tensor grown = Layer(block, layer, dense, beat);
      dense = at::cat({dense.to(grown.scalar_type()), grown}, 1);
    }
    return Conv(dense, block.Below("LFF")) + x;
  }

  at::Tensor Block(const Scope& block, const at::Tensor& x, const Heartbeat& beat,
                   Buffers* buffers) const {
    const int64_t height = x.size(2);
    const int64_t halo = config_.layers_per_block;
    const int64_t band = BandRows(height, x.size(3) * x.size(0));
    if (TakesGradient()) return LayersKept(block, x, beat);
    if (height <= band) return Layers(block, x, beat, buffers);
    at::Tensor out = at::empty_like(x);
    for (int64_t begin = 0; begin < height; begin += band) {
      const int64_t end = std::min(height, begin + band);
      const int64_t from = std::max<int64_t>(0, begin - halo);
      const at::Tensor part =
          Layers(block, x.slice(2, from, std::min(height, end + halo)), beat, buffers);
      out.slice(2, begin, end).copy_(part.slice(2, begin - from, end - from));
    }
    return out;
  }

  const RdnConfig config_;
};

absl::StatusOr<EncoderConfig> FromSizes(const nlohmann::json& sizes) {
  ObjectReader reader(sizes, "encoder_config");
  const RdnConfig config{reader.Size("base_features", 1), reader.Size("blocks", 1),
                         reader.Size("layers_per_block", 1), reader.Size("growth", 1)};
  HIIF_RETURN_IF_ERROR(reader.Finish());
  return EncoderConfig(config);
}

std::optional<EncoderConfig> FromTensors(const Safetensors& tensors) {
  if (!tensors.tensors().contains("encoder.SFENet1.weight")) return std::nullopt;
  return EncoderConfig(RdnConfig{Dimension(tensors, "encoder.SFENet1.weight", 0),
                                 Count(tensors, "encoder.RDBs."),
                                 Count(tensors, "encoder.RDBs.0.convs."),
                                 Dimension(tensors, "encoder.RDBs.0.convs.0.conv.0.weight", 0)});
}

}  // namespace

EncoderConfig::EncoderConfig(const RdnConfig& config) : encoder_(std::make_shared<Rdn>(config)) {}

EncoderKind RdnKind() { return {"rdn", FromSizes, FromTensors}; }

}  // namespace hiif
