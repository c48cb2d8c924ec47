// Internal to model/engine: arrays of plain structs that go to a device in one copy, and may hold
// pointers into each other there.
#ifndef MODEL_ENGINE_UPLOAD_H_
#define MODEL_ENGINE_UPLOAD_H_

#include <ATen/ATen.h>

#include <cstddef>

#include "model/engine/device.h"

namespace hiif {

// First Add() of each array, then Allocate(), then write to Host() and Send().
class Upload {
 public:
  explicit Upload(const at::Device& device) : device_(device) {}

  // Room for `count` of T; says where.
  template <class T>
  size_t Add(int64_t count) {
    const size_t at = bytes_;
    bytes_ += (static_cast<size_t>(count) * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
    return at;
  }
  void Allocate() {
    host_ = HostTensor({static_cast<int64_t>(bytes_)}, at::kByte, device_);
    there_ = device_.is_cpu()
                 ? host_
                 : at::empty(host_.sizes(), at::TensorOptions().device(device_).dtype(at::kByte));
  }
  template <class T>
  T* Host(size_t at) const {
    return reinterpret_cast<T*>(static_cast<std::byte*>(host_.mutable_data_ptr()) + at);
  }
  // Valid while this is.
  template <class T>
  const T* There(size_t at) const {
    return reinterpret_cast<const T*>(static_cast<const std::byte*>(there_.const_data_ptr()) + at);
  }
  // Does not wait.
  void Send() {
    if (!device_.is_cpu()) there_.copy_(host_, /*non_blocking=*/true);
  }

 private:
  static constexpr size_t kAlignment = 16;

  const at::Device device_;
  size_t bytes_ = 0;
  at::Tensor host_, there_;
};

}  // namespace hiif

#endif  // MODEL_ENGINE_UPLOAD_H_
