#include "model/format/object_reader.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"

namespace hiif {
namespace {

// Layers are listed before they are compared with what the file holds: a file of a kilobyte must
// not count billions of them.
constexpr int kMaxBlocks = 256;
constexpr int kMaxLayers = 4096;

int Most(absl::string_view key) {
  const bool counts = key == "blocks" || key == "layers_per_block" || key == "attention_blocks";
  return counts ? kMaxBlocks : ObjectReader::kMaxSize;
}

bool InRange(const nlohmann::json& value, int least, int most) {
  return value.is_number_integer() && value.get<int64_t>() >= least && value.get<int64_t>() <= most;
}

}  // namespace

ObjectReader::ObjectReader(const nlohmann::json& object, std::string what)
    : object_(object), what_(std::move(what)) {
  if (!object.is_object()) Fail("is not a JSON object");
}

int ObjectReader::Size(const char* key, int least) {
  ++members_;
  if (!status_.ok()) return least;
  if (!object_.contains(key) || !InRange(object_[key], least, Most(key))) {
    Fail(absl::StrCat("needs ", key, ", a whole number from ", least, " to ", Most(key)));
    return least;
  }
  return object_[key].get<int>();
}

std::vector<int> ObjectReader::Sizes(const char* key) {
  ++members_;
  if (!status_.ok()) return {};
  if (!object_.contains(key) || !object_[key].is_array() || object_[key].empty() ||
      !std::all_of(object_[key].begin(), object_[key].end(),
                   [](const nlohmann::json& v) { return InRange(v, 1, kMaxSize); })) {
    Fail(absl::StrCat("needs ", key, ", a list of whole numbers"));
    return {};
  }
  const auto sizes = object_[key].get<std::vector<int>>();
  if (absl::string_view(key) == "depths" &&
      std::accumulate(sizes.begin(), sizes.end(), int64_t{0}) > kMaxLayers) {
    Fail(absl::StrCat("has depths of more than ", kMaxLayers, " layers"));
    return {};
  }
  return sizes;
}

std::string ObjectReader::Text(const char* key) {
  ++members_;
  if (!status_.ok()) return "";
  if (!object_.contains(key) || !object_[key].is_string()) {
    Fail(absl::StrCat("needs ", key, ", a text"));
    return "";
  }
  return object_[key].get<std::string>();
}

bool ObjectReader::Flag(const char* key) {
  ++members_;
  if (!status_.ok()) return false;
  if (!object_.contains(key) || !object_[key].is_boolean()) {
    Fail(absl::StrCat("needs ", key, ", true or false"));
    return false;
  }
  return object_[key].get<bool>();
}

void ObjectReader::Fail(absl::string_view why) {
  if (status_.ok()) status_ = absl::InvalidArgumentError(absl::StrCat(what_, " ", why));
}

absl::Status ObjectReader::Finish() {
  if (status_.ok() && object_.size() != members_) Fail("has members that are not known");
  return status_;
}

}  // namespace hiif
