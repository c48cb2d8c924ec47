#include "server/fronts/http/transport.h"

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509v3.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "boost/asio/buffer.hpp"
#include "boost/asio/ssl/error.hpp"
#include "boost/asio/ssl/stream.hpp"
#include "boost/asio/write.hpp"

namespace hiif::server::http {
namespace {

using boost::asio::const_buffer;
using boost::asio::ip::tcp;
using boost::system::error_code;

std::array<const_buffer, 3> Buffers(const Transport::Pieces& pieces) {
  return {const_buffer(pieces[0].data(), pieces[0].size()),
          const_buffer(pieces[1].data(), pieces[1].size()),
          const_buffer(pieces[2].data(), pieces[2].size())};
}

class PlainTransport : public Transport {
 public:
  explicit PlainTransport(tcp::socket socket) : socket_(std::move(socket)) {}

  void Handshake(Done done) override { done({}); }
  void AsyncRead(char* data, size_t size, Read done) override {
    socket_.async_read_some(boost::asio::buffer(data, size), std::move(done));
  }
  void AsyncWrite(const Pieces& pieces, Done done) override {
    boost::asio::async_write(
        socket_, Buffers(pieces),
        [done = std::move(done)](const error_code& error, size_t) { done(error); });
  }
  void ShutdownSend() override {
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
  }
  void Close() override {
    error_code ignored;
    socket_.close(ignored);
  }

 private:
  tcp::socket socket_;
};

// To who speaks HTTP without TLS.
constexpr absl::string_view kUseTls =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\n"
    "Connection: close\r\n\r\n"
    R"({"type":"about:blank","title":"Bad Request","status":400,"code":"INVALID_ARGUMENT",)"
    R"("detail":"this port speaks TLS: https://"})"
    "\n";

bool IsClearHttp(const error_code& error) {
  return error.category() == boost::asio::error::get_ssl_category() &&
         ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_HTTP_REQUEST;
}

class TlsTransport : public Transport {
 public:
  TlsTransport(tcp::socket socket, std::shared_ptr<TlsContext> context)
      : context_(std::move(context)), stream_(std::move(socket), *context_) {}

  void Handshake(Done done) override {
    stream_.async_handshake(boost::asio::ssl::stream_base::server,
                            [this, done = std::move(done)](const error_code& error) {
                              IsClearHttp(error) ? Redirect(done, error) : done(error);
                            });
  }
  void AsyncRead(char* data, size_t size, Read done) override {
    stream_.async_read_some(boost::asio::buffer(data, size), std::move(done));
  }
  void AsyncWrite(const Pieces& pieces, Done done) override {
    boost::asio::async_write(
        stream_, Buffers(pieces),
        [done = std::move(done)](const error_code& error, size_t) { done(error); });
  }
  void ShutdownSend() override {
    // Every answer says its length itself, so TLS's own word of the end adds nothing.
    error_code ignored;
    stream_.next_layer().shutdown(tcp::socket::shutdown_send, ignored);
  }
  void Close() override {
    error_code ignored;
    stream_.next_layer().close(ignored);
  }
  std::string CertificateName() const override;

 private:
  // Says so in clear text, and reads on until the client has it: a socket that is closed before
  // takes the answer along. The session's time for handshakes bounds it.
  void Redirect(const Done& done, const error_code& why) {
    boost::asio::async_write(stream_.next_layer(), const_buffer(kUseTls.data(), kUseTls.size()),
                             [this, done, why](const error_code& error, size_t) {
                               if (error) return done(why);
                               ShutdownSend();
                               Drain(done, why);
                             });
  }
  void Drain(const Done& done, const error_code& why) {
    stream_.next_layer().async_read_some(boost::asio::buffer(drained_),
                                         [this, done, why](const error_code& error, size_t) {
                                           error ? done(why) : Drain(done, why);
                                         });
  }

  const std::shared_ptr<TlsContext> context_;
  mutable boost::asio::ssl::stream<tcp::socket> stream_;
  std::array<char, 4096> drained_;
};

std::string Text(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<size_t>(ASN1_STRING_length(text))};
}

// As gRPC names its peers: the first alternative name, else the common name.
std::string TlsTransport::CertificateName() const {
  const std::unique_ptr<X509, void (*)(X509*)> certificate(
      SSL_get_peer_certificate(stream_.native_handle()), X509_free);
  if (certificate == nullptr) return "";
  const std::unique_ptr<GENERAL_NAMES, void (*)(GENERAL_NAMES*)> names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS || name->type == GEN_URI || name->type == GEN_EMAIL)
      return Text(name->d.ia5);
  }
  const X509_NAME* const subject = X509_get_subject_name(certificate.get());
  const int at = X509_NAME_get_index_by_NID(const_cast<X509_NAME*>(subject), NID_commonName, -1);
  return at < 0 ? "" : Text(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

}  // namespace

absl::StatusOr<std::shared_ptr<TlsContext>> MakeTlsContext(const TlsFiles& files) {
  HIIF_RETURN_IF_ERROR(ReadTlsFiles(files).status());
  namespace ssl = boost::asio::ssl;
  auto context = std::make_shared<TlsContext>(TlsContext::tls_server);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_options(context->native_handle(), SSL_OP_NO_RENEGOTIATION);
  const auto refuse = [](const std::string& file, const error_code& error) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", error.message()));
  };
  error_code error;
  context->use_certificate_chain_file(files.certificate, error);
  if (error) return refuse(files.certificate, error);
  context->use_private_key_file(files.key, ssl::context::pem, error);
  if (error) return refuse(files.key, error);
  if (!files.client_ca.empty()) {
    context->load_verify_file(files.client_ca, error);
    if (error) return refuse(files.client_ca, error);
    context->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert, error);
    if (error) return refuse(files.client_ca, error);
    // OpenSSL resumes no session of a client with a certificate without knowing whose it is.
    constexpr unsigned char kSessions[] = "hiif-http";
    SSL_CTX_set_session_id_context(context->native_handle(), kSessions, sizeof(kSessions) - 1);
  }
  return context;
}

std::unique_ptr<Transport> MakeTransport(tcp::socket socket, std::shared_ptr<TlsContext> context) {
  if (context == nullptr) return std::make_unique<PlainTransport>(std::move(socket));
  return std::make_unique<TlsTransport>(std::move(socket), std::move(context));
}

}  // namespace hiif::server::http
