// A target, one a file: libFuzzer's entry point in the preset fuzz, elsewhere a test that puts
// every file of tests/fuzz/corpus/NAME through it.
//
//   FUZZ_TARGET(exif) { FUZZ_CHECK(ReadExif(bytes).orientation <= 8); }
#ifndef TESTS_FUZZ_TARGET_H_
#define TESTS_FUZZ_TARGET_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

#ifdef HIIF_FUZZ

#define FUZZ_CHECK(condition)           \
  do {                                  \
    if (!(condition)) __builtin_trap(); \
  } while (false)
#define FUZZ_TARGET(name)                                                   \
  static void Fuzz(absl::string_view bytes);                                \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { \
    Fuzz(absl::string_view(reinterpret_cast<const char*>(data), size));     \
    return 0;                                                               \
  }                                                                         \
  static void Fuzz(absl::string_view bytes)

#else

#include "gtest/gtest.h"

namespace hiif::fuzz {
// Says that there is such a target; main() makes tests of them (corpus_test.cc).
bool Register(const char* name, void (*target)(absl::string_view bytes));
}  // namespace hiif::fuzz

#define FUZZ_CHECK(condition) \
  do {                        \
    EXPECT_TRUE(condition);   \
  } while (false)
#define FUZZ_TARGET(name)                                                            \
  static void Fuzz(absl::string_view bytes);                                         \
  [[maybe_unused]] static const bool registered = hiif::fuzz::Register(#name, Fuzz); \
  static void Fuzz(absl::string_view bytes)

#endif
#endif  // TESTS_FUZZ_TARGET_H_
