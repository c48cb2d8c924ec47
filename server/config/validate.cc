// Settings that contradict one another or leave their range, each with what to do about it.
#include <initializer_list>

#include "absl/algorithm/container.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "server/config/address.h"
#include "server/config/config.h"

namespace hiif::server {
namespace {

absl::Status Range(absl::string_view flag, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, ": ", value, " is not between ", low, " and ", high));
}

absl::Status AtLeast(absl::string_view flag, const google::protobuf::Duration& value,
                     absl::Duration low) {
  if (ToDuration(value) >= low) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--", flag, ": ",
                                                 absl::FormatDuration(ToDuration(value)),
                                                 " is less than ", absl::FormatDuration(low)));
}

absl::Status OneOf(absl::string_view flag, const std::string& value,
                   std::initializer_list<absl::string_view> choices) {
  if (absl::c_linear_search(choices, value)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, ": \"", value, "\" is none of ", absl::StrJoin(choices, ", ")));
}

// What others could read on the way: refused, unless it is wanted.
absl::Status CheckClearText(absl::string_view flag, const std::string& text, const Address& address,
                            const ServerConfig& config) {
  if (address.loopback() || !config.tls_certificate().empty() || config.insecure_listen())
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, ": ", text,
                   " is reachable from other machines in clear text: configure "
                   "--tls-certificate and --tls-key, or allow it with --insecure-listen"));
}

absl::Status ValidateHttp(const ServerConfig& config) {
  for (const std::string& text : config.http_listen()) {
    const auto address = ParseAddress(text);
    if (!address.ok() || address->unix_socket)
      return absl::InvalidArgumentError(
          absl::StrCat("--http-listen: \"", text, "\" is not host:port or [v6 address]:port"));
    HIIF_RETURN_IF_ERROR(CheckClearText("http-listen", text, *address, config));
  }
  return Range("http-max-connections", config.http_max_connections(), 1, 100000);
}

absl::Status ValidateAddresses(const ServerConfig& config) {
  if (config.listen().empty())
    return absl::InvalidArgumentError("--listen: at least one address is needed");
  for (const std::string& text : config.listen()) {
    const auto address = ParseAddress(text);
    if (!address.ok())
      return absl::InvalidArgumentError(absl::StrCat("--listen: ", address.status().message()));
    HIIF_RETURN_IF_ERROR(CheckClearText("listen", text, *address, config));
  }
  if (config.management_listen().empty()) return absl::OkStatus();
  const auto address = ParseAddress(config.management_listen());
  if (!address.ok() || address->unix_socket)
    return absl::InvalidArgumentError(absl::StrCat("--management-listen: \"",
                                                   config.management_listen(),
                                                   "\" is not host:port (empty: none)"));
  return absl::OkStatus();
}

// auto, cpu, cuda or cuda:N; what this build has not is refused here, not when the models load.
absl::Status ValidateDevice(const std::string& device) {
  if (device == "auto" || device == "cpu") return absl::OkStatus();
  absl::string_view rest = device;
  int index = 0;
  const bool cuda = absl::ConsumePrefix(&rest, "cuda") &&
                    (rest.empty() || (absl::ConsumePrefix(&rest, ":") && !rest.empty() &&
                                      rest[0] != '-' && absl::SimpleAtoi(rest, &index)));
  if (!cuda)
    return absl::InvalidArgumentError(
        absl::StrCat("--device: \"", device, "\" is none of auto, cpu, cuda, cuda:N"));
#ifdef HIIF_CUDA
  return absl::OkStatus();
#else
  return absl::InvalidArgumentError(absl::StrCat("--device: this build has no CUDA, so \"", device,
                                                 "\" cannot be: use auto or cpu"));
#endif
}

