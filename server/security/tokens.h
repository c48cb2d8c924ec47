// Bearer tokens and what each may do.
#ifndef SERVER_SECURITY_TOKENS_H_
#define SERVER_SECURITY_TOKENS_H_

#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace hiif::server {

// What calls need. Health and reflection (--reflection) need none; listing models needs any valid
// token.
inline constexpr char kScopeUpscale[] = "upscale";
inline constexpr char kScopeQuery[] = "query";
inline constexpr char kScopeModels[] = "models";  // load and unload

struct Principal {
  std::string name;  // for logs and fairness
  std::set<std::string> scopes;
};

// The tokens of one file, by the SHA-256 of the token. Immutable.
//
//   {"tokens": [{"name": "archive", "token": "s3cret", "scopes": ["upscale"]},
//               {"name": "ops", "sha256": "64 hexadecimal digits of the token's SHA-256", "scopes":
//               ["models"]}]}
//
// Without "scopes": upscale and query.
class TokenTable {
 public:
  // InvalidArgument names the entry.
  static absl::StatusOr<TokenTable> Parse(absl::string_view json);

  // nullptr: unknown. Looked up by digest, so that the time taken tells nothing about the tokens.
  const Principal* Find(absl::string_view token) const;

 private:
  std::map<std::string, Principal> by_digest_;  // SHA-256, 64 lower-case hexadecimal digits
};

// The table of a file that may be replaced while the server runs. Any thread.
class TokenFile {
 public:
  static absl::StatusOr<std::unique_ptr<TokenFile>> Open(const std::string& path);

  // Reads the file again. On an error the old table stays in use.
  absl::Status Reload();

  // authorization: the header's value, empty where there is none. Unauthenticated: no or an unknown
  // token; PermissionDenied: the token lacks `scope` (empty: none needed).
  absl::StatusOr<Principal> Authorize(absl::string_view authorization,
                                      absl::string_view scope) const;

 private:
  explicit TokenFile(std::string path) : path_(std::move(path)) {}
  const std::string path_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const TokenTable> table_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hiif::server

#endif  // SERVER_SECURITY_TOKENS_H_
