#include "base/error_text.h"

#include <cstring>

#include "absl/strings/str_cat.h"

namespace hiif {
namespace {

// strerror_r of glibc returns the text, that of POSIX writes it and returns 0.
[[maybe_unused]] std::string TextOf(const char* text, const char*, int) { return text; }
[[maybe_unused]] std::string TextOf(int failed, const char* text, int error) {
  return failed == 0 ? text : absl::StrCat("error ", error);
}

}  // namespace

std::string ErrorText(int error) {
  char text[256] = "";
  return TextOf(strerror_r(error, text, sizeof(text)), text, error);
}

}  // namespace hiif
