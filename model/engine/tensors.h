// Internal to model/engine: what the engines on LibTorch share.
#ifndef MODEL_ENGINE_TENSORS_H_
#define MODEL_ENGINE_TENSORS_H_

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/network.h"
#include "model/cost/plan.h"

namespace hiif {

// Part of an image, (1,3,h,w) float32, as the network sees it; in channels-last order. May view the
// image.
at::Tensor NormalisedImage(const RgbImage& image, const Region& region,
                           const Normalisation& normalisation);

// Latent codes of a block of an image, (block height, block width, C_e): encoded with its halo, as
// `type` on `device`, where the parameters are, by at most `threads` threads.
at::Tensor EncodePlanned(const Network& network, const at::Device& device, at::ScalarType type,
                         const RgbImage& image, const EncodingPlan& plan, int block, int threads,
                         const Heartbeat& beat);

// "name+avx2+avx2": an engine on the host, and the instructions that encoders get here from
// model/simd and from LibTorch, by which sums differ in their last bits.
std::string HostIdentity(absl::string_view name);

// LibTorch's threads of every thread, where no ScopedThreads says another number.
void SetLibTorchThreads(int threads);

// LibTorch's threads for what the calling thread does in this scope.
class ScopedThreads {
 public:
  explicit ScopedThreads(int threads);
  ~ScopedThreads();
  ScopedThreads(const ScopedThreads&) = delete;
  ScopedThreads& operator=(const ScopedThreads&) = delete;

 private:
  const int before_;
};

// Sums of attention are taken of calls of a fixed size and added in double, so that they do not
// depend on what memory there is: sum_of(begin, count) of all `rows`, `call` at a time.
template <class F>
std::vector<double> SumOfCalls(int64_t rows, int64_t call, const F& sum_of) {
  std::vector<double> sum;
  for (int64_t begin = 0; begin < rows; begin += call) {
    const at::Tensor part =
        sum_of(begin, std::min(call, rows - begin)).to(at::kCPU, at::kDouble).contiguous();
    const double* values = part.template const_data_ptr<double>();
    sum.resize(part.numel());
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += values[i];
  }
  return sum;
}

// The values of the first `rows` rows, one after the other, from wherever they are.
void Store(const at::Tensor& values, int64_t rows, float* out);
// (C,h,w) or (C,h w), float32, plane after plane.
std::vector<float> PlaneValues(const at::Tensor& planes);

// Bytes of the parameters.
int64_t ParameterBytes(const Parameters& parameters);

}  // namespace hiif

#endif  // MODEL_ENGINE_TENSORS_H_
