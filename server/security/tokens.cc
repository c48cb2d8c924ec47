#include "server/security/tokens.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/status_macros.h"
#include "server/errors/errors.h"

namespace hiif::server {
namespace {

using Json = nlohmann::json;

absl::Status Refuse(size_t index, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("tokens[", index, "]: ", what));
}

std::string StringMember(const Json& object, const char* name) {
  const auto member = object.find(name);
  return member != object.end() && member->is_string() ? member->get<std::string>() : "";
}

absl::Status ReadScopes(size_t index, const Json& entry, std::set<std::string>* scopes) {
  const auto member = entry.find("scopes");
  if (member == entry.end()) {
    *scopes = {kScopeUpscale, kScopeQuery};
    return absl::OkStatus();
  }
  if (!member->is_array()) return Refuse(index, "\"scopes\" is a list");
  for (const Json& scope : *member) {
    const std::string name = scope.is_string() ? scope.get<std::string>() : "";
    if (name != kScopeUpscale && name != kScopeQuery && name != kScopeModels)
      return Refuse(index, absl::StrCat("scope ", scope.dump(),
                                        " is none of \"upscale\", \"query\", \"models\""));
    scopes->insert(name);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TokenTable> TokenTable::Parse(absl::string_view json) {
  HIIF_ASSIGN_OR_RETURN(const Json root, ParseJson(json));
  if (!root.is_object() || !root.contains("tokens") || !root["tokens"].is_array())
    return absl::InvalidArgumentError("not a JSON object with a list \"tokens\"");
  TokenTable table;
  size_t index = 0;
  for (const Json& entry : root["tokens"]) {
    if (!entry.is_object()) return Refuse(index, "not an object");
    Principal principal;
    principal.name = StringMember(entry, "name");
    if (principal.name.empty()) return Refuse(index, "\"name\" is missing");
    const std::string token = StringMember(entry, "token");
    const std::string digest = StringMember(entry, "sha256");
    if (token.empty() == digest.empty())
      return Refuse(index, "exactly one of \"token\" and \"sha256\" is needed");
    if (!digest.empty() && (digest.size() != 64 || !BytesOfHex(digest)))
      return Refuse(index, "\"sha256\" is not 64 hexadecimal digits");
    HIIF_RETURN_IF_ERROR(ReadScopes(index, entry, &principal.scopes));
    const std::string key = token.empty() ? absl::AsciiStrToLower(digest) : Sha256Hex(token);
    if (!table.by_digest_.emplace(key, std::move(principal)).second)
      return Refuse(index, "the token is there twice");
    ++index;
  }
  return table;
}

const Principal* TokenTable::Find(absl::string_view token) const {
  const auto found = by_digest_.find(Sha256Hex(token));
  return found == by_digest_.end() ? nullptr : &found->second;
}

absl::StatusOr<std::unique_ptr<TokenFile>> TokenFile::Open(const std::string& path) {
  auto file = std::unique_ptr<TokenFile>(new TokenFile(path));
  HIIF_RETURN_IF_ERROR(file->Reload());
  return file;
}

absl::Status TokenFile::Reload() {
  HIIF_ASSIGN_OR_RETURN(const std::string json, ReadFile(path_));
  auto table = TokenTable::Parse(json);
  if (!table.ok())
    return absl::InvalidArgumentError(absl::StrCat(path_, ": ", table.status().message()));
  auto shared = std::make_shared<const TokenTable>(*std::move(table));
  absl::MutexLock lock(&mutex_);
  table_ = std::move(shared);
  return absl::OkStatus();
}

absl::StatusOr<Principal> TokenFile::Authorize(absl::string_view authorization,
                                               absl::string_view scope) const {
  std::shared_ptr<const TokenTable> table;
  {
    absl::MutexLock lock(&mutex_);
    table = table_;
  }
  // The scheme is case-insensitive (RFC 9110).
  constexpr absl::string_view kScheme = "Bearer ";
  if (!absl::StartsWithIgnoreCase(authorization, kScheme))
    return ErrorWithReason(absl::StatusCode::kUnauthenticated, kReasonAuthentication,
                           "this server needs a token: send \"authorization: Bearer TOKEN\"");
  const Principal* principal = table->Find(authorization.substr(kScheme.size()));
  if (principal == nullptr)
    return ErrorWithReason(absl::StatusCode::kUnauthenticated, kReasonAuthentication,
                           "the token is not one of this server's");
  if (!scope.empty() && !principal->scopes.contains(std::string(scope)))
    return ErrorWithReason(
        absl::StatusCode::kPermissionDenied, kReasonScope,
        absl::StrCat("the token \"", principal->name, "\" lacks the scope \"", scope, "\""));
  return *principal;
}

}  // namespace hiif::server
