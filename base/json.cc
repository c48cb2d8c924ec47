#include "base/json.h"

#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"

namespace hiif {
namespace {

using Json = nlohmann::json;

// Goes through a text and builds nothing; false ends the parse.
class Checker : public nlohmann::json_sax<Json> {
 public:
  explicit Checker(const JsonBounds& bounds) : bounds_(bounds) {}
  const std::string& error() const { return error_; }

  bool null() override { return Value(); }
  bool boolean(bool) override { return Value(); }
  bool number_integer(number_integer_t) override { return Value(); }
  bool number_unsigned(number_unsigned_t) override { return Value(); }
  bool number_float(number_float_t, const string_t&) override { return Value(); }
  bool string(string_t&) override { return Value(); }
  bool binary(binary_t&) override { return Value(); }
  bool start_object(std::size_t) override { return Open(); }
  bool start_array(std::size_t) override { return Open(); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool key(string_t& name) override {
    if (!keys_.back().insert(name).second)
      return Fail(absl::StrCat(Quoted(name), " stands twice in an object"));
    return Value();
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return Fail(absl::StrCat("not JSON: error at byte ", position));
  }

 private:
  bool Fail(std::string error) {
    error_ = std::move(error);
    return false;
  }
  bool Value() {
    if (++values_ <= bounds_.values) return true;
    return Fail(absl::StrCat("JSON of more than ", bounds_.values, " values"));
  }
  bool Open() {
    keys_.emplace_back();
    if (static_cast<int>(keys_.size()) <= bounds_.depth) return Value();
    return Fail(absl::StrCat("JSON nested more than ", bounds_.depth, " deep"));
  }
  bool Close() {
    keys_.pop_back();
    return true;
  }

  const JsonBounds bounds_;
  std::vector<absl::flat_hash_set<std::string>> keys_;  // of the objects and lists that are open
  int64_t values_ = 0;
  std::string error_;
};

}  // namespace

absl::StatusOr<Json> ParseJson(absl::string_view text, const JsonBounds& bounds) {
  Checker checker(bounds);
  if (!Json::sax_parse(text.begin(), text.end(), &checker, Json::input_format_t::json,
                       /*strict=*/true, bounds.comments))
    return absl::InvalidArgumentError(checker.error());
  return Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false,
                     bounds.comments);
}

}  // namespace hiif
