#include "server/fronts/grpc/tls.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error_text.h"
#include "base/status_macros.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "server/logging/log.h"

namespace hiif::server {
namespace {

// gRPC reads what is published, and would find one file of the old version and one of the new where
// it does so between the two: a second later both are new.
constexpr unsigned kLookSeconds = 1;

std::string PathOf(const Descriptor& file) {
  return file.get() < 0 ? "" : absl::StrCat("/proc/self/fd/", file.get());
}

// In the place of what `file` was, under the same number.
absl::Status Replace(absl::string_view bytes, Descriptor* file) {
  absl::StatusOr<Descriptor> made = MakeSealedMemory("hiif-tls", bytes);
  if (!made.ok())
    return absl::UnavailableError(
        absl::StrCat("no memory for a copy of the TLS files: ", made.status().message()));
  Descriptor copy = *std::move(made);
  if (file->get() < 0) {
    *file = std::move(copy);
  } else if (dup3(copy.get(), file->get(), O_CLOEXEC) < 0) {
    return absl::UnavailableError(absl::StrCat("dup3: ", ErrorText(errno)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ServerTls>> ServerTls::Create(const TlsFiles& files) {
  HIIF_ASSIGN_OR_RETURN(const TlsContents contents, ReadTlsFiles(files));
  auto tls = std::unique_ptr<ServerTls>(new ServerTls(files));
  // Where there is no such memory, or no /proc, the files themselves have to do.
  const bool has_copies =
      tls->Publish(contents).ok() && access(PathOf(tls->key_).c_str(), R_OK) == 0;
  grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          has_copies ? PathOf(tls->key_) : files.key,
          has_copies ? PathOf(tls->certificate_) : files.certificate,
          has_copies ? PathOf(tls->client_ca_) : files.client_ca, kLookSeconds));
  options.watch_identity_key_cert_pairs();
  if (!files.client_ca.empty()) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  tls->credentials_ = grpc::experimental::TlsServerCredentials(options);
  if (has_copies) tls->thread_ = std::thread([tls = tls.get()] { tls->Watch(); });
  return tls;
}

ServerTls::~ServerTls() {
  stop_.Raise();
  if (thread_.joinable()) thread_.join();
}

absl::Status ServerTls::Publish(const TlsContents& contents) {
  HIIF_RETURN_IF_ERROR(Replace(contents.key, &key_));
  HIIF_RETURN_IF_ERROR(Replace(contents.certificate, &certificate_));
  if (!files_.client_ca.empty()) HIIF_RETURN_IF_ERROR(Replace(contents.client_ca, &client_ca_));
  published_ = contents;
  return absl::OkStatus();
}

void ServerTls::Watch() {
  while (!stop_.WaitFor(files_.reload_interval)) {
    const absl::StatusOr<TlsContents> contents = ReadTlsFiles(files_);
    absl::Status status = contents.status();
    if (status.ok() && *contents != published_) status = Publish(*contents);
    if (!status.ok())
      LogWarning("the TLS files were not taken, the old ones stay", {{"error", status.message()}});
  }
}

}  // namespace hiif::server
