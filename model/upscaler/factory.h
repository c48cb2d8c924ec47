// From a checkpoint to an Upscaler.
#ifndef MODEL_UPSCALER_FACTORY_H_
#define MODEL_UPSCALER_FACTORY_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/checkpoint/checkpoint.h"
#include "model/engine/precision.h"
#include "model/upscaler/upscaler.h"

namespace hiif {

enum class Backend {
  kAuto,       // kFused on a CPU where the decoder has one, else kTorch, else kReference
  kReference,  // LibTorch, operation by operation as the released code; the judge of the others
  kTorch,      // LibTorch, the algebra of model.md 2.3, CPU and CUDA
  kFused,      // CPU, a tile goes through all levels while it stays in cache
};

struct UpscalerOptions {
  Backend backend = Backend::kAuto;
  Precision precision = Precision::kAuto;
  std::string device = "cpu";  // or "cuda", "cuda:N"
};

// By the names that users say: "auto", "reference", "torch", "fused"; "auto", "float32",
// "bfloat16", "float16". InvalidArgument says them.
absl::StatusOr<Backend> ParseBackend(absl::string_view name);
absl::StatusOr<Precision> ParsePrecision(absl::string_view name);

// Unimplemented when the backend does not serve this decoder, precision or device on this machine;
// InvalidArgument for a device that is none, and where HIIF_FORCE_ISA names what the machine has
// not.
absl::StatusOr<std::unique_ptr<Upscaler>> MakeUpscaler(const Checkpoint& checkpoint,
                                                       const UpscalerOptions& options);

// How often, since the process began, some pixels were not finite in reduced precision and were
// computed again in float32: they alone, so that no pixel depends on its neighbours.
int64_t RecomputedPieces();

// Threads of one LibTorch operation, for the whole process; call once, before the first Upscaler.
// The server passes 1 (its own workers are the parallelism), tools pass the number of cores.
void SetIntraOpThreads(int threads);
// Threads that help with encodings (model/layers/parallel.h), of the whole process; the first call,
// before the first encoding, counts. Otherwise as many as there are cores.
void SetHelperThreads(int threads);

}  // namespace hiif

#endif  // MODEL_UPSCALER_FACTORY_H_