absl::Status ValidateSecurity(const ServerConfig& config) {
  if (config.tls_certificate().empty() != config.tls_key().empty())
    return absl::InvalidArgumentError("--tls-certificate and --tls-key need one another");
  if (!config.tls_client_ca().empty() && config.tls_certificate().empty())
    return absl::InvalidArgumentError("--tls-client-ca needs --tls-certificate and --tls-key");
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateConfig(const ServerConfig& config) {
  HIIF_RETURN_IF_ERROR(ValidateAddresses(config));
  HIIF_RETURN_IF_ERROR(ValidateHttp(config));
  HIIF_RETURN_IF_ERROR(ValidateSecurity(config));
  HIIF_RETURN_IF_ERROR(ValidateDevice(config.device()));
  HIIF_RETURN_IF_ERROR(OneOf("backend", config.backend(), {"auto", "reference", "torch", "fused"}));
  HIIF_RETURN_IF_ERROR(OneOf("precision", config.precision(), {"auto", "float32", "bfloat16"}));
  HIIF_RETURN_IF_ERROR(OneOf("decode-isolation", config.decode_isolation(), {"process", "none"}));
  HIIF_RETURN_IF_ERROR(OneOf("log-format", config.log_format(), {"text", "json"}));
  HIIF_RETURN_IF_ERROR(
      OneOf("log-level", config.log_level(), {"debug", "info", "warning", "error"}));
  HIIF_RETURN_IF_ERROR(AtLeast("max-decode-time", config.max_decode_time(), absl::Milliseconds(1)));
  HIIF_RETURN_IF_ERROR(
      AtLeast("tls-reload-interval", config.tls_reload_interval(), absl::Seconds(1)));
  HIIF_RETURN_IF_ERROR(AtLeast("stuck-after", config.stuck_after(), absl::Seconds(1)));
  constexpr int64_t kMany = int64_t{1} << 40;
  HIIF_RETURN_IF_ERROR(Range("max-input-pixels", config.max_input_pixels(), 1, kMany));
  HIIF_RETURN_IF_ERROR(Range("max-output-pixels", config.max_output_pixels(), 1, kMany));
  HIIF_RETURN_IF_ERROR(
      Range("max-receive-bytes", config.max_receive_bytes(), 2 << 20, (int64_t{2} << 30) - 1));
  HIIF_RETURN_IF_ERROR(Range("max-upload-bytes", config.max_upload_bytes(), 1, kMany));
  HIIF_RETURN_IF_ERROR(
      Range("max-query-coordinates", config.max_query_coordinates(), 1, int64_t{1} << 24));
  HIIF_RETURN_IF_ERROR(Range("tile-size", config.tile_size(), 16, 4096));
  HIIF_RETURN_IF_ERROR(Range("workers", config.workers(), 0, 1024));
  HIIF_RETURN_IF_ERROR(Range("memory-bytes", config.memory_bytes(), 0, int64_t{1} << 50));
  HIIF_RETURN_IF_ERROR(
      Range("feature-cache-bytes", config.feature_cache_bytes(), -1, int64_t{1} << 50));
  HIIF_RETURN_IF_ERROR(
      Range("model-memory-bytes", config.model_memory_bytes(), 0, int64_t{1} << 50));
  HIIF_RETURN_IF_ERROR(Range("context-samples", config.context_samples(), 0, kMany));
  HIIF_RETURN_IF_ERROR(Range("batch-coordinates", config.batch_coordinates(), 1, 1 << 26));
  HIIF_RETURN_IF_ERROR(Range("tiles-ahead", config.tiles_ahead(), 0, 1024));
  HIIF_RETURN_IF_ERROR(Range("max-rpcs", config.max_rpcs(), 1, 100000));
  HIIF_RETURN_IF_ERROR(
      Range("max-streams-per-connection", config.max_streams_per_connection(), 1, 100000));
  HIIF_RETURN_IF_ERROR(Range("max-connections", config.max_connections(), 0, 1 << 24));
  HIIF_RETURN_IF_ERROR(
      Range("max-connections-per-address", config.max_connections_per_address(), 0, 1 << 24));
  return absl::OkStatus();
}

}  // namespace hiif::server
