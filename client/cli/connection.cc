#include "client/cli/connection.h"

#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/environment.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "client/retry.h"

namespace hiif::cli {
namespace {

constexpr absl::Duration kPrivateServerStart = absl::Minutes(2);
constexpr absl::Duration kPrivateServerLoads = absl::Minutes(2);  // a model

absl::StatusOr<std::string> ReadFlagFile(absl::string_view flag, const std::string& path) {
  if (path.empty()) return "";
  absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok())
    return absl::InvalidArgumentError(absl::StrCat(flag, ": ", text.status().message()));
  // Without a word it would stand for what the flag is given against: any authority, no token.
  if (absl::StripAsciiWhitespace(*text).empty())
    return absl::InvalidArgumentError(absl::StrCat(flag, ": ", path, " is empty"));
  return text;
}

absl::StatusOr<client::ClientOptions> Options(const ConnectionFlags& flags) {
  client::ClientOptions options;
  options.servers = flags.server;
  options.tls.enabled = flags.tls || !flags.tls_ca.empty() || !flags.tls_cert.empty();
  options.tls.server_name = flags.tls_server_name;
  HIIF_ASSIGN_OR_RETURN(options.tls.roots_pem, ReadFlagFile("--tls-ca", flags.tls_ca));
  HIIF_ASSIGN_OR_RETURN(options.tls.certificate_pem, ReadFlagFile("--tls-cert", flags.tls_cert));
  HIIF_ASSIGN_OR_RETURN(options.tls.key_pem, ReadFlagFile("--tls-key", flags.tls_key));
  if (options.tls.certificate_pem.empty() != options.tls.key_pem.empty())
    return absl::InvalidArgumentError("--tls-cert and --tls-key belong together");
  HIIF_ASSIGN_OR_RETURN(options.token, ReadFlagFile("--token-file", flags.token_file));
  const char* token = EnvironmentVariable("HIIF_TOKEN");
  if (flags.token_file.empty() && token != nullptr && !flags.server.empty()) options.token = token;
  absl::StripAsciiWhitespace(&options.token);
  options.allow_token_over_plaintext = flags.insecure_token;
  options.retry.max_attempts = flags.retries + 1;
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(
    const ConnectionFlags& flags, std::stop_token stop, const std::optional<std::string>& model) {
  auto connection = std::unique_ptr<Connection>(new Connection);
  HIIF_ASSIGN_OR_RETURN(client::ClientOptions options, Options(flags));
  if (!flags.server.empty() && !flags.model_dir.empty())
    return absl::InvalidArgumentError(
        "--model-dir is for the private server; models of --server are its own");
  if (!flags.server.empty() && !flags.device.empty())
    return absl::InvalidArgumentError(
        "--gpu-id is for the private server; the device of --server is its own");
  if (!flags.tls_server_name.empty() && !options.tls.enabled)
    return absl::InvalidArgumentError("--tls-server-name needs --tls");
  if (flags.server.empty()) {
    if (options.tls.enabled || !options.token.empty())
      return absl::InvalidArgumentError("TLS and tokens need --server or HIIF_SERVER");
    HIIF_ASSIGN_OR_RETURN(
        connection->server_,
        PrivateServer::Start(
            {flags.model_dir, flags.device, flags.model_dir.empty() ? "" : model.value_or("")}));
    options.servers = connection->server_->address();
    connection->wanted_ = model;
  }
  HIIF_ASSIGN_OR_RETURN(connection->client_, client::Client::Create(options));
  connection->call_.stop = stop;
  if (flags.timeout_s > 0) connection->call_.timeout = absl::Seconds(flags.timeout_s);
  if (flags.stall_timeout_s > 0)
    connection->call_.stall_timeout = absl::Seconds(flags.stall_timeout_s);
  if (connection->server_ != nullptr) {
    HIIF_RETURN_IF_ERROR(connection->WaitForPrivate(stop));
    if (!model.value_or("").empty()) HIIF_RETURN_IF_ERROR(connection->WaitForModel(*model));
  } else {
    HIIF_RETURN_IF_ERROR(
        connection->client_->WaitForConnected(absl::Seconds(flags.connect_timeout_s), stop));
  }
  return connection;
}

absl::Status Connection::WaitForPrivate(std::stop_token stop) {
  const absl::Time deadline = absl::Now() + kPrivateServerStart;
  while (absl::Now() < deadline) {
    HIIF_RETURN_IF_ERROR(server_->CheckAlive());
    const absl::Status connected = client_->WaitForConnected(absl::Milliseconds(50), stop);
    if (absl::IsCancelled(connected)) return connected;
    if (!connected.ok()) continue;
    client::CallOptions call;
    call.timeout = absl::Seconds(5);
    call.stop = stop;
    const absl::StatusOr<client::Serving> health = client_->CheckHealth("", call);
    if (health.ok() && *health == client::Serving::kServing) return absl::OkStatus();
    HIIF_ASSIGN_OR_RETURN(const bool wanted, HasWanted(call));
    if (wanted) return absl::OkStatus();
    if (stop.stop_requested()) return absl::CancelledError("interrupted");
    absl::SleepFor(absl::Milliseconds(10));
  }
  return absl::UnavailableError(absl::StrCat("the private server was not ready after ",
                                             absl::FormatDuration(kPrivateServerStart)));
}

// A call for a model that is not there yet is tried again for half a minute only, whatever else the
// machine does meanwhile. What it fails with is known when it is asked for.
absl::Status Connection::WaitForModel(const std::string& name) {
  if (server_ == nullptr) return absl::OkStatus();
  if (name.empty()) {
    HIIF_ASSIGN_OR_RETURN(const auto models, client_->ListModels(call_));
    for (const v1::Model& model : models) HIIF_RETURN_IF_ERROR(WaitForModel(model.name()));
    return absl::OkStatus();
  }
  const absl::Time until = absl::Now() + kPrivateServerLoads;
  while (absl::Now() < until) {
    const auto model = client_->GetModel(name, call_);
    if (!model.ok() || model->state() != v1::MODEL_STATE_LOADING) break;
    HIIF_RETURN_IF_ERROR(server_->CheckAlive());
    if (!client::SleepUnlessStopped(absl::Milliseconds(50), call_.stop))
      return absl::CancelledError("interrupted");
  }
  return absl::OkStatus();
}

// Whether what is wanted is there though the default model is not. Unavailable once nothing is
// being loaded any more and it is none of those there.
absl::StatusOr<bool> Connection::HasWanted(const client::CallOptions& call) {
  const auto models = client_->ListModels(call);
  if (!models.ok()) return false;
  const bool by_name = !wanted_.value_or("").empty();
  bool coming = false;
  bool any = false;
  std::string found;
  for (const v1::Model& model : *models) {
    const bool ready = model.state() == v1::MODEL_STATE_READY;
    const bool usable = ready || model.state() == v1::MODEL_STATE_UNLOADED;
    if (by_name && model.name() == *wanted_ && usable) return true;
    any = any || usable;
    coming = coming || model.state() == v1::MODEL_STATE_LOADING || (ready && model.is_default());
    absl::StrAppend(&found, "\n  ", model.name(), ": ",
                    model.error().empty() ? "can be named with --model" : model.error());
  }
  if (coming) return false;
  if (!wanted_.has_value() && any) return true;
  return absl::UnavailableError(absl::StrCat(
      by_name ? absl::StrCat("the model \"", *wanted_, "\"") : "the private server's default model",
      " cannot be used",
      found.empty() ? "; its model folder has no model (*.safetensors)" : "; its models are",
      found));
}

absl::Status Connection::Explain(absl::Status status) {
  if (server_ == nullptr || !absl::IsUnavailable(status)) return status;
  const absl::Status alive = server_->CheckAlive();
  return alive.ok() ? status : alive;
}

}  // namespace hiif::cli
