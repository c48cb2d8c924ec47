#include "imaging/library.h"

#include <vips/vips.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>

namespace hiif {
namespace {

void Start(int threads) {
  if (VIPS_INIT("hiif") != 0) {
    std::fprintf(stderr, "libvips does not start: %s\n", vips_error_buffer());
    std::abort();
  }
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
}

}  // namespace

void StartLibrary(int threads) {
  static std::once_flag once;
  std::call_once(once, Start, threads);
}

bool HasOperation(const char* nickname) {
  StartLibrary();
  return vips_type_find("VipsOperation", nickname) != 0;
}

}  // namespace hiif
