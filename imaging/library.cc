#include "imaging/library.h"

#include <gmodule.h>
#include <vips/vips.h>

#include <filesystem>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

namespace hiif {
namespace {

// What GLib, libvips and the libraries below them remark on a file is for no one: errors come back
// as such. What ends the process is said.
void Ignore(const gchar* domain, GLogLevelFlags level, const gchar* message, gpointer unused) {
  if ((level & (G_LOG_FLAG_FATAL | G_LOG_LEVEL_ERROR)) != 0)
    g_log_default_handler(domain, level, message, unused);
}

// libvips loads all modules below the folder this variable names: ImageMagick, Poppler and
// OpenSlide with their hundred libraries, which are shut below and cost more time than the rest of
// a start. Here it finds none. (It sets the variable itself where it is not set.)
constexpr char kHomeVariable[] = "VIPSHOME";
constexpr char kNowhere[] = "/nonexistent";

// The modules with formats of ours, where the build of libvips has them apart.
void LoadModule(absl::string_view nickname) {
  const char* name = absl::StartsWith(nickname, "heif")  ? "vips-heif"
                     : absl::StartsWith(nickname, "jxl") ? "vips-jxl"
                                                         : nullptr;
  if (name == nullptr) return;
  // Beside programs that brought their own libvips (the wheel), else where the build found it.
  std::error_code error;
  const std::string own =
      std::filesystem::read_symlink("/proc/self/exe", error).parent_path().parent_path() /
      "lib/vips-modules";
  for (const std::string& folder : {own, std::string(HIIF_VIPS_MODULES)}) {
    const std::string path = absl::StrCat(folder, "/", name, ".", G_MODULE_SUFFIX);
    GModule* module = g_module_open(path.c_str(), G_MODULE_BIND_LAZY);  // registers what it has
    if (module == nullptr) continue;
    g_module_make_resident(module);
    return;
  }
}

absl::Status Start(int threads) {
  g_setenv(kHomeVariable, kNowhere, TRUE);
  if (VIPS_INIT("hiif") != 0)
    return absl::InternalError(absl::StrCat("libvips does not start: ", vips_error_buffer()));
  g_log_set_default_handler(Ignore, nullptr);
  vips_concurrency_set(threads);
  vips_cache_set_max(0);
  // Everything that reads or writes files is shut, then what is known is opened: no SVG, no PDF, no
  // ImageMagick.
  vips_operation_block_set("VipsForeign", TRUE);
  // What modules bring later is open, and has none but our formats.
  for (const char* name :
       {"VipsForeignLoadPng", "VipsForeignLoadJpeg", "VipsForeignLoadWebp", "VipsForeignLoadTiff",
        "VipsForeignLoadHeif", "VipsForeignLoadJxl", "VipsForeignLoadNsgif", "VipsForeignLoadPpm",
        "VipsForeignSaveHeif", "VipsForeignSaveAvif", "VipsForeignSaveJxl", "VipsForeignSaveCgif"})
    vips_operation_block_set(name, FALSE);
  return absl::OkStatus();
}

}  // namespace

absl::Status StartLibrary(int threads) {
  static const absl::Status result = Start(threads);
  return result;
}

bool HasOperation(const char* nickname) {
  if (!StartLibrary().ok()) return false;
  static absl::Mutex mutex(absl::kConstInit);
  absl::MutexLock lock(&mutex);
  if (vips_type_find("VipsOperation", nickname) != 0) return true;
  LoadModule(nickname);
  return vips_type_find("VipsOperation", nickname) != 0;
}

}  // namespace hiif
