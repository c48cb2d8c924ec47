// Tensors of the KServe V2 protocol to and from pictures.
#ifndef SERVER_FRONTS_KSERVE_TENSORS_H_
#define SERVER_FRONTS_KSERVE_TENSORS_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "hiif/v1/super_resolution.pb.h"
#include "inference/grpc_service.pb.h"

namespace hiif::server::kserve {

inline constexpr char kImage[] = "IMAGE";  // in and out
inline constexpr char kScale[] = "SCALE";

// What a ModelInferRequest brings. Borrows it.
struct InferInput {
  // A whole file (one BYTES element), answered by a file; or pixels, answered by pixels of the same
  // type.
  std::optional<absl::string_view> file;
  v1::ImageSource pixels;
  std::optional<v1::Scale> scale;
};

// IMAGE: BYTES of one element, or UINT8, UINT16, FP32 of [height, width, channels], a leading 1
// allowed. SCALE, where the size does not come from parameters: FP32 or FP64 of [2] (horizontal,
// vertical) or [1]. InvalidArgument names the tensor and what is allowed; Unimplemented: shared
// memory.
absl::StatusOr<InferInput> ReadInput(const inference::ModelInferRequest& request);

// A single-precision number as the decimal that was meant: 2.7f is 2.7.
double MeantBy(float value);

}  // namespace hiif::server::kserve

#endif  // SERVER_FRONTS_KSERVE_TENSORS_H_
