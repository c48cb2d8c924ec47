// Bytes that many requests share.
#ifndef SERVER_CORE_BYTE_BUDGET_H_
#define SERVER_CORE_BYTE_BUDGET_H_

#include <atomic>
#include <cstdint>

namespace hiif::server {

// Any thread.
class ByteBudget {
 public:
  explicit ByteBudget(int64_t bytes) : total_(bytes), left_(bytes) {}
  // What needs more than this never gets it.
  int64_t total() const { return total_; }
  // False: there are not as many left, and none is taken.
  bool Take(int64_t bytes) {
    if ((left_ -= bytes) >= 0) return true;
    left_ += bytes;
    return false;
  }
  // Takes `wanted`, or where there are not as many left `needed`, which is not more; both above 0.
  // Returns how many were taken; 0: none.
  int64_t TakeOrLess(int64_t wanted, int64_t needed) {
    return Take(wanted) ? wanted : Take(needed) ? needed : 0;
  }
  void Give(int64_t bytes) { left_ += bytes; }

 private:
  const int64_t total_;
  std::atomic<int64_t> left_;
};

}  // namespace hiif::server

#endif  // SERVER_CORE_BYTE_BUDGET_H_
