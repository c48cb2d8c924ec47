// One version of a model, in memory and warm.
#ifndef SERVER_MODELS_LOADED_MODEL_H_
#define SERVER_MODELS_LOADED_MODEL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "model/format/safetensors.h"
#include "model/upscaler/blended_upscaler.h"
#include "model/upscaler/factory.h"
#include "model/upscaler/self_ensemble.h"
#include "model/upscaler/upscaler.h"
#include "server/models/model_use.h"
#include "server/models/warm_up.h"

namespace hiif::server {

// What is known of a checkpoint once it was read.
struct ModelFacts {
  std::string version;  // first 12 digits of the digest
  std::string digest;   // SHA-256 of the file, hexadecimal
  std::string encoder;  // names as in model/config.h
  std::string decoder;
  std::string coordinates;
  std::string backend;
  std::string precision;
  std::string identity;  // Upscaler::identity()
  std::string device;
  int64_t parameters = 0;
  int64_t weights_bytes = 0;
  bool has_strength = false;  // two networks
  std::map<std::string, std::string> metadata;
  Pace pace;
};

// Immutable. Requests in flight hold it, so that it lives until the last of them is done.
class LoadedModel {
 public:
  // `faithful`: the second network, where the model has one.
  LoadedModel(std::string name, ModelFacts facts, std::unique_ptr<const Upscaler> upscaler,
              std::unique_ptr<const Upscaler> faithful = nullptr);
  ~LoadedModel();
  LoadedModel(const LoadedModel&) = delete;
  LoadedModel& operator=(const LoadedModel&) = delete;

  // Reads the checkpoint strictly, makes the upscaler and runs a small image through every stage.
  // Errors: those of Checkpoint::Open, MakeUpscaler and Upscaler, naming the file.
  static absl::StatusOr<std::shared_ptr<const LoadedModel>> Load(const std::string& name,
                                                                 const std::string& path,
                                                                 const UpscalerOptions& options,
                                                                 const SafetensorsLimits& limits);

  const std::string& name() const { return name_; }
  const ModelFacts& facts() const { return facts_; }
  const Upscaler& upscaler() const { return *upscaler_; }
  // A strength below 1 needs has_strength().
  const Upscaler& upscaler(const ModelUse& use) const;
  bool has_strength() const { return second_ != nullptr; }
  // facts().weights_bytes of all there are, those that only requests hold included.
  static int64_t WeightsInMemory();
  // Different for every load of this process, of the same file too.
  int64_t serial() const { return serial_; }
  // Multiply-adds of the encoder as output pixels that are decoded in the same time; 1 at least.
  int64_t EncodeCoordinates(double multiply_adds) const;

 private:
  // What there is beside the network that every model has.
  struct Second {
    Second(std::unique_ptr<const Upscaler> other, const Upscaler* sharp)
        : faithful(std::move(other)),
          blended(faithful.get(), sharp),
          faithful_ensemble(faithful.get()),
          blended_ensemble(&blended) {}
    const std::unique_ptr<const Upscaler> faithful;
    const BlendedUpscaler blended;
    const SelfEnsemble faithful_ensemble;
    const SelfEnsemble blended_ensemble;
  };
  const std::string name_;
  const ModelFacts facts_;
  const std::unique_ptr<const Upscaler> upscaler_;
  const SelfEnsemble self_ensemble_;
  const std::unique_ptr<const Second> second_;
  const int64_t serial_;
};

}  // namespace hiif::server

#endif  // SERVER_MODELS_LOADED_MODEL_H_
