// The PEM files of all fronts.
#ifndef SERVER_FRONTS_TLS_FILES_H_
#define SERVER_FRONTS_TLS_FILES_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/config/config.h"

namespace hiif::server {

struct TlsFiles {
  std::string certificate;  // chain, the server's own first; empty: clear text
  std::string key;
  std::string client_ca;  // empty: clients are not asked for a certificate
  absl::Duration reload_interval = absl::Seconds(60);
};

TlsFiles TlsFilesOf(const ServerConfig& config);

// What they hold; no authority of clients where none is named.
struct TlsContents {
  std::string certificate, key, client_ca;
  bool operator==(const TlsContents&) const = default;
};

// Errors, naming the file: NotFound, PermissionDenied; InvalidArgument: not PEM, or a key that is
// not the certificate's.
absl::StatusOr<TlsContents> ReadTlsFiles(const TlsFiles& files);

}  // namespace hiif::server

#endif  // SERVER_FRONTS_TLS_FILES_H_
