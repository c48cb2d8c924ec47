// Server credentials from PEM files that may be replaced while the server runs.
#ifndef SERVER_FRONTS_GRPC_TLS_H_
#define SERVER_FRONTS_GRPC_TLS_H_

#include <memory>
#include <thread>

#include "absl/status/statusor.h"
#include "base/steady_flag.h"
#include "grpcpp/security/server_credentials.h"
#include "jail/shared_memory.h"
#include "server/fronts/tls_files.h"

namespace hiif::server {

// gRPC watches files itself, but drops what it had where the new ones are broken, half written or
// do not belong together, and serves nobody then. So it is given copies, in memory of this process,
// of what was checked; later versions of the files that are broken are logged and not taken.
class ServerTls {
 public:
  // Errors of ReadTlsFiles.
  static absl::StatusOr<std::unique_ptr<ServerTls>> Create(const TlsFiles& files);
  ~ServerTls();

  // Not to be used longer than this object.
  const std::shared_ptr<grpc::ServerCredentials>& credentials() const { return credentials_; }

 private:
  explicit ServerTls(const TlsFiles& files) : files_(files) {}
  // Puts copies of what the files hold in the place of those before.
  absl::Status Publish(const TlsContents& contents);
  void Watch();

  const TlsFiles files_;
  TlsContents published_;
  Descriptor key_, certificate_, client_ca_;
  std::shared_ptr<grpc::ServerCredentials> credentials_;
  SteadyFlag stop_;
  std::thread thread_;
};

}  // namespace hiif::server

#endif  // SERVER_FRONTS_GRPC_TLS_H_
