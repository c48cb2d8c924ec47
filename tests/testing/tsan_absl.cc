// For the preset tsan: what Abseil's locks order. Debian's Abseil is not instrumented, so that the
// thread sanitizer would report everything that an absl::Mutex guards. The functions here stand in
// for Abseil's in a test: they tell the sanitizer and call those of the library.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstdlib>
#include <string>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
}

namespace {

#define HIIF_TEXT_(x) #x
#define HIIF_TEXT(x) HIIF_TEXT_(x)

// The library's function: `name` is the mangled one without Abseil's namespaces.
void* Find(const char* prefix, const char* name) {
  const std::string space = HIIF_TEXT(ABSL_OPTION_INLINE_NAMESPACE_NAME);
  void* found = dlsym(RTLD_NEXT, (prefix + std::to_string(space.size()) + space + name).c_str());
  if (found == nullptr) std::abort();
  return found;
}

enum Order { kTakes = 1, kGives = 2, kTries = 4 };

// Calls it, and says of `lock` what the call does with it.
template <int order, class Result, class... Args>
Result Call(void* next, const void* lock, Args... args) {
  void* address = const_cast<void*>(lock);
  if ((order & kGives) != 0) __tsan_release(address);
  // Conditions of those who wait are looked at by whoever unlocks.
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  struct After {
    ~After() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
  };
  const auto call = [&] {
    const After after;
    return reinterpret_cast<Result (*)(Args...)>(next)(args...);
  };
  if constexpr (std::is_void_v<Result>) {
    call();
    if ((order & kTakes) != 0) __tsan_acquire(address);
  } else {
    const Result result = call();
    if ((order & kTakes) != 0 && (result || (order & kTries) == 0)) __tsan_acquire(address);
    return result;
  }
}

}  // namespace

// CLASS::METHOD of PARAMETERS, called with ARGUMENTS.
#define HIIF_STANDS_IN(ORDER, RESULT, CLASS, METHOD, PREFIX, MANGLED, LOCK, PARAMETERS, ...) \
  RESULT CLASS::METHOD PARAMETERS {                                                          \
    static void* const next = Find(PREFIX, MANGLED);                                         \
    return Call<ORDER, RESULT>(next, LOCK, __VA_ARGS__);                                     \
  }
#define HIIF_MUTEX(ORDER, RESULT, METHOD, MANGLED, PARAMETERS, ...)                            \
  HIIF_STANDS_IN(ORDER, RESULT, Mutex, METHOD, "_ZN4absl", "5Mutex" MANGLED, this, PARAMETERS, \
                 __VA_ARGS__)

namespace absl {
ABSL_NAMESPACE_BEGIN

HIIF_MUTEX(kTakes, void, Lock, "4LockEv", (), this)
HIIF_MUTEX(kGives, void, Unlock, "6UnlockEv", (), this)
HIIF_MUTEX(kTakes | kTries, bool, TryLock, "7TryLockEv", (), this)
HIIF_MUTEX(kTakes, void, ReaderLock, "10ReaderLockEv", (), this)
HIIF_MUTEX(kGives, void, ReaderUnlock, "12ReaderUnlockEv", (), this)
HIIF_MUTEX(kTakes | kTries, bool, ReaderTryLock, "13ReaderTryLockEv", (), this)
HIIF_MUTEX(kTakes, void, LockWhen, "8LockWhenERKNS0_9ConditionE", (const Condition& c), this, &c)
HIIF_MUTEX(kTakes, void, ReaderLockWhen, "14ReaderLockWhenERKNS0_9ConditionE", (const Condition& c),
           this, &c)
HIIF_MUTEX(kTakes | kGives, void, Await, "5AwaitERKNS0_9ConditionE", (const Condition& c), this, &c)
HIIF_MUTEX(kTakes | kGives, bool, AwaitWithTimeout,
           "16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE", (const Condition& c, Duration d),
           this, &c, d)
HIIF_MUTEX(kTakes | kGives, bool, AwaitWithDeadline,
           "17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE", (const Condition& c, Time t), this,
           &c, t)

HIIF_STANDS_IN(kTakes | kGives, void, CondVar, Wait, "_ZN4absl", "7CondVar4WaitEPNS0_5MutexE", mu,
               (Mutex * mu), this, mu)
HIIF_STANDS_IN(kTakes | kGives, bool, CondVar, WaitWithTimeout, "_ZN4absl",
               "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE", mu, (Mutex * mu, Duration d),
               this, mu, d)
HIIF_STANDS_IN(kTakes | kGives, bool, CondVar, WaitWithDeadline, "_ZN4absl",
               "7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE", mu, (Mutex * mu, Time t), this,
               mu, t)

HIIF_STANDS_IN(kGives, void, Notification, Notify, "_ZN4absl", "12Notification6NotifyEv", this, (),
               this)
HIIF_STANDS_IN(kTakes, void, Notification, WaitForNotification, "_ZNK4absl",
               "12Notification19WaitForNotificationEv", this, () const, this)
HIIF_STANDS_IN(kTakes | kTries, bool, Notification, WaitForNotificationWithTimeout, "_ZNK4absl",
               "12Notification30WaitForNotificationWithTimeoutENS0_8DurationE", this,
               (Duration d) const, this, d)
HIIF_STANDS_IN(kTakes | kTries, bool, Notification, WaitForNotificationWithDeadline, "_ZNK4absl",
               "12Notification31WaitForNotificationWithDeadlineENS0_4TimeE", this, (Time t) const,
               this, t)

ABSL_NAMESPACE_END
}  // namespace absl
