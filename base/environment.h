// Settings that come with the environment.
#ifndef BASE_ENVIRONMENT_H_
#define BASE_ENVIRONMENT_H_

#include <cstdlib>

namespace hiif {

// As getenv: null where there is none. Safe on any thread as long as nobody sets a variable, and
// nothing here does but tests, between what they run.
inline const char* EnvironmentVariable(const char* name) {
  return std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets one meanwhile
}

}  // namespace hiif

#endif  // BASE_ENVIRONMENT_H_
