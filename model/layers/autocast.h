// bfloat16 by LibTorch's autocast: products and convolutions take bfloat16 factors, what adds up
// stays float32.
#ifndef MODEL_LAYERS_AUTOCAST_H_
#define MODEL_LAYERS_AUTOCAST_H_

#include <ATen/autocast_mode.h>

namespace hiif {

// Autocast belongs to the thread; this sets it for a scope.
class ScopedAutocast {
 public:
  ScopedAutocast(const at::Device& device, bool enabled) : type_(device.type()), on_(enabled) {
    if (!on_) return;
    at::autocast::set_autocast_dtype(type_, at::kBFloat16);
    at::autocast::set_autocast_enabled(type_, true);
  }
  ~ScopedAutocast() {
    if (!on_) return;
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(type_, false);
  }
  ScopedAutocast(const ScopedAutocast&) = delete;
  ScopedAutocast& operator=(const ScopedAutocast&) = delete;

 private:
  const at::DeviceType type_;
  const bool on_;
};

}  // namespace hiif

#endif  // MODEL_LAYERS_AUTOCAST_H_
