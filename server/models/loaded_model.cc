#include "server/models/loaded_model.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/checkpoint/checkpoint.h"
#include "model/config.h"

namespace hiif::server {
namespace {

std::atomic<int64_t> g_weights = 0;

int64_t NextSerial() {
  static std::atomic<int64_t> serials = 0;
  return ++serials;
}

ModelFacts FactsOf(const Checkpoint& checkpoint, const Upscaler& upscaler,
                   const std::string& device) {
  ModelFacts facts;
  facts.digest = checkpoint.digest();
  facts.version = facts.digest.substr(0, 12);
  facts.encoder = EncoderName(checkpoint.config().encoder);
  facts.decoder = DecoderName(checkpoint.config().decoder);
  facts.coordinates = CoordinateModeName(checkpoint.config().coordinates);
  facts.backend = upscaler.backend();
  facts.precision = upscaler.precision();
  facts.identity = upscaler.identity();
  facts.device = device;
  facts.parameters = checkpoint.parameters();
  facts.weights_bytes = upscaler.weights_bytes();
  facts.has_strength = checkpoint.has_faithful();
  facts.metadata = checkpoint.metadata();
  return facts;
}

}  // namespace

LoadedModel::LoadedModel(std::string name, ModelFacts facts,
                         std::unique_ptr<const Upscaler> upscaler,
                         std::unique_ptr<const Upscaler> faithful)
    : name_(std::move(name)),
      facts_(std::move(facts)),
      upscaler_(std::move(upscaler)),
      self_ensemble_(upscaler_.get()),
      second_(faithful == nullptr
                  ? nullptr
                  : std::make_unique<const Second>(std::move(faithful), upscaler_.get())),
      serial_(NextSerial()) {
  g_weights += facts_.weights_bytes;
}

LoadedModel::~LoadedModel() { g_weights -= facts_.weights_bytes; }

const Upscaler& LoadedModel::upscaler(const ModelUse& use) const {
  const auto pick = [&](const Upscaler& single, const Upscaler& ensemble) -> const Upscaler& {
    return use.self_ensemble ? ensemble : single;
  };
  if (use.blended()) return pick(second_->blended, second_->blended_ensemble);
  if (use.faithful()) return pick(*second_->faithful, second_->faithful_ensemble);
  return pick(*upscaler_, self_ensemble_);
}

int64_t LoadedModel::WeightsInMemory() { return g_weights; }

absl::StatusOr<std::shared_ptr<const LoadedModel>> LoadedModel::Load(
    const std::string& name, const std::string& path, const UpscalerOptions& options,
    const SafetensorsLimits& limits) {
  const auto named = [&](const absl::Status& status) {
    return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
  };
  HIIF_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(path, limits));
  absl::StatusOr<std::unique_ptr<Upscaler>> upscaler = MakeUpscaler(checkpoint, options);
  if (!upscaler.ok()) return named(upscaler.status());
  ModelFacts facts = FactsOf(checkpoint, **upscaler, options.device);
  const absl::StatusOr<Pace> pace = WarmUp(**upscaler);
  if (!pace.ok()) return named(pace.status());
  facts.pace = *pace;
  std::unique_ptr<Upscaler> faithful;
  if (checkpoint.has_faithful()) {
    absl::StatusOr<std::unique_ptr<Upscaler>> second = MakeUpscaler(checkpoint.Faithful(), options);
    if (!second.ok()) return named(second.status());
    const absl::Status warm = WarmUp(**second).status();
    if (!warm.ok()) return named(warm);
    faithful = *std::move(second);
    facts.parameters *= BlendedUpscaler::kNetworks;
    facts.weights_bytes += faithful->weights_bytes();
  }
  return std::make_shared<const LoadedModel>(name, std::move(facts), *std::move(upscaler),
                                             std::move(faithful));
}

int64_t LoadedModel::EncodeCoordinates(double multiply_adds) const {
  const double seconds = multiply_adds / facts_.pace.encoded_work;
  return std::max<int64_t>(1, std::llround(seconds * facts_.pace.decoded_pixels));
}

}  // namespace hiif::server
