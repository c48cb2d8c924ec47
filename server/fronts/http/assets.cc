#include "server/fronts/http/assets.h"

#include "embedded/openapi.h"
#include "embedded/page.h"
#include "embedded/sample.h"

namespace hiif::server::http {

const Asset* FindAsset(absl::string_view path) {
  static const Asset assets[] = {
      {"/", "text/html; charset=utf-8", embedded::page()},
      {"/sample.png", "image/png", embedded::sample()},
      {"/openapi.json", "application/json", embedded::openapi()},
  };
  for (const Asset& asset : assets)
    if (asset.path == path) return &asset;
  return nullptr;
}

}  // namespace hiif::server::http
