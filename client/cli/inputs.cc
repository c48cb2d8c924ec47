#include "client/cli/inputs.h"

#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <unordered_set>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "imaging/format.h"

namespace hiif::cli {
namespace {

namespace fs = std::filesystem;

bool IsFolder(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

bool IsPattern(const std::string& name) {
  std::error_code error;
  return name.find_first_of("*?[") != std::string::npos && !fs::exists(name, error);
}

class Expansion {
 public:
  explicit Expansion(const InputOptions& options) : options_(options) {
    std::error_code error;
    if (!options.output_folder.empty())
      output_folder_ = fs::weakly_canonical(options.output_folder, error);
  }

  absl::Status Add(const std::string& name, bool from_list) {
    if (name == "-") return AddFile({"-", "stdin"});
    if (!from_list && absl::StartsWith(name, "@")) return AddList(name.substr(1));
    if (IsPattern(name)) return AddPattern(name);
    if (IsFolder(name)) return AddFolder(name, name);
    return AddFile({name, fs::path(name).filename().string()});
  }

  std::vector<InputFile> Take() { return std::move(files_); }

 private:
  absl::Status AddFile(InputFile file) {
    if (seen_.insert(file.path).second) files_.push_back(std::move(file));
    return absl::OkStatus();
  }

  absl::Status AddList(const std::string& path) {
    std::string text;
    if (path == "-") {
      text.assign(std::istreambuf_iterator<char>(std::cin), {});
    } else {
      absl::StatusOr<std::string> read = ReadFile(path);
      if (!read.ok())
        return absl::InvalidArgumentError(absl::StrCat("@", path, ": ", read.status().message()));
      text = *std::move(read);
    }
    for (absl::string_view line : absl::StrSplit(text, '\n')) {
      absl::ConsumeSuffix(&line, "\r");
      if (!line.empty()) HIIF_RETURN_IF_ERROR(Add(std::string(line), /*from_list=*/true));
    }
    return absl::OkStatus();
  }

  absl::Status AddPattern(const std::string& pattern) {
    glob_t found{};
    const absl::Cleanup release = [&found] { globfree(&found); };
    if (glob(pattern.c_str(), GLOB_TILDE, nullptr, &found) != 0)
      return absl::InvalidArgumentError(absl::StrCat(pattern, ": no file matches"));
    for (size_t i = 0; i < found.gl_pathc; ++i) {
      const std::string path = found.gl_pathv[i];
      if (!IsFolder(path))
        HIIF_RETURN_IF_ERROR(AddFile({path, fs::path(path).filename().string()}));
    }
    return absl::OkStatus();
  }

  absl::Status AddFolder(const fs::path& folder, const fs::path& root) {
    std::error_code error;
    std::vector<fs::directory_entry> entries(fs::directory_iterator(folder, error), {});
    if (error)
      return absl::InvalidArgumentError(
          absl::StrCat("cannot read the folder ", folder.string(), ": ", error.message()));
    std::sort(entries.begin(), entries.end());
    for (const fs::directory_entry& entry : entries) {
      const fs::path& path = entry.path();
      if (absl::StartsWith(path.filename().string(), ".")) continue;
      if (entry.is_directory(error)) {
        const bool own_output =
            !output_folder_.empty() && fs::weakly_canonical(path, error) == output_folder_;
        // A link to a folder may lead back to where it is.
        if (options_.recursive && !own_output && !entry.is_symlink(error))
          HIIF_RETURN_IF_ERROR(AddFolder(path, root));
      } else if (FormatFromPath(path.string()).ok()) {
        HIIF_RETURN_IF_ERROR(
            AddFile({path.string(), path.lexically_relative(root).string(), true}));
      }
    }
    return absl::OkStatus();
  }

  const InputOptions options_;
  fs::path output_folder_;
  std::vector<InputFile> files_;
  std::unordered_set<std::string> seen_;
};

}  // namespace

absl::StatusOr<std::vector<InputFile>> ExpandInputs(const std::vector<std::string>& names,
                                                    const InputOptions& options) {
  Expansion expansion(options);
  for (const std::string& name : names)
    HIIF_RETURN_IF_ERROR(expansion.Add(name, /*from_list=*/false));
  std::vector<InputFile> files = expansion.Take();
  if (files.empty())
    return absl::InvalidArgumentError(
        options.recursive ? "there are no image files there"
                          : "there are no image files there (-r looks into folders of folders)");
  return files;
}

bool NamesSeveral(const std::string& name) {
  return absl::StartsWith(name, "@") || IsFolder(name) || IsPattern(name);
}

}  // namespace hiif::cli
