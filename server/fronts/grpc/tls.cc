#include "server/fronts/grpc/tls.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_credentials_options.h"

namespace hiif::server {
namespace {

template <typename T, void (*kFree)(T*)>
struct Deleter {
  void operator()(T* object) const { kFree(object); }
};
using Certificate = std::unique_ptr<X509, Deleter<X509, X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY, EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO, BIO_free_all>>;

Bio Open(const std::string& pem) {
  return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

absl::StatusOr<Certificate> ReadCertificate(const std::string& path) {
  HIIF_ASSIGN_OR_RETURN(const std::string pem, ReadFile(path));
  Certificate certificate(PEM_read_bio_X509(Open(pem).get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr)
    return absl::InvalidArgumentError(absl::StrCat(path, ": no certificate in PEM form"));
  return certificate;
}

// gRPC would only log what is wrong, and serve nobody.
absl::Status Check(const TlsFiles& files) {
  HIIF_ASSIGN_OR_RETURN(const Certificate certificate, ReadCertificate(files.certificate));
  HIIF_ASSIGN_OR_RETURN(const std::string pem, ReadFile(files.key));
  const Key key(PEM_read_bio_PrivateKey(Open(pem).get(), nullptr, nullptr, nullptr));
  if (key == nullptr)
    return absl::InvalidArgumentError(absl::StrCat(files.key, ": no private key in PEM form"));
  if (X509_check_private_key(certificate.get(), key.get()) != 1)
    return absl::InvalidArgumentError(
        absl::StrCat(files.key, ": not the key of the certificate in ", files.certificate));
  if (!files.client_ca.empty()) HIIF_RETURN_IF_ERROR(ReadCertificate(files.client_ca).status());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> TlsCredentials(const TlsFiles& files) {
  HIIF_RETURN_IF_ERROR(Check(files));
  const auto interval =
      static_cast<unsigned>(std::max<int64_t>(1, absl::ToInt64Seconds(files.reload_interval)));
  auto provider = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      files.key, files.certificate, files.client_ca, interval);
  grpc::experimental::TlsServerCredentialsOptions options(provider);
  options.watch_identity_key_cert_pairs();
  if (!files.client_ca.empty()) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return grpc::experimental::TlsServerCredentials(options);
}

}  // namespace hiif::server
