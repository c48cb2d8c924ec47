// Server credentials from PEM files that may be replaced while the server runs.
#ifndef SERVER_FRONTS_GRPC_TLS_H_
#define SERVER_FRONTS_GRPC_TLS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "grpcpp/security/server_credentials.h"
#include "server/fronts/tls_files.h"

namespace hiif::server {

// Errors of CheckTlsFiles. Later versions of the files that are broken are not taken; the old ones
// stay in use.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> TlsCredentials(const TlsFiles& files);

}  // namespace hiif::server

#endif  // SERVER_FRONTS_GRPC_TLS_H_
