// JSON that comes from outside: files of models, settings, tokens.
#ifndef BASE_JSON_H_
#define BASE_JSON_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace hiif {

// What a text may cost. A value takes up to 100 bytes in memory, and code that walks a document
// recurses as deep as the document is.
struct JsonBounds {
  int depth = 16;           // of objects and lists within each other
  int64_t values = 100000;  // numbers, strings, literals, objects, lists, and keys
  bool comments = false;    // allows /* */ and //
};

// The document. InvalidArgument: not JSON, beyond a bound, or a key that stands twice in an object
// (which of the two counts would be a guess). Nothing is built before the whole text has passed.
absl::StatusOr<nlohmann::json> ParseJson(absl::string_view text, const JsonBounds& bounds = {});

}  // namespace hiif

#endif  // BASE_JSON_H_
