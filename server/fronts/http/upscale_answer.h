// The messages of an Upscale as the answer to an HTTP request.
#ifndef SERVER_FRONTS_HTTP_UPSCALE_ANSWER_H_
#define SERVER_FRONTS_HTTP_UPSCALE_ANSWER_H_

#include <string>

#include "hiif/v1/super_resolution.pb.h"
#include "server/core/call.h"
#include "server/fronts/http/exchange.h"
#include "server/fronts/upscale_options.h"
#include "server/metrics/metrics.h"

namespace hiif::server::http {

// An encoded file is the body itself; tiles are messages behind their lengths; of a validate_only
// the body is the header in JSON, with the warnings of the trailer. What header and trailer say is
// in fields of the response too.
class UpscaleAnswer : public UpscaleStream {
 public:
  UpscaleAnswer(const UpscaleOptions& options, Responder* responder, Metrics* metrics)
      : options_(options), responder_(responder), metrics_(metrics) {}

  absl::Status Write(const v1::UpscaleResponse& response) override;

 private:
  // Of a validate_only, whose only answer it is.
  absl::Status SendEstimate(const v1::UpscaleTrailer& trailer);
  absl::Status WriteBody(absl::string_view data);

  const UpscaleOptions& options_;
  Responder* const responder_;
  Metrics* const metrics_;
  v1::UpscaleHeader header_;
};

}  // namespace hiif::server::http

#endif  // SERVER_FRONTS_HTTP_UPSCALE_ANSWER_H_
