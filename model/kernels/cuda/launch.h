// projector.h and decoder.h on a GPU, for callers that know nothing of CUDA.
#ifndef MODEL_KERNELS_CUDA_LAUNCH_H_
#define MODEL_KERNELS_CUDA_LAUNCH_H_

#include <cstdint>
#include <string>

#include "model/kernels/cuda/decoder_data.h"

namespace hiif::kernels {

enum class DecoderValue { kFloat32, kBFloat16, kFloat16 };

// Widths that there is code for.
constexpr bool DecoderHasWidth(int64_t width) { return width == 96 || width == 256; }

// Of shared memory, which a block may have on every GPU since sm_80, so that two share a
// multiprocessor with more.
inline constexpr int kBlockBytes = 99 * 1024;

struct DecoderLaunch {
  DecoderValue value = DecoderValue::kFloat32;
  int width = 0;
  int device = 0;
  DecoderWeights weights;                // of pointers on the device
  const DecoderGroup* groups = nullptr;  // there too
  int group_count = 0;
  int64_t largest_group = 0;   // queries
  int64_t largest_pixels = 0;  // low-resolution pixels of a group
  void* stream = nullptr;      // a cudaStream_t; null: the device's default stream
};

// Projects the groups' pixels and decodes their queries. Puts the work into the stream and does not
// wait for it. Empty, or what CUDA said.
std::string LaunchDecoder(const DecoderLaunch& launch);

}  // namespace hiif::kernels

#endif  // MODEL_KERNELS_CUDA_LAUNCH_H_
