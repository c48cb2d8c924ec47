// multipart/form-data (RFC 7578), as far as forms that send one file need it.
#ifndef SERVER_FRONTS_HTTP_MULTIPART_H_
#define SERVER_FRONTS_HTTP_MULTIPART_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hiif::server::http {

struct Part {
  std::string name;
  bool file = false;  // it has a file name
  absl::string_view data;
};

// Of "multipart/form-data; boundary=..."; InvalidArgument: there is none of 1 to 70 characters.
absl::StatusOr<std::string> BoundaryOf(absl::string_view content_type);

// Borrows `body`. One pass, nothing is copied but names. InvalidArgument: not such a body, more
// than 64 parts, a part's head above 4 KiB.
absl::StatusOr<std::vector<Part>> ParseMultipart(absl::string_view body,
                                                 absl::string_view boundary);

}  // namespace hiif::server::http

#endif  // SERVER_FRONTS_HTTP_MULTIPART_H_
