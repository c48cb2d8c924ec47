// Where tests find their data.
#ifndef TESTS_TESTING_PATHS_H_
#define TESTS_TESTING_PATHS_H_

#include <cstdlib>
#include <filesystem>
#include <string>

namespace hiif::testing {

// Tests run in the repository root.
inline std::string RepositoryPath(const std::string& relative) {
  return (std::filesystem::current_path() / relative).string();
}

// A file of the data folder beside the repository (HIIF_SHARED names another); it may be absent, as
// on a user's machine: then skip, saying so.
inline std::string SharedPath(const std::string& relative) {
  const char* folder = std::getenv("HIIF_SHARED");
  return (std::filesystem::path(folder ? folder : "../shared") / relative).string();
}

// GTEST_SKIP() with a message, for the first lines of a test.
#define HIIF_SKIP_WITHOUT(path) \
  if (!std::filesystem::exists(path)) GTEST_SKIP() << (path) << " is not here"

}  // namespace hiif::testing

#endif  // TESTS_TESTING_PATHS_H_
