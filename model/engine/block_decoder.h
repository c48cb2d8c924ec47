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
#include "model/kernels/cuda/decoder_data.h"

namespace hiif {

class BlockDecoder {
 public:
  // The attention blocks of a context.
  struct Attention {
    std::vector<at::Tensor> projection;  // packed
    std::vector<at::Tensor> bias;        // (width) float32
    int64_t bytes() const;
  };
  // Queries of one image and context, or a rectangle of tables instead, as Engine::Group has them;
  // whose neighbours are places behind pixel `first_pixel`.
  struct Group {
    const Attention* attention = nullptr;
    std::array<float, 2> cell{};
    int64_t first_pixel = 0;
    absl::Span<const Query> queries;
    const Positions* positions = nullptr;
    Region region;
    int64_t size() const { return region.pixels() + std::ssize(queries); }
  };

  // Unimplemented: there is no kernel for this decoder, or none in this build for this device.
  static absl::StatusOr<std::unique_ptr<BlockDecoder>> Create(const FoldedHiif& folded,
                                                              at::Device device,
                                                              at::ScalarType type);
  // As HIIF_CUDA_DECODER says: null for "layers" and where it is not set, else Create() for
  // "fused".
  static absl::StatusOr<std::unique_ptr<BlockDecoder>> Chosen(const FoldedHiif& folded,
                                                              at::Device device,
                                                              at::ScalarType type);
  int64_t weights_bytes() const;

  // Adds the next attention block: FoldedTensors' projection and bias.
  void Fold(const at::Tensor& projection, const at::Tensor& bias, Attention& attention) const;
  // Colours before the residual, (n,3) float32, group after group.
  at::Tensor Decode(const ProjectedPixels& pixels, absl::Span<const Group> groups) const;

 private:
  BlockDecoder(const FoldedHiif& folded, at::Device device, at::ScalarType type);
  // A matrix (inputs,width) as model/kernels/cuda/decoder_data.h has it.
  at::Tensor Pack(const at::Tensor& matrix) const;
  const void* Keep(at::Tensor tensor);
  void Launch(const at::Tensor& groups, int count, int64_t largest) const;

  const at::Device device_;
  const at::ScalarType type_;
  const int width_;
  std::vector<at::Tensor> kept_;  // what weights_ points into
  kernels::DecoderWeights weights_;
};

}  // namespace hiif

#endif  // MODEL_ENGINE_BLOCK_DECODER_H_
