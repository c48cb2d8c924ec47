#include "imaging/library.h"

#include <vips/vips.h>

#include "absl/strings/str_cat.h"

namespace hiif {
namespace {

// What libvips and the libraries below it remark on a file is for no one: errors come back as such.
void Ignore(const gchar*, GLogLevelFlags, const gchar*, gpointer) {}

absl::Status Start(int threads) {
  if (VIPS_INIT("hiif") != 0)
    return absl::InternalError(absl::StrCat("libvips does not start: ", vips_error_buffer()));
  g_log_set_handler("VIPS", static_cast<GLogLevelFlags>(G_LOG_LEVEL_WARNING | G_LOG_LEVEL_INFO),
                    Ignore, nullptr);
  vips_concurrency_set(threads);
  vips_cache_set_max(0);
  // Everything that reads or writes files is shut, then what is known is opened: no SVG, no PDF, no
  // ImageMagick.
  vips_operation_block_set("VipsForeign", TRUE);
  for (const char* name :
       {"VipsForeignLoadPng", "VipsForeignLoadJpeg", "VipsForeignLoadWebp", "VipsForeignLoadTiff",
        "VipsForeignLoadHeif", "VipsForeignLoadJxl", "VipsForeignLoadNsgif", "VipsForeignLoadPpm",
        "VipsForeignSaveHeif", "VipsForeignSaveAvif", "VipsForeignSaveJxl"})
    vips_operation_block_set(name, FALSE);
  return absl::OkStatus();
}

}  // namespace

absl::Status StartLibrary(int threads) {
  static const absl::Status result = Start(threads);
  return result;
}

bool HasOperation(const char* nickname) {
  return StartLibrary().ok() && vips_type_find("VipsOperation", nickname) != 0;
}

}  // namespace hiif
