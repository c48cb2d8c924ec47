#include "server/models/loaded_model.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/checkpoint/checkpoint.h"
#include "model/config.h"

namespace hiif::server {

absl::StatusOr<std::shared_ptr<const LoadedModel>> LoadedModel::Load(
    const std::string& name, const std::string& path, const UpscalerOptions& options,
    const SafetensorsLimits& limits) {
  HIIF_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(path, limits));
  auto model = std::shared_ptr<LoadedModel>(new LoadedModel);
  model->name_ = name;
  auto upscaler = MakeUpscaler(checkpoint, options);
  if (!upscaler.ok())
    return absl::Status(upscaler.status().code(),
                        absl::StrCat(path, ": ", upscaler.status().message()));
  model->upscaler_ = *std::move(upscaler);
  model->self_ensemble_ = std::make_unique<SelfEnsemble>(model->upscaler_.get());
  ModelFacts& facts = model->facts_;
  facts.digest = checkpoint.digest();
  facts.version = facts.digest.substr(0, 12);
  facts.encoder = EncoderName(checkpoint.config().encoder);
  facts.decoder = DecoderName(checkpoint.config().decoder);
  facts.coordinates = CoordinateModeName(checkpoint.config().coordinates);
  facts.backend = model->upscaler_->backend();
  facts.precision = model->upscaler_->precision();
  facts.identity = model->upscaler_->identity();
  facts.device = options.device;
  facts.parameters = checkpoint.parameters();
  facts.weights_bytes = model->upscaler_->weights_bytes();
  facts.metadata = checkpoint.metadata();
  static std::atomic<int64_t> serials = 0;
  model->serial_ = ++serials;
  const absl::StatusOr<Pace> pace = WarmUp(*model->upscaler_);
  if (!pace.ok())
    return absl::Status(pace.status().code(), absl::StrCat(path, ": ", pace.status().message()));
  facts.pace = *pace;
  return model;
}

int64_t LoadedModel::EncodeCoordinates(double multiply_adds) const {
  const double seconds = multiply_adds / facts_.pace.encoded_work;
  return std::max<int64_t>(1, std::llround(seconds * facts_.pace.decoded_pixels));
}

}  // namespace hiif::server
