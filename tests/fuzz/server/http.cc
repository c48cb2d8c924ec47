// Requests over HTTP/1.1: head and body, parameters, forms.
#include <utility>

#include "boost/asio/buffer.hpp"
#include "server/core/byte_budget.h"
#include "server/fronts/http/multipart.h"
#include "server/fronts/http/parser.h"
#include "server/fronts/upscale_options.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(http) {
  using namespace hiif::server;  // NOLINT
  ByteBudget budget(1 << 20);
  {
    http::RequestParser parser(&budget);
    parser.set_max_body(1 << 16);
    boost::beast::error_code error;
    // In two pieces, as sockets bring them.
    const size_t cut = bytes.size() / 2;
    size_t used = parser.put(boost::asio::buffer(bytes.data(), cut), error);
    // As Session asks: what is behind a whole message is another's.
    if ((!error || error == boost::beast::http::error::need_more) && !parser.is_done()) {
      error = {};
      parser.put(boost::asio::buffer(bytes.data() + used, bytes.size() - used), error);
    }
    FUZZ_CHECK(parser.target().size() <= http::RequestParser::kMaxHead);
    FUZZ_CHECK(parser.body_bytes() <= 1 << 16);
  }
  FUZZ_CHECK(budget.Take(1 << 20));  // all was given back
  const size_t line = bytes.find('\n');
  if (line == absl::string_view::npos) return;
  if (const auto boundary = http::BoundaryOf(bytes.substr(0, line)); boundary.ok())
    http::ParseMultipart(bytes.substr(line + 1), *boundary).IgnoreError();
  UpscaleFields fields;
  for (absl::string_view rest = bytes.substr(line + 1); fields.size() < 64;) {
    const size_t end = rest.find('&');
    const absl::string_view field = rest.substr(0, end);
    const size_t equals = std::min(field.size(), field.find('='));
    fields.emplace_back(field.substr(0, equals), field.substr(std::min(field.size(), equals + 1)));
    if (end == absl::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  ParseUpscaleOptions(fields).IgnoreError();
}
