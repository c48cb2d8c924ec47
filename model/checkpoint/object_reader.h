// Reads the members of a JSON object of a checkpoint's metadata; each must be there, be of its
// kind, and there must be no other.
#ifndef MODEL_CHECKPOINT_OBJECT_READER_H_
#define MODEL_CHECKPOINT_OBJECT_READER_H_

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace hiif {

using Json = nlohmann::json;

// The first thing that is wrong is kept and told by Finish(); what is read after it is worthless.
class ObjectReader {
 public:
  static constexpr int kMaxSize = 65536;  // of anything in a configuration

  // `what` names the object in messages. `object` outlives the reader.
  ObjectReader(const Json& object, std::string what) : object_(object), what_(std::move(what)) {
    if (!object.is_object()) Fail("is not a JSON object");
  }
  // A whole number from `least` to kMaxSize.
  int Size(const char* key, int least) {
    ++members_;
    if (!status_.ok()) return least;
    if (!object_.contains(key) || !InRange(object_[key], least)) {
      Fail(absl::StrCat("needs ", key, ", a whole number from ", least, " to ", kMaxSize));
      return least;
    }
    return object_[key].get<int>();
  }
  // A list, not empty, of whole numbers from 1.
  std::vector<int> Sizes(const char* key) {
    ++members_;
    if (!status_.ok()) return {};
    if (!object_.contains(key) || !object_[key].is_array() || object_[key].empty() ||
        object_[key].size() > kMaxLength ||
        !std::all_of(object_[key].begin(), object_[key].end(),
                     [](const Json& v) { return InRange(v, 1); })) {
      Fail(absl::StrCat("needs ", key, ", a list of 1 to ", kMaxLength, " whole numbers"));
      return {};
    }
    return object_[key].get<std::vector<int>>();
  }
  std::string Text(const char* key) {
    ++members_;
    if (!status_.ok()) return "";
    if (!object_.contains(key) || !object_[key].is_string()) {
      Fail(absl::StrCat("needs ", key, ", a text"));
      return "";
    }
    return object_[key].get<std::string>();
  }
  bool Flag(const char* key) {
    ++members_;
    if (!status_.ok()) return false;
    if (!object_.contains(key) || !object_[key].is_boolean()) {
      Fail(absl::StrCat("needs ", key, ", true or false"));
      return false;
    }
    return object_[key].get<bool>();
  }
  void Fail(absl::string_view why) {
    if (status_.ok()) status_ = absl::InvalidArgumentError(absl::StrCat(what_, " ", why));
  }
  absl::Status Finish() {
    if (status_.ok() && object_.size() != members_) Fail("has members that are not known");
    return status_;
  }

 private:
  static constexpr size_t kMaxLength = 256;
  static bool InRange(const Json& value, int least) {
    return value.is_number_integer() && value.get<int64_t>() >= least &&
           value.get<int64_t>() <= kMaxSize;
  }
  const Json& object_;
  std::string what_;
  size_t members_ = 0;
  absl::Status status_;
};

}  // namespace hiif

#endif  // MODEL_CHECKPOINT_OBJECT_READER_H_
