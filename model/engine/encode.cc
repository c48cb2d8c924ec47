// Latent codes by LibTorch, block by block.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <atomic>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/engine/device.h"
#include "model/engine/latents.h"
#include "model/engine/tensors.h"
#include "model/layers/autocast.h"
#include "model/simd/isa.h"

namespace hiif {
namespace {

class TorchEncoder : public HostEncoder {
 public:
  TorchEncoder(Network network, bool bfloat16)
      : network_(std::move(network)), bfloat16_(bfloat16) {}

  int64_t weights_bytes() const override { return ParameterBytes(network_.parameters); }

  void Encode(const RgbImage& image, const EncodingPlan& plan, int block, int threads,
              const Heartbeat& beat, HostLatents& latents) const override {
    const c10::InferenceMode inference;
    const ScopedAutocast autocast(at::kCPU, bfloat16_);
    const at::Tensor codes =
        EncodePlanned(network_, at::kCPU, at::kFloat, image, plan, block, threads, beat)
            .to(at::kFloat)
            .contiguous();
    const float* values = codes.const_data_ptr<float>();
    const Region& r = plan.blocks[block];
    const int64_t row = r.width * latents.channels;
    for (int64_t y = 0; y < r.height; ++y) {
      std::copy_n(values + y * row, row,
                  latents.values.data() + ((r.y + y) * image.width + r.x) * latents.channels);
    }
  }

 private:
  const Network network_;
  const bool bfloat16_;
};

}  // namespace

std::string HostIdentity(absl::string_view name) {
  return absl::StrCat(name, "+", kernels::IsaName(kernels::ActiveVectors()), "+",
                      absl::AsciiStrToLower(at::get_cpu_capability()));
}

namespace {
std::atomic<int> g_threads = 0;  // of SetLibTorchThreads(); 0: nobody said
}  // namespace

void SetLibTorchThreads(int threads) {
  g_threads = threads;
  at::set_num_threads(threads);
}

// A thread that meets LibTorch for the first time takes the number that any other set last.
ScopedThreads::ScopedThreads(int threads)
    : before_(g_threads > 0 ? g_threads.load() : at::get_num_threads()) {
  at::set_num_threads(threads);
}
ScopedThreads::~ScopedThreads() { at::set_num_threads(before_); }

at::Tensor EncodePlanned(const Network& network, const at::Device& device, at::ScalarType type,
                         const RgbImage& image, const EncodingPlan& plan, int block, int threads,
                         const Heartbeat& beat) {
  const ScopedThreads scope(std::max(1, threads));
  const Region& r = plan.blocks[block];
  const Region read = plan.Read(block);
  const at::Tensor part = NormalisedImage(image, read, network.config.normalisation)
                              .to(device, type)
                              .contiguous(at::MemoryFormat::ChannelsLast);
  return EncodeImage(network, part, beat)[0]
      .slice(1, r.y - read.y, r.y - read.y + r.height)
      .slice(2, r.x - read.x, r.x - read.x + r.width)
      .permute({1, 2, 0});
}

void Store(const at::Tensor& values, int64_t rows, float* out) {
  const at::Tensor host = ToHost(values.slice(0, 0, rows));
  std::copy_n(host.const_data_ptr<float>(), host.numel(), out);
}

std::vector<float> PlaneValues(const at::Tensor& planes) {
  const at::Tensor host = ToHost(planes);
  return {host.const_data_ptr<float>(), host.const_data_ptr<float>() + host.numel()};
}

int64_t ParameterBytes(const Parameters& parameters) {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : parameters) bytes += static_cast<int64_t>(tensor.nbytes());
  return bytes;
}

absl::StatusOr<std::unique_ptr<HostEncoder>> HostEncoder::Create(const Checkpoint& checkpoint,
                                                                 bool bfloat16) {
  HIIF_ASSIGN_OR_RETURN(Network network, LoadNetwork(checkpoint));
  if (network.config.encoder->keeps_float32()) bfloat16 = false;
  std::erase_if(network.parameters, [](const auto& p) { return !p.first.starts_with("encoder."); });
  for (auto& [name, tensor] : network.parameters) {
    if (tensor.dim() == 4) tensor = tensor.contiguous(at::MemoryFormat::ChannelsLast);
    if (bfloat16 && tensor.dim() >= 2) tensor = tensor.to(at::kBFloat16);  // not at every call
  }
  return std::make_unique<TorchEncoder>(std::move(network), bfloat16);
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
