// Files that the program holds: the page and the description of the API.
#ifndef SERVER_FRONTS_HTTP_ASSETS_H_
#define SERVER_FRONTS_HTTP_ASSETS_H_

#include "absl/strings/string_view.h"

namespace hiif::server::http {

struct Asset {
  absl::string_view path;  // "/openapi.json"
  const char* content_type;
  absl::string_view bytes;
};

// nullptr: there is none.
const Asset* FindAsset(absl::string_view path);

}  // namespace hiif::server::http

#endif  // SERVER_FRONTS_HTTP_ASSETS_H_
