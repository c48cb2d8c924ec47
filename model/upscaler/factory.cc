#include "model/upscaler/factory.h"

#include <ATen/Parallel.h>

#include "base/status_macros.h"
#include "model/upscaler/fused.h"
#include "model/upscaler/reference.h"
#include "model/upscaler/tensor_upscaler.h"
#include "model/upscaler/torch.h"

namespace hiif {

absl::StatusOr<std::shared_ptr<const Features>> Upscaler::Encode(
    std::shared_ptr<const RgbImage> image) const {
  HIIF_ASSIGN_OR_RETURN(const std::unique_ptr<Encoding> encoding, StartEncoding(std::move(image)));
  for (int block = 0; block < encoding->blocks(); ++block) {
    HIIF_RETURN_IF_ERROR(encoding->EncodeBlock(block, at::get_num_threads()));
  }
  return encoding->Finish();
}

absl::StatusOr<std::unique_ptr<Upscaler>> MakeUpscaler(const Checkpoint& checkpoint,
                                                       const UpscalerOptions& options) {
  // There is no network that a backend or device could compute otherwise.
  if (IsFilter(checkpoint.config().decoder)) return MakeTensorUpscaler(checkpoint);
  const auto torch = [&] {
    return MakeTorchUpscaler(checkpoint, options.precision, options.device);
  };
  if (options.backend == Backend::kTorch) return torch();
  if (options.device != "cpu") {
    if (options.backend == Backend::kAuto) return torch();
    return absl::UnimplementedError("only the torch backend serves devices other than \"cpu\"");
  }
  if (options.precision == Precision::kFloat16) {
    return absl::UnimplementedError(
        "on a CPU float16 is served by the torch backend alone, and slower than float32: name the "
        "backend, or leave the precision at auto");
  }
  switch (options.backend) {
    case Backend::kReference:
      if (options.precision == Precision::kBFloat16) {
        return absl::UnimplementedError("the reference backend computes in float32 alone");
      }
      return ReferenceUpscaler::Create(checkpoint);
    case Backend::kFused:
      return MakeFusedUpscaler(checkpoint, options.precision);
    default:
      break;
  }
  absl::StatusOr<std::unique_ptr<Upscaler>> upscaler =
      MakeFusedUpscaler(checkpoint, options.precision);
  if (absl::IsUnimplemented(upscaler.status())) upscaler = torch();
  if (absl::IsUnimplemented(upscaler.status()) && options.precision != Precision::kBFloat16)
    return ReferenceUpscaler::Create(checkpoint);
  return upscaler;
}

void SetIntraOpThreads(int threads) { at::set_num_threads(threads); }

}  // namespace hiif
