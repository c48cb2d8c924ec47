// Internal to model/engine: the whole decoder as one kernel (model/kernels/cuda), for tensors. On a
// CPU the same code runs in plain loops, slowly: so it is tested where there is no GPU.
#ifndef MODEL_ENGINE_BLOCK_DECODER_H_
#define MODEL_ENGINE_BLOCK_DECODER_H_

#include <ATen/ATen.h>

#include <array>
#include <iterator>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/hiif/folded.h"
#include "model/hiif/folded_tensors.h"
#include "model/hiif/queries.h"
#include "model/kernels/cuda/launch.h"

namespace hiif {

class BlockDecoder {
 public:
  // The attention blocks of a context.
  struct Attention {
    std::vector<at::Tensor> projection;  // packed
    std::vector<at::Tensor> bias;        // (width) float32
    int64_t bytes() const;
  };
  // As Engine::Group; `codes` are (height * width, channels) of the image.
  struct Group {
    const at::Tensor* codes = nullptr;
    Grid size;
    absl::Span<const PixelIndex> pixels;
    const Attention* attention = nullptr;  // of Decode()
    std::array<float, 2> cell{};
    absl::Span<const Query> queries;
    const Positions* positions = nullptr;
    Region region;
    int64_t count() const { return region.pixels() + std::ssize(queries); }
  };

  // Unimplemented: there is no kernel for this decoder, or none in this build for this device.
  static absl::StatusOr<std::unique_ptr<BlockDecoder>> Create(const FoldedHiif& folded,
                                                              at::Device device,
                                                              at::ScalarType type);
  // As HIIF_CUDA_DECODER says: null for "layers", else Create() for "fused". Where it is not set,
  // the latter on a GPU, as far as there is a kernel.
  static absl::StatusOr<std::unique_ptr<BlockDecoder>> Chosen(const FoldedHiif& folded,
                                                              at::Device device,
                                                              at::ScalarType type);
  int64_t weights_bytes() const;

  // Adds the next attention block: FoldedTensors' projection and bias.
  void Fold(const at::Tensor& projection, const at::Tensor& bias, Attention& attention) const;
  // Colours before the residual, (n,3) float32, group after group.
  at::Tensor Decode(absl::Span<const Group> groups) const;
  // Level 0 alone: (n,width).
  at::Tensor Begin(const Group& group) const;

 private:
  BlockDecoder(const FoldedHiif& folded, at::Device device, at::ScalarType type);
  // A matrix (inputs,width) as model/kernels/cuda/decoder_data.h has it.
  at::Tensor Pack(const at::Tensor& matrix) const;
  const void* Keep(at::Tensor tensor);
  // Decode(), or Begin(), into `out`.
  void Run(absl::Span<const Group> groups, bool begin, at::Tensor& out) const;
  void Launch(const kernels::DecoderLaunch& launch) const;

  const at::Device device_;
  const at::ScalarType type_;
  const int width_;
  std::vector<at::Tensor> kept_;  // what weights_ points into
  kernels::DecoderWeights weights_;
};

}  // namespace hiif

#endif  // MODEL_ENGINE_BLOCK_DECODER_H_
