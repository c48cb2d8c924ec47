#include "client/cli/outputs.h"

#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <filesystem>
#include <regex>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace hiif::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kDefaultName[] = "{stem}_{scale}.{ext}";

// Where links lead, without "..", there or not.
fs::path BehindLinks(const std::string& path) {
  constexpr int kMaxLinks = 40;
  std::error_code error;
  fs::path at(path);
  for (int i = 0; i < kMaxLinks; ++i) {
    const fs::path next = fs::read_symlink(at, error);
    if (error) break;
    at = next.is_absolute() ? next : at.parent_path() / next;
  }
  const fs::path whole = fs::absolute(at, error);
  const fs::path known = fs::weakly_canonical(whole, error);
  return error ? fs::path(path) : known;
}

// Its maker is gone, or its number has gone to another program, or to this one.
bool IsStale(const Temporary& temporary) {
  std::error_code error;
  const fs::path process = absl::StrCat("/proc/", temporary.process, "/exe");
  return !fs::exists(process, error) || !fs::equivalent(process, "/proc/self/exe", error) ||
         temporary.process == absl::StrCat(getpid());
}

}  // namespace

std::string FileOf(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink > 1)
    return absl::StrCat("inode ", info.st_dev, ":", info.st_ino);
  return BehindLinks(path).string();
}

absl::StatusOr<OutputNames> OutputNames::Create(const OutputOptions& options) {
  OutputNames names;
  names.options_ = options;
  if (names.options_.name.empty()) names.options_.name = kDefaultName;
  if (!absl::StrContains(names.options_.name, "{stem}"))
    return absl::InvalidArgumentError("--name: {stem} must be in it, or all outputs have one name");

  std::error_code error;
  const bool is_folder = fs::is_directory(options.output, error);
  names.to_folder_ = !options.output.empty() && options.output != "-" &&
                     (options.several || is_folder || absl::EndsWith(options.output, "/"));
  if (names.to_folder_ && fs::exists(options.output, error) && !is_folder)
    return absl::InvalidArgumentError(
        absl::StrCat("-o ", options.output, " is a file; several inputs need a folder"));
  if (options.output == "-" && options.several)
    return absl::InvalidArgumentError(
        "standard output takes one image; several inputs need a folder");

  if (!options.format.empty()) {
    const auto format = FormatFromPath(absl::StrCat("x.", options.format));
    if (!format.ok() || !CanWrite(*format))
      return absl::InvalidArgumentError(absl::StrCat("--format: \"", options.format,
                                                     "\" cannot be written; this program writes ",
                                                     WritableFormats()));
    names.format_ = *format;
    names.has_format_ = true;
  } else if (!options.output.empty() && options.output != "-" && !names.to_folder_) {
    const auto format = FormatFromPath(options.output);
    if (!format.ok() || !CanWrite(*format))
      return absl::InvalidArgumentError(absl::StrCat(
          "-o ", options.output, ": the name says no format that can be written (",
          WritableFormats(), "); choose one with --format, or end the name with / for a folder"));
    names.format_ = *format;
    names.has_format_ = true;
  }
  return names;
}

absl::StatusOr<OutputFile> OutputNames::For(const InputFile& input,
                                            std::optional<ImageFormat> content) const {
  const fs::path relative(input.relative);
  const auto named = FormatFromPath(relative.string());
  OutputFile out;
  if (!content) content = input.content;
  out.format = has_format_ ? format_ : named.ok() ? *named : content.value_or(ImageFormat::kPng);
  if (!has_format_ && out.format == ImageFormat::kGif)
    out.format = options_.animation ? ImageFormat::kWebp : ImageFormat::kPng;
  if (!CanWrite(out.format)) out.format = ImageFormat::kPng;
  if (!options_.output.empty() && !to_folder_) {
    out.path = options_.output;
    return out;
  }
  if (options_.output.empty() && input.path == "-")
    return absl::InvalidArgumentError("standard input has no name: say where with -o");
  std::string extension(FormatExtension(out.format));
  // "photo.jpeg" stays "jpeg".
  if (named.ok() && *named == out.format && options_.format.empty())
    extension = input.relative.substr(input.relative.rfind('.') + 1);
  const std::string name = absl::StrReplaceAll(
      options_.name,
      {{"{stem}", relative.stem().string()}, {"{scale}", options_.label}, {"{ext}", extension}});
  const fs::path folder = to_folder_ ? fs::path(options_.output) / relative.parent_path()
                                     : fs::path(input.path).parent_path();
  out.path = (folder / name).string();
  return out;
}

absl::StatusOr<Exists> ParseExists(const std::string& name) {
  for (const auto& [known, exists] :
       {std::pair("skip", Exists::kSkip), std::pair("overwrite", Exists::kOverwrite),
        std::pair("error", Exists::kError), std::pair("rename", Exists::kRename)})
    if (name == known) return exists;
  return absl::InvalidArgumentError(
      absl::StrCat("--exists: \"", name, "\" is none of skip, overwrite, error, rename"));
}

