#include "model/upscaler/factory.h"

#include <ATen/Parallel.h>

#include "base/status_macros.h"
#include "model/upscaler/fused.h"
#include "model/upscaler/reference.h"

namespace hiif {

absl::StatusOr<std::shared_ptr<const Features>> Upscaler::Encode(
    std::shared_ptr<const RgbImage> image) const {
  HIIF_ASSIGN_OR_RETURN(const std::unique_ptr<Encoding> encoding, StartEncoding(std::move(image)));
  for (int block = 0; block < encoding->blocks(); ++block) {
    HIIF_RETURN_IF_ERROR(encoding->EncodeBlock(block));
  }
  return encoding->Finish();
}

absl::StatusOr<std::unique_ptr<Upscaler>> MakeUpscaler(const Checkpoint& checkpoint,
                                                       const UpscalerOptions& options) {
  if (options.device != "cpu") return absl::UnimplementedError("only the device \"cpu\" is served");
  if (options.precision == Precision::kBFloat16) {
    return absl::UnimplementedError("no backend serves bfloat16 on this machine");
  }
  switch (options.backend) {
    case Backend::kAuto: {
      absl::StatusOr<std::unique_ptr<Upscaler>> fused = MakeFusedUpscaler(checkpoint);
      if (!absl::IsUnimplemented(fused.status())) return fused;
      return ReferenceUpscaler::Create(checkpoint);
    }
    case Backend::kReference:
      return ReferenceUpscaler::Create(checkpoint);
    case Backend::kFused:
      return MakeFusedUpscaler(checkpoint);
    default:
      return absl::UnimplementedError("this backend does not serve this checkpoint");
  }
}

void SetIntraOpThreads(int threads) { at::set_num_threads(threads); }

}  // namespace hiif
