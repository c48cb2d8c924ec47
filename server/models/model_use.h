// How a request takes a model.
#ifndef SERVER_MODELS_MODEL_USE_H_
#define SERVER_MODELS_MODEL_USE_H_

#include <cstdint>

#include "model/upscaler/blended_upscaler.h"
#include "model/upscaler/self_ensemble.h"

namespace hiif::server {

// Members are those of v1::UpscaleParameters.
struct ModelUse {
  bool self_ensemble = false;
  double strength = 1;  // below 1: only of a model that has a faithful network

  bool faithful() const { return strength == 0; }
  bool blended() const { return strength > 0 && strength < 1; }
  // Different for uses whose features, and so whose upscalers, are different: 0 to kWays - 1.
  static constexpr int kWays = 6;
  int way() const {
    return (blended() ? 2 : static_cast<int>(faithful())) * 2 + static_cast<int>(self_ensemble);
  }
  // Every piece costs this many times what the model alone would.
  int64_t variants() const {
    return (self_ensemble ? SelfEnsemble::kVariants : 1) *
           (blended() ? BlendedUpscaler::kNetworks : 1);
  }
};

}  // namespace hiif::server

#endif  // SERVER_MODELS_MODEL_USE_H_
