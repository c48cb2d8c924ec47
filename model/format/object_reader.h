// Internal to model/: reads the members of a JSON object; each must be there, be of its kind, and
// there must be no other.
#ifndef MODEL_FORMAT_OBJECT_READER_H_
#define MODEL_FORMAT_OBJECT_READER_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace hiif {

// The first fault is what Finish() returns; after it, members read as if they were the least that
// is allowed.
class ObjectReader {
 public:
  static constexpr int kMaxSize = 65536;  // of any number

  // `what` begins the messages. `object` outlives it.
  ObjectReader(const nlohmann::json& object, std::string what);

  int Size(const char* key, int least);     // a whole number from `least` to kMaxSize
  std::vector<int> Sizes(const char* key);  // a list of them, not empty, each 1 or more
  std::string Text(const char* key);
  bool Flag(const char* key);
  void Fail(absl::string_view why);
  absl::Status Finish();

 private:
  const nlohmann::json& object_;
  std::string what_;
  size_t members_ = 0;
  absl::Status status_;
};

}  // namespace hiif

#endif  // MODEL_FORMAT_OBJECT_READER_H_
