// One TCP connection, in clear or in TLS. On the I/O thread only.
#ifndef SERVER_FRONTS_HTTP_TRANSPORT_H_
#define SERVER_FRONTS_HTTP_TRANSPORT_H_

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/ssl/context.hpp"
#include "server/fronts/tls_files.h"

namespace hiif::server::http {

using TlsContext = boost::asio::ssl::context;

// Errors of ReadTlsFiles.
absl::StatusOr<std::shared_ptr<TlsContext>> MakeTlsContext(const TlsFiles& files);

class Transport {
 public:
  using Done = std::function<void(const boost::system::error_code&)>;
  using Read = std::function<void(const boost::system::error_code&, size_t)>;
  // Written one behind the other.
  using Pieces = std::array<absl::string_view, 3>;

  virtual ~Transport() = default;
  virtual void Handshake(Done done) = 0;
  // One of each at a time; what is given lives until it is done.
  virtual void AsyncRead(char* data, size_t size, Read done) = 0;
  virtual void AsyncWrite(const Pieces& pieces, Done done) = 0;
  // Says that nothing more will come; reading goes on.
  virtual void ShutdownSend() = 0;
  // At once; what is pending ends with an error.
  virtual void Close() = 0;
  // Name in the client's certificate after the handshake, or empty.
  virtual std::string CertificateName() const { return ""; }
};

// context: nullptr for clear text.
std::unique_ptr<Transport> MakeTransport(boost::asio::ip::tcp::socket socket,
                                         std::shared_ptr<TlsContext> context);

}  // namespace hiif::server::http

#endif  // SERVER_FRONTS_HTTP_TRANSPORT_H_
