#include "server/fronts/http/upscale_answer.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "base/steady_now.h"
#include "base/text.h"
#include "google/protobuf/util/delimited_message_util.h"
#include "google/protobuf/util/json_util.h"
#include "nlohmann/json.hpp"

namespace hiif::server::http {
namespace {

constexpr char kTrailers[] = "Hiif-Crc32c, Server-Timing, Hiif-Warnings";
// Clients and proxies bound what trailers hold.
constexpr size_t kMaxWarnings = 2048;

std::string Delimited(const v1::UpscaleResponse& response) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::util::SerializeDelimitedToZeroCopyStream(response, &stream);
  return bytes;
}

std::string Timing(const v1::StageTimes& times) {
  return absl::StrFormat(
      "queue;dur=%.1f, decode;dur=%.1f, encode;dur=%.1f, context;dur=%.1f, query;dur=%.1f, "
      "file;dur=%.1f, send;dur=%.1f",
      times.queue() * 1e3, times.decode() * 1e3, times.encode() * 1e3, times.context() * 1e3,
      times.query() * 1e3, times.file() * 1e3, times.send() * 1e3);
}

Fields HeaderFields(const v1::UpscaleHeader& header) {
  return {{"Cache-Control", "no-store"},
          {"X-Content-Type-Options", "nosniff"},
          {"X-Request-Id", header.request_id()},
          {"Hiif-Model", header.model()},
          {"Hiif-Model-Version", header.model_version()},
          {"Hiif-Output-Size", absl::StrCat(header.output_width(), "x", header.output_height())},
          {"Hiif-Estimated-Seconds", absl::StrFormat("%.3f", header.estimated_seconds())}};
}

}  // namespace

absl::Status UpscaleAnswer::SendEstimate(const v1::UpscaleTrailer& trailer) {
  google::protobuf::util::JsonPrintOptions print;
  print.preserve_proto_field_names = true;
  print.always_print_primitive_fields = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(header_, &json, print);
  if (!status.ok()) return absl::InternalError(status.ToString());
  auto estimate = nlohmann::ordered_json::parse(json);
  estimate["warnings"] = trailer.warnings();
  Answer answer;
  answer.headers = HeaderFields(header_);
  answer.headers.emplace_back("Content-Type", "application/json");
  answer.body = estimate.dump() + "\n";
  return responder_->Send(answer);
}

absl::Status UpscaleAnswer::WriteBody(absl::string_view data) {
  const absl::Time start = SteadyNow();
  const absl::Status status = responder_->Write(data);
  const absl::Duration took = SteadyNow() - start;
  // As in gRPC's front: handing over takes less, the rest is waiting for the client.
  if (took > absl::Milliseconds(5)) metrics_->Backpressure(took);
  return status;
}

absl::Status UpscaleAnswer::Write(const v1::UpscaleResponse& response) {
  const bool tiles = !options_.parameters.has_encoded();
  if (response.has_header()) {
    header_ = response.header();
    if (options_.parameters.validate_only()) return absl::OkStatus();
    Fields fields = HeaderFields(header_);
    fields.emplace_back("Content-Type", MediaTypeOf(header_.format()));
    HIIF_RETURN_IF_ERROR(responder_->Start(200, fields, kTrailers));
    return tiles ? WriteBody(Delimited(response)) : absl::OkStatus();
  }
  if (response.has_trailer()) {
    const v1::UpscaleTrailer& trailer = response.trailer();
    if (options_.parameters.validate_only()) return SendEstimate(trailer);
    if (tiles) HIIF_RETURN_IF_ERROR(WriteBody(Delimited(response)));
    Fields fields = {{"Hiif-Crc32c", absl::StrFormat("%08x", trailer.crc32c())},
                     {"Server-Timing", Timing(trailer.times())}};
    if (const std::string warnings = absl::StrJoin(trailer.warnings(), "; "); !warnings.empty())
      fields.emplace_back("Hiif-Warnings", Shorten(warnings, kMaxWarnings));
    return responder_->Finish(fields);
  }
  if (tiles) return WriteBody(Delimited(response));
  return WriteBody(response.chunk().data());
}

}  // namespace hiif::server::http
