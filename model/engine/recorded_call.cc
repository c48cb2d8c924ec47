#include "model/engine/recorded_call.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"

#ifdef HIIF_CUDA_KERNELS
#include <ATen/cuda/CUDAGraph.h>
// libtorch_cuda.so may come by LD_PRELOAD, or not at all (HIIF_CUDA_PRELOADED).
#pragma weak _ZN2at4cuda9CUDAGraphC1Eb
#pragma weak _ZN2at4cuda9CUDAGraphD1Ev
#pragma weak _ZN2at4cuda9CUDAGraph13capture_beginESt4pairIyyE21cudaStreamCaptureMode
#pragma weak _ZN2at4cuda9CUDAGraph11capture_endEv
#pragma weak _ZN2at4cuda9CUDAGraph6replayEv
#endif

namespace hiif {
namespace {

#ifdef HIIF_CUDA_KERNELS
class CudaGraph : public RecordedCall {
 public:
  static std::unique_ptr<RecordedCall> Record(const std::function<void()>& work) {
    work();
    auto recorded = std::make_unique<CudaGraph>();
    try {
      // Other threads may allocate meanwhile.
      recorded->graph_.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    } catch (const c10::Error&) {
      return nullptr;
    }
    bool whole = true;
    try {
      work();
    } catch (const c10::Error&) {
      whole = false;
    }
    try {
      recorded->graph_.capture_end();
    } catch (const c10::Error&) {
      whole = false;
    }
    if (!whole) return nullptr;
    return recorded;
  }
  void Replay() override { graph_.replay(); }

 private:
  at::cuda::CUDAGraph graph_;
};
#endif

}  // namespace

absl::StatusOr<Recorder> CudaRecorder(const at::Device& device) {
  const char* name = std::getenv("HIIF_CUDA_GRAPHS");
  const absl::string_view chosen = name == nullptr ? "on" : name;
  if (chosen != "on" && chosen != "off" && !chosen.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("HIIF_CUDA_GRAPHS: \"", chosen, "\" is neither on nor off"));
  }
#ifdef HIIF_CUDA_KERNELS
  if (device.is_cuda() && chosen != "off") return Recorder(CudaGraph::Record);
#else
  (void)device;
#endif
  return Recorder();
}

}  // namespace hiif
