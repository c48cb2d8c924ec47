#include "model/engine/recorded_call.h"

#include "base/status_macros.h"
#include "model/engine/device.h"

#ifdef HIIF_CUDA_KERNELS
#include <ATen/cuda/CUDAGraph.h>
#include <dlfcn.h>
#endif

namespace hiif {
namespace {

#ifdef HIIF_CUDA_KERNELS
// What at::cuda::CUDAGraph does, looked up: libtorch_cuda.so may come by LD_PRELOAD, or not at all
// (HIIF_CUDA_PRELOADED), so that nothing can be linked to it.
struct GraphFunctions {
  void (*construct)(void*, bool keep_graph);
  void (*destroy)(void*);
  void (*begin)(void*, c10::MempoolId_t, cudaStreamCaptureMode);
  void (*end)(void*);
  void (*replay)(void*);
};

template <class F>
bool Find(const char* name, F& function) {
  function = reinterpret_cast<F>(dlsym(RTLD_DEFAULT, name));
  return function != nullptr;
}

// Null: not all of them are there.
const GraphFunctions* FindGraphFunctions() {
  static GraphFunctions functions;
  static const bool found =
      Find("_ZN2at4cuda9CUDAGraphC1Eb", functions.construct) &&
      Find("_ZN2at4cuda9CUDAGraphD1Ev", functions.destroy) &&
      Find("_ZN2at4cuda9CUDAGraph13capture_beginESt4pairIyyE21cudaStreamCaptureMode",
           functions.begin) &&
      Find("_ZN2at4cuda9CUDAGraph11capture_endEv", functions.end) &&
      Find("_ZN2at4cuda9CUDAGraph6replayEv", functions.replay);
  return found ? &functions : nullptr;
}

class CudaGraph : public RecordedCall {
 public:
  explicit CudaGraph(const GraphFunctions& functions) : functions_(functions) {
    functions_.construct(storage_, false);
  }
  ~CudaGraph() override { functions_.destroy(storage_); }
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  static std::unique_ptr<RecordedCall> Record(const GraphFunctions& functions,
                                              const std::function<void()>& work) {
    work();
    auto recorded = std::make_unique<CudaGraph>(functions);
    try {
      // Other threads may allocate meanwhile.
      functions.begin(recorded->storage_, {0, 0}, cudaStreamCaptureModeThreadLocal);
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
      functions.end(recorded->storage_);
    } catch (const c10::Error&) {
      whole = false;
    }
    if (!whole) return nullptr;
    return recorded;
  }
  void Replay() override { functions_.replay(storage_); }

 private:
  const GraphFunctions& functions_;
  alignas(at::cuda::CUDAGraph) unsigned char storage_[sizeof(at::cuda::CUDAGraph)];
};
#endif

}  // namespace

absl::StatusOr<Recorder> CudaRecorder(const at::Device& device) {
  HIIF_ASSIGN_OR_RETURN(const absl::string_view chosen,
                        ChosenByEnvironment("HIIF_CUDA_GRAPHS", "on", "off"));
  if (!device.is_cuda() || chosen == "off") return Recorder();
#ifdef HIIF_CUDA_KERNELS
  if (const GraphFunctions* functions = FindGraphFunctions(); functions != nullptr) {
    return Recorder([functions](const std::function<void()>& work) {
      return CudaGraph::Record(*functions, work);
    });
  }
#endif
  return Recorder();
}

}  // namespace hiif
