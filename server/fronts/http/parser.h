// One request from the bytes of a connection: Beast's parser, with a bounded head and a body that
// is paid for.
#ifndef SERVER_FRONTS_HTTP_PARSER_H_
#define SERVER_FRONTS_HTTP_PARSER_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "boost/beast/http/basic_parser.hpp"
#include "server/core/byte_budget.h"
#include "server/fronts/http/message.h"

namespace hiif::server::http {

class RequestParser : public boost::beast::http::basic_parser<true> {
 public:
  // Of the request line, and of all fields; more is an error of put().
  static constexpr int kMaxHead = 16 << 10;

  explicit RequestParser(ByteBudget* budget);
  ~RequestParser() override { budget_->Give(taken_); }

  // After the head. Headers that came with it; path and query are to be parsed from target().
  Request& request() { return request_; }
  const std::string& target() const { return target_; }
  bool http10() const { return http10_; }
  bool repeated_host() const { return repeated_host_; }

  // Before the body is parsed.
  void set_max_body(int64_t bytes) { max_body_ = bytes; }
  int64_t body_bytes() const { return static_cast<int64_t>(body_.size()); }
  // After set_max_body(). Of a body whose length was announced: what put() would say of it as too
  // large, or OK.
  absl::Status CheckAnnounced() const;
  // Why put() failed on the body, or OK. InvalidArgument: above the limit. ResourceExhausted: with
  // the reason REQUEST_TOO_LARGE the budget never has as much, else not now.
  const absl::Status& refusal() const { return refusal_; }
  // The refusal is about this body alone.
  bool too_large() const { return too_large_; }
  // The bytes count no longer.
  std::string TakeBody();

 private:
  using error_code = boost::beast::error_code;
  using string_view = boost::beast::string_view;

  absl::Status CheckSize(int64_t bytes) const;
  // Pays for a body of so many bytes; false: the budget has not as many.
  bool Grow(int64_t needed);
  size_t Append(string_view data, error_code& error);

  void on_request_impl(boost::beast::http::verb, string_view method, string_view target,
                       int version, error_code&) override;
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(boost::beast::http::field, string_view name, string_view value,
                     error_code&) override;
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<uint64_t>& length, error_code&) override;
  size_t on_body_impl(string_view data, error_code& error) override { return Append(data, error); }
  void on_chunk_header_impl(uint64_t, string_view, error_code&) override {}
  size_t on_chunk_body_impl(uint64_t, string_view data, error_code& error) override {
    return Append(data, error);
  }
  void on_finish_impl(error_code&) override {}

  ByteBudget* const budget_;
  int64_t taken_ = 0;
  int64_t max_body_ = 0;
  int64_t announced_ = -1;
  Request request_;
  std::string target_;
  bool http10_ = false;
  bool repeated_host_ = false;
  int64_t head_bytes_ = 0;  // of fields
  std::string body_;
  absl::Status refusal_;
  bool too_large_ = false;
};

}  // namespace hiif::server::http

#endif  // SERVER_FRONTS_HTTP_PARSER_H_
