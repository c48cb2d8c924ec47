#include "server/fronts/tls_files.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"

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

absl::StatusOr<Certificate> ParseCertificate(const std::string& path, const std::string& pem) {
  Certificate certificate(PEM_read_bio_X509(Open(pem).get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr)
    return absl::InvalidArgumentError(absl::StrCat(path, ": no certificate in PEM form"));
  return certificate;
}

}  // namespace

TlsFiles TlsFilesOf(const ServerConfig& config) {
  return {config.tls_certificate(), config.tls_key(), config.tls_client_ca(),
          ToDuration(config.tls_reload_interval())};
}

absl::StatusOr<TlsContents> ReadTlsFiles(const TlsFiles& files) {
  TlsContents contents;
  HIIF_ASSIGN_OR_RETURN(contents.certificate, ReadFile(files.certificate));
  HIIF_ASSIGN_OR_RETURN(const Certificate certificate,
                        ParseCertificate(files.certificate, contents.certificate));
  HIIF_ASSIGN_OR_RETURN(contents.key, ReadFile(files.key));
  const Key key(PEM_read_bio_PrivateKey(Open(contents.key).get(), nullptr, nullptr, nullptr));
  if (key == nullptr)
    return absl::InvalidArgumentError(absl::StrCat(files.key, ": no private key in PEM form"));
  if (X509_check_private_key(certificate.get(), key.get()) != 1)
    return absl::InvalidArgumentError(
        absl::StrCat(files.key, ": not the key of the certificate in ", files.certificate));
  if (!files.client_ca.empty()) {
    HIIF_ASSIGN_OR_RETURN(contents.client_ca, ReadFile(files.client_ca));
    HIIF_RETURN_IF_ERROR(ParseCertificate(files.client_ca, contents.client_ca).status());
  }
  return contents;
}

}  // namespace hiif::server
