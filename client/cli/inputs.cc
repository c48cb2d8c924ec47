#include "client/cli/inputs.h"

#include <glob.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <unordered_set>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/error_text.h"
#include "base/file.h"
#include "client/cli/error.h"
#include "client/cli/input_stream.h"
#include "client/cli/outputs.h"

namespace hiif::cli {
namespace {

namespace fs = std::filesystem;

// Neither a file nor what may be one, a link that leads nowhere or what cannot be looked at: those
// fail by themselves.
bool IsOther(const fs::path& path) {
  std::error_code error;
  const fs::file_type type = fs::status(path, error).type();
  return !error && type != fs::file_type::regular && type != fs::file_type::not_found;
}

bool IsPattern(const std::string& name) {
  std::error_code error;
  return name.find_first_of("*?[") != std::string::npos && !fs::exists(name, error);
}

bool IsList(const std::string& name) {
  std::error_code error;
  return absl::StartsWith(name, "@") && !fs::exists(name, error);
}

// Of storage systems and trash cans: thumbnails, and what was thrown away.
bool IsSystems(const fs::path& path) {
  const std::string name = path.filename().string();
  for (const absl::string_view theirs : {"@eaDir", "@Recycle", "#recycle", "#snapshot",
                                         "lost+found", "$RECYCLE.BIN", "System Volume Information"})
    if (name == theirs) return true;
  return false;
}

// By its first bytes.
std::optional<ImageFormat> ContentOf(const std::string& path) {
  char head[64];
  std::ifstream file(path, std::ios::binary);
  file.read(head, sizeof(head));
  return SniffFormat({head, static_cast<size_t>(file.gcount())});
}

class Expansion {
 public:
  explicit Expansion(const InputOptions& options) : options_(options) {
    std::error_code error;
    if (!options.output_folder.empty())
      output_folder_ = fs::weakly_canonical(options.output_folder, error);
  }

  void Add(const std::string& name, bool from_list) {
    if (name == "-") return AddFile({"-", "stdin"});
    if (!from_list && IsList(name)) return AddList(name.substr(1));
    if (IsPattern(name)) return AddPattern(name);
    if (!IsFolder(name)) return AddFile({name, fs::path(name).filename().string()});
    if (!IsSystems(name)) AddFolder(name, name);
  }

  std::vector<InputFile> Take() { return std::move(files_); }

 private:
  void AddFile(InputFile file) {
    if (seen_.insert(file.path).second) files_.push_back(std::move(file));
  }

  void AddProblem(const std::string& name, std::string problem) {
    InputFile file{name, fs::path(name).filename().string()};
    file.problem = std::move(problem);
    AddFile(std::move(file));
  }

  void AddList(const std::string& path) {
    const absl::StatusOr<std::string> text = ReadAll(path, options_.stop);
    if (!text.ok()) return AddProblem("@" + path, std::string(text.status().message()));
    absl::string_view rest = *text;
    if (absl::StartsWith(rest, "\xff\xfe") || absl::StartsWith(rest, "\xfe\xff"))
      return AddProblem("@" + path, "the list is in UTF-16; save it as UTF-8");
    absl::ConsumePrefix(&rest, "\xef\xbb\xbf");  // a byte order mark
    for (absl::string_view line : absl::StrSplit(rest, '\n')) {
      absl::ConsumeSuffix(&line, "\r");
      if (!line.empty()) Add(std::string(line), /*from_list=*/true);
    }
  }

  void AddPattern(const std::string& pattern) {
    glob_t found{};
    const absl::Cleanup release = [&found] { globfree(&found); };
    thread_local std::vector<std::pair<std::string, int>> unread;
    unread.clear();
    const auto note = [](const char* folder, int error) {
      // What is not there has no file that matches; newer versions of glibc mention it.
      if (error != ENOENT && error != ENOTDIR) unread.emplace_back(folder, error);
      return 0;
    };
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing else looks users up or sets the environment
    glob(pattern.c_str(), GLOB_TILDE, note, &found);
    const size_t before = files_.size();
    for (const auto& [folder, error] : unread)
      AddProblem(folder, absl::StrCat("cannot read the folder: ", ErrorText(error)));
    bool any = files_.size() > before;
    for (size_t i = 0; i < found.gl_pathc; ++i) {
      const std::string path = found.gl_pathv[i];
      const std::string name = fs::path(path).filename().string();
      if (IsOther(path) || ParseTemporary(name)) continue;
      AddFile({path, name});
      any = true;
    }
    if (!any) AddProblem(pattern, "no file matches");
  }

  void AddFolder(const fs::path& folder, const fs::path& root) {
    std::error_code error;
    std::vector<fs::directory_entry> entries = ListFolder(folder.string(), error);
    if (error)
      AddProblem(folder.string(), absl::StrCat("cannot read the folder: ", error.message()));
    std::sort(entries.begin(), entries.end());
    for (const fs::directory_entry& entry : entries) {
      const fs::path& path = entry.path();
      const std::string name = path.filename().string();
      if (absl::StartsWith(name, ".") || IsSystems(path) || ParseTemporary(name)) continue;
      if (entry.is_directory(error)) {
        const bool own_output =
            !output_folder_.empty() && fs::weakly_canonical(path, error) == output_folder_;
        // A link to a folder may lead back to where it is.
        if (options_.recursive && !own_output && !entry.is_symlink(error)) AddFolder(path, root);
        continue;
      }
      if (!entry.is_regular_file(error) && IsOther(path)) continue;
      InputFile file{path.string(), path.lexically_relative(root).string(), true};
      if (!FormatFromPath(file.path).ok()) {
        file.content = ContentOf(file.path);
        if (!file.content) {
          if (options_.left_out != nullptr) options_.left_out->push_back(file.path);
          continue;
        }
      }
      AddFile(std::move(file));
    }
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
  for (const std::string& name : names) expansion.Add(name, /*from_list=*/false);
  std::vector<InputFile> files = expansion.Take();
  if (files.empty())
    return absl::InvalidArgumentError(
        options.recursive ? "there are no image files there"
                          : "there are no image files there (-r looks into folders of folders)");
  // Nothing to be done: said before a server is started.
  if (std::all_of(files.begin(), files.end(), [](const auto& f) { return !f.problem.empty(); }))
    return absl::InvalidArgumentError(absl::StrCat(files[0].path, ": ", files[0].problem));
  return files;
}

bool NamesSeveral(const std::string& name) {
  return IsList(name) || IsFolder(name) || IsPattern(name);
}

}  // namespace hiif::cli
