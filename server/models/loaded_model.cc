#include "server/models/loaded_model.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/checkpoint/checkpoint.h"
#include "model/config.h"

namespace hiif::server {
namespace {

// The first call of a kernel allocates, packs weights and touches every page of them; a request
// should not pay.
absl::Status WarmUp(const Upscaler& upscaler) {
  auto image = std::make_shared<RgbImage>();
  image->height = 32;
  image->width = 32;
  image->samples.assign(32 * 32 * 3, 128);
  HIIF_ASSIGN_OR_RETURN(const auto features, upscaler.Encode(image));
  const Grid grid{64, 64};
  HIIF_ASSIGN_OR_RETURN(const auto context, upscaler.MakeContext(*features, grid, {}));
  std::vector<float> out(64 * 64 * 3);
  const RenderTile tile{features.get(), context.get(), Region{0, 0, 64, 64}, absl::MakeSpan(out)};
  return upscaler.Render({tile});
}

// The encoders are convolutions and per-pixel products at input resolution: as many multiply-adds a
// pixel as parameters. An output pixel of the full HIIF decoder takes about a million
// (model.md 2.3), which has 1.7 million parameters itself.
constexpr double kDecoderParameters = 1.7e6;
constexpr double kDecoderWork = 1e6;

}  // namespace

absl::StatusOr<std::shared_ptr<const LoadedModel>> LoadedModel::Load(
    const std::string& name, const std::string& path, const UpscalerOptions& options) {
  HIIF_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(path));
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
  facts.device = options.device;
  facts.parameters = checkpoint.parameters();
  facts.weights_bytes = model->upscaler_->weights_bytes();
  facts.metadata = checkpoint.metadata();
  model->encode_cost_ =
      std::max(0.05, (static_cast<double>(facts.parameters) - kDecoderParameters) / kDecoderWork);
  static std::atomic<int64_t> serials = 0;
  model->serial_ = ++serials;
  const absl::Status warm = WarmUp(*model->upscaler_);
  if (!warm.ok()) return absl::Status(warm.code(), absl::StrCat(path, ": ", warm.message()));
  return model;
}

}  // namespace hiif::server