absl::Status SameOutputAs(const std::string& other) {
  return absl::AlreadyExistsError(absl::StrCat(
      "its output would be that of ", other,
      "; --name with {ext}, another folder, or --exists rename without --shard, helps"));
}

absl::StatusOr<OutputDecision> ExistsPolicy::Decide(const std::string& input,
                                                    const std::string& output) {
  if (output == "-") return OutputDecision{true, output};
  std::error_code error;
  const fs::file_status status = fs::status(output, error);
  if (error == std::errc::filename_too_long ||
      fs::path(output).filename().native().size() > NAME_MAX)  // in a folder that is not there yet
    return absl::InvalidArgumentError(absl::StrCat(
        output, ": the name is longer than the file system takes; --name makes another one"));
  // What is no file (a pipe, a device) holds nothing that could be lost.
  if (fs::is_other(status)) return OutputDecision{true, output};
  absl::MutexLock lock(&mutex_);
  if (exists_ == Exists::kRename) return OutputDecision{true, FreeName(input, output)};
  const std::string file = FileOf(output);
  if (const auto taken = taken_.find(file); taken != taken_.end())
    return SameOutputAs(taken->second);
  HIIF_ASSIGN_OR_RETURN(OutputDecision decision, IfThere(input, output));
  if (!decision.write) return decision;
  if (const auto other = known_.inputs.find(file);
      other != known_.inputs.end() && FileOf(input) != file && fs::exists(output, error))
    return absl::AlreadyExistsError(
        absl::StrCat("its output would replace ", other->second,
                     ", another input; --name, another folder, or --exists rename, helps"));
  taken_.emplace(file, input);
  return decision;
}

absl::StatusOr<OutputDecision> ExistsPolicy::IfThere(const std::string& input,
                                                     const std::string& output) const {
  std::error_code error;
  if (!fs::exists(output, error)) return OutputDecision{true, output};
  if (fs::equivalent(input, output, error) && exists_ != Exists::kOverwrite)
    return absl::AlreadyExistsError(absl::StrCat(output, " is the input itself"));
  if (resume_) {
    if (known_.half_made.contains(TemporaryPlace(output))) return OutputDecision{true, output};
    const auto made = fs::last_write_time(output, error);
    const auto read = input == "-" ? made : fs::last_write_time(input, error);
    return OutputDecision{!error && made < read, output};
  }
  if (exists_ == Exists::kSkip) return OutputDecision{false, output};
  if (exists_ == Exists::kOverwrite) return OutputDecision{true, output};
  return absl::AlreadyExistsError(absl::StrCat(
      output, " exists already; --exists skip, overwrite or rename, or --resume, says what to do"));
}

std::string ExistsPolicy::FreeName(const std::string& input, const std::string& output) {
  const fs::path path(output);
  std::error_code error;
  std::string candidate = output;
  for (int n = 1; fs::exists(candidate, error) || !taken_.emplace(FileOf(candidate), input).second;
       ++n)
    candidate =
        (path.parent_path() / absl::StrCat(path.stem().string(), "-", n, path.extension().string()))
            .string();
  return candidate;
}

std::optional<Temporary> ParseTemporary(const std::string& name) {
  static const std::regex temporary(R"((.+)\.(\d+)\.[A-Za-z0-9]{6}\.part)");
  std::smatch match;
  if (!std::regex_match(name, match, temporary)) return std::nullopt;
  return Temporary{match[1].str(), match[2].str()};
}

std::string WithoutNumber(const std::string& path) {
  static const std::regex numbered(R"((.+)-\d+(\.[^.]*)?)");
  const size_t folder = path.rfind('/') + 1;  // 0: none
  const std::string name = path.substr(folder);
  std::smatch match;
  if (!std::regex_match(name, match, numbered)) return {};
  return path.substr(0, folder) + match[1].str() + match[2].str();
}

std::string TemporaryPlace(const std::string& output) {
  const fs::path file = BehindLinks(output);
  return (file.parent_path() / AtomicFile::TemporaryStem(file.filename().string())).string();
}

std::vector<StaleTemporary> FindStaleTemporaries(const std::vector<std::string>& outputs) {
  // Of these files alone: other processes, on other machines even, may share the folders.
  std::unordered_map<std::string, size_t> places;
  std::set<std::string> folders;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].empty()) continue;
    const std::string place = TemporaryPlace(outputs[i]);
    places.emplace(place, i);
    folders.insert(fs::path(place).parent_path().string());
  }
  std::vector<StaleTemporary> stale;
  std::error_code error;
  for (const std::string& folder : folders) {
    for (const fs::directory_entry& entry : ListFolder(folder, error)) {
      const auto temporary = ParseTemporary(entry.path().filename().string());
      if (!temporary) continue;
      const std::string place = (fs::path(folder) / temporary->stem).string();
      auto it = places.find(place);
      if (it == places.end()) it = places.find(WithoutNumber(place));
      if (it != places.end() && IsStale(*temporary))
        stale.push_back({entry.path().string(), place, it->second});
    }
  }
  return stale;
}

}  // namespace hiif::cli
