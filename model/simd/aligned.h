// Vectors that begin on a cache line, so that no load of a SIMD register straddles two.
#ifndef MODEL_SIMD_ALIGNED_H_
#define MODEL_SIMD_ALIGNED_H_

#include <cstddef>
#include <new>
#include <vector>

namespace hiif::kernels {

template <class T>
struct CacheLineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kAlignment{64};

  CacheLineAllocator() = default;
  template <class U>
  explicit CacheLineAllocator(const CacheLineAllocator<U>&) {}

  T* allocate(size_t count) {
    return static_cast<T*>(::operator new(count * sizeof(T), kAlignment));
  }
  void deallocate(T* memory, size_t) { ::operator delete(memory, kAlignment); }
  bool operator==(const CacheLineAllocator&) const = default;
};

template <class T>
using AlignedVector = std::vector<T, CacheLineAllocator<T>>;

}  // namespace hiif::kernels

#endif  // MODEL_SIMD_ALIGNED_H_
