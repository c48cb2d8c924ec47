#include "model/upscaler/encoder.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "base/status_macros.h"
#include "model/layers/autocast.h"
#include "model/network.h"
#include "model/upscaler/tensors.h"

namespace hiif {
namespace {

constexpr int64_t kBlockSide = 384;

// Pixels that reach an output of the encoder on each side: one per 3x3 convolution on the longest
// path.
int64_t ReceptiveField(const EncoderConfig& encoder) {
  if (const auto* edsr = std::get_if<EdsrConfig>(&encoder)) return 2 * edsr->blocks + 2;
  if (std::holds_alternative<NoEncoderConfig>(encoder)) return 0;
  const auto& rdn = std::get<RdnConfig>(encoder);
  return rdn.blocks * rdn.layers_per_block + 3;
}

// Transformers attend across the image.
bool TakesWholeImage(const EncoderConfig& encoder) {
  return std::holds_alternative<SwinIrConfig>(encoder) ||
         std::holds_alternative<DatConfig>(encoder);
}

class TorchEncoder : public LatentEncoder {
 public:
  TorchEncoder(Network network, bool bfloat16)
      : network_(std::move(network)), bfloat16_(bfloat16) {}

  int channels() const override { return EncoderFeatures(network_.config.encoder); }

  int64_t weights_bytes() const override {
    int64_t bytes = 0;
    for (const auto& [name, tensor] : network_.parameters)
      bytes += static_cast<int64_t>(tensor.nbytes());
    return bytes;
  }

  absl::Status Encode(const RgbImage& image, const Region& block, int64_t halo, int threads,
                      float* latents) const override {
    return CatchTorch([&]() -> absl::Status {
      const ScopedEncoderThreads scope(network_.config.encoder, threads);
      const c10::InferenceMode inference;
      const ScopedAutocast autocast(at::kCPU, bfloat16_);
      const Region read = WithHalo(block, halo, image.height, image.width);
      const at::Tensor part = NormalisedImage(image, read, network_.config.normalisation)
                                  .contiguous(at::MemoryFormat::ChannelsLast);
      const at::Tensor codes = EncodeImage(network_, part)
                                   .slice(2, block.y - read.y, block.y - read.y + block.height)
                                   .slice(3, block.x - read.x, block.x - read.x + block.width)
                                   .permute({0, 2, 3, 1})
                                   .to(at::kFloat)
                                   .contiguous();
      const float* values = codes.data_ptr<float>();
      const int64_t row = block.width * channels();
      for (int64_t y = 0; y < block.height; ++y) {
        std::copy_n(values + y * row, row,
                    latents + ((block.y + y) * image.width + block.x) * channels());
      }
      return absl::OkStatus();
    });
  }

 private:
  const Network network_;
  const bool bfloat16_;
};

}  // namespace

ScopedEncoderThreads::ScopedEncoderThreads(const EncoderConfig& encoder, int threads)
    : before_(at::get_num_threads()) {
  at::set_num_threads(TakesWholeImage(encoder) ? 1 : std::max(1, threads));
}

ScopedEncoderThreads::~ScopedEncoderThreads() { at::set_num_threads(before_); }

int64_t EncodingPlan::BlockPixels(int block, int64_t height, int64_t width) const {
  const Region& r = blocks[block];
  return std::min(r.width + 2 * halo, width) * std::min(r.height + 2 * halo, height);
}

Region WithHalo(const Region& block, int64_t halo, int64_t height, int64_t width) {
  const int64_t x = std::max<int64_t>(0, block.x - halo);
  const int64_t y = std::max<int64_t>(0, block.y - halo);
  return {x, y, std::min(width, block.x + block.width + halo) - x,
          std::min(height, block.y + block.height + halo) - y};
}

EncodingPlan PlanEncoding(const EncoderConfig& encoder, int64_t height, int64_t width) {
  if (TakesWholeImage(encoder)) return {{{0, 0, width, height}}, 0};
  EncodingPlan plan;
  plan.halo = ReceptiveField(encoder);
  const auto cuts = [](int64_t size) {
    return std::max<int64_t>(1, (size + kBlockSide / 2) / kBlockSide);
  };
  const int64_t rows = cuts(height);
  const int64_t columns = cuts(width);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t x = width * c / columns;
      const int64_t y = height * r / rows;
      plan.blocks.push_back({x, y, width * (c + 1) / columns - x, height * (r + 1) / rows - y});
    }
  }
  return plan;
}

absl::StatusOr<std::unique_ptr<LatentEncoder>> LatentEncoder::Create(const Checkpoint& checkpoint,
                                                                     bool bfloat16) {
  return CatchTorch([&]() -> absl::StatusOr<std::unique_ptr<LatentEncoder>> {
    HIIF_ASSIGN_OR_RETURN(Network network, LoadNetwork(checkpoint));
    std::erase_if(network.parameters,
                  [](const auto& p) { return !p.first.starts_with("encoder."); });
    // Rounded, the latent codes of DAT cost 0.04 dB.
    if (std::holds_alternative<DatConfig>(network.config.encoder)) bfloat16 = false;
    for (auto& [name, tensor] : network.parameters) {
      if (tensor.dim() == 4) tensor = tensor.contiguous(at::MemoryFormat::ChannelsLast);
      if (bfloat16 && tensor.dim() >= 2) tensor = tensor.to(at::kBFloat16);  // not at every call
    }
    return std::make_unique<TorchEncoder>(std::move(network), bfloat16);
  });
}

at::Tensor NormalisedImage(const RgbImage& image, const Region& region,
                           const Normalisation& normalisation) {
  const int64_t stride = image.width * 3;
  const std::vector<int64_t> shape = {1, region.height, region.width, 3};
  const std::vector<int64_t> strides = {image.height * stride, stride, 3, 1};
  const int bytes = SampleBytes(image.type);
  void* first =
      const_cast<uint8_t*>(image.samples.data() + (region.y * stride + region.x * 3) * bytes);
  at::Tensor values;
  switch (image.type) {
    case SampleType::kU8:
      values = at::from_blob(first, shape, strides, at::kByte).to(at::kFloat) / 255.0;
      break;
    case SampleType::kU16:
      values = at::from_blob(first, shape, strides, at::kUInt16).to(at::kFloat) / 65535.0;
      break;
    case SampleType::kF32:
      values = at::from_blob(first, shape, strides, at::kFloat);
      break;
  }
  if (normalisation == Normalisation{}) return ((values - 0.5) / 0.5).permute({0, 3, 1, 2});
  const auto row = [](const std::array<float, 3>& v) { return at::tensor(at::ArrayRef<float>(v)); };
  return ((values - row(normalisation.mean)) / row(normalisation.deviation)).permute({0, 3, 1, 2});
}

}  // namespace hiif
