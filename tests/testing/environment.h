// A variable of the environment, for the time of a scope.
#ifndef TESTS_TESTING_ENVIRONMENT_H_
#define TESTS_TESTING_ENVIRONMENT_H_

#include <cstdlib>
#include <optional>
#include <string>

namespace hiif::testing {

class ScopedEnvironment {
 public:
  ScopedEnvironment(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name); before != nullptr) before_ = before;
    setenv(name, value, 1);
  }
  ~ScopedEnvironment() {
    if (before_) {
      setenv(name_, before_->c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }
  ScopedEnvironment(const ScopedEnvironment&) = delete;
  ScopedEnvironment& operator=(const ScopedEnvironment&) = delete;

 private:
  const char* const name_;
  std::optional<std::string> before_;
};

}  // namespace hiif::testing

#endif  // TESTS_TESTING_ENVIRONMENT_H_
