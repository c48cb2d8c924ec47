// Requests and answers of HTTP as the routes see them, without sockets.
#ifndef SERVER_FRONTS_HTTP_MESSAGE_H_
#define SERVER_FRONTS_HTTP_MESSAGE_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace hiif::server::http {

using Fields = std::vector<std::pair<std::string, std::string>>;

// The head of a request.
struct Request {
  std::string method;                          // "GET"
  std::string path;                            // decoded, begins with '/'
  Fields query;                                // decoded, in order
  std::map<std::string, std::string> headers;  // names in lower case; repeated ones by ", "
  std::string peer;                            // address without a port
  std::string certificate;                     // name in the client's certificate, or empty
  absl::Time arrival;

  // Value of a header (lower case), or empty.
  const std::string& Header(const std::string& name) const;
};

// An answer that is there as a whole. Content-Length is put in when it is sent.
struct Answer {
  int status = 200;
  Fields headers;
  std::string body;
};

// "/a%20b?x=1&y=2+3", or the same behind "http://host", into path and query; "*" is the path of
// an OPTIONS about the server. InvalidArgument: a broken escape, a byte 0, not a path, more than 64
// parameters.
absl::Status ParseTarget(absl::string_view text, Request* request);

// "a=1&b=2", as forms are sent too.
absl::StatusOr<Fields> ParseQuery(absl::string_view text);

// "image/png; q=0.5, */*" of an Accept header: the first of `offers` that is wanted most, or -1.
// Empty: the first. An offer is a media type without parameters.
int Negotiate(absl::string_view accept, const std::vector<absl::string_view>& offers);

// "name: value" with a line end, of a head or of trailers. Bytes that would end it are left out of
// the value.
void AppendField(absl::string_view name, absl::string_view value, std::string* out);

// The head of a response, HTTP/1.1, with the empty line.
std::string FormatHead(int status, const Fields& headers);

}  // namespace hiif::server::http

#endif  // SERVER_FRONTS_HTTP_MESSAGE_H_
