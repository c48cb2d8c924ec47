#include "base/model_folder.h"

#include <filesystem>

namespace hiif {

namespace fs = std::filesystem;

std::string InstalledModels() {
  std::error_code error;
  const fs::path own_folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const char* relative : {"../share/hiif/models", "../../../models"}) {
    const fs::path folder = fs::weakly_canonical(own_folder / relative, error);
    if (!error && fs::is_directory(folder, error)) return folder.string();
  }
  return "";
}

std::string DefaultModelFolder() {
  constexpr char kHere[] = "models";
  std::error_code error;
  if (fs::is_directory(kHere, error)) return kHere;
  const std::string installed = InstalledModels();
  return installed.empty() ? kHere : installed;
}

}  // namespace hiif
