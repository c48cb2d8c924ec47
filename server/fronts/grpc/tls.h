// Server credentials from PEM files that may be replaced while the server runs.
#ifndef SERVER_FRONTS_GRPC_TLS_H_
#define SERVER_FRONTS_GRPC_TLS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/security/server_credentials.h"

namespace hiif::server {

struct TlsFiles {
  std::string certificate;  // chain, the server's own first
  std::string key;
  std::string client_ca;  // empty: clients are not asked for a certificate
  absl::Duration reload_interval = absl::Seconds(60);
};

// Errors, naming the file: NotFound, PermissionDenied; InvalidArgument: not PEM, or a key that is
// not the certificate's. Later versions of the files that are broken are not taken; the old ones
// stay in use.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> TlsCredentials(const TlsFiles& files);

}  // namespace hiif::server

#endif  // SERVER_FRONTS_GRPC_TLS_H_
