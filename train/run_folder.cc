#include "train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/error_text.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "model/format/safetensors.h"

namespace hiif::train {
namespace {

using Json = nlohmann::json;

constexpr char kStateVersion[] = "1";

absl::Span<const uint8_t> Bytes(const at::Tensor& tensor) {
  return {static_cast<const uint8_t*>(tensor.const_data_ptr()), tensor.nbytes()};
}

absl::Status Write(const std::string& path, const std::map<std::string, at::Tensor>& tensors,
                   const std::map<std::string, std::string>& metadata) {
  std::map<std::string, TensorToWrite> out;
  for (const auto& [name, tensor] : tensors) {
    out[name] = {TensorType::kF32, tensor.sizes().vec(), Bytes(tensor)};
  }
  return WriteSafetensors(path, out, metadata);
}

std::string ProgressJson(const Progress& p) {
  return Json{{"step", p.step},           {"updates", p.updates},
              {"skipped", p.skipped},     {"bad_in_row", p.bad_in_row},
              {"seconds", p.seconds},     {"best_psnr", p.best_psnr},
              {"best_step", p.best_step}, {"validation_due", p.validation_due}}
      .dump();
}

bool ReadProgress(const std::string& text, Progress& p) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto integer = [&](const char* key, int64_t& value) {
    if (!json.is_object() || !json.contains(key) || !json[key].is_number_integer()) return false;
    value = json[key].get<int64_t>();
    return true;
  };
  const auto real = [&](const char* key, double& value) {
    if (!json.is_object() || !json.contains(key) || !json[key].is_number()) return false;
    value = json[key].get<double>();
    return true;
  };
  // An earlier build may have had a figure that JSON has not: the best is looked for anew.
  const auto forgotten = [&](const char* key) {
    if (!json.contains(key) || !json[key].is_null()) return false;
    p.best_step = -1;
    return true;
  };
  // A state of an earlier build does not tell.
  p.validation_due = json.is_object() && json.value("validation_due", Json()) == Json(true);
  return integer("step", p.step) && integer("updates", p.updates) &&
         integer("skipped", p.skipped) && integer("bad_in_row", p.bad_in_row) &&
         real("seconds", p.seconds) && integer("best_step", p.best_step) &&
         (real("best_psnr", p.best_psnr) || forgotten("best_psnr"));
}

// The temporary of an AtomicFile that replaces one of the run's files.
bool IsTemporary(const std::string& name) {
  static const std::regex temporary(
      R"(((state|weights|best)\.safetensors|options\.json|(log|validation)\.csv))"
      R"(\.\d+\.[A-Za-z0-9]{6}\.part)");
  return std::regex_match(name, temporary);
}

}  // namespace

absl::StatusOr<RunFolder> RunFolder::Open(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    return absl::PermissionDeniedError(
        absl::StrCat("cannot make the folder ", path, ": ", error.message()));
  }
  const std::string lock_path = path + "/lock";
  const int lock = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock < 0) {
    return absl::PermissionDeniedError(
        absl::StrCat("cannot write to ", path, ": ", ErrorText(errno)));
  }
  RunFolder folder(path, lock);
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return absl::UnknownError(absl::StrCat("cannot lock ", lock_path, ": ", ErrorText(errno)));
    }
    return absl::FailedPreconditionError(absl::StrCat("another process trains in ", path,
                                                      "; stop it first, or choose another --run"));
  }
  for (const auto& entry : ListFolder(path, error)) {
    if (IsTemporary(entry.path().filename().string())) std::filesystem::remove(entry, error);
  }
  return folder;
}

RunFolder::RunFolder(RunFolder&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

RunFolder::~RunFolder() {
  if (lock_ >= 0) close(lock_);
}

bool RunFolder::HasState() const { return std::filesystem::exists(path_ + "/state.safetensors"); }

absl::Status RunFolder::SaveState(const RunState& state) const {
  std::map<std::string, std::string> metadata = ConfigMetadata(state.config);
  metadata["state_version"] = kStateVersion;
  metadata["progress"] = ProgressJson(state.progress);
  metadata["options"] = state.options;
  metadata["fingerprint"] = state.fingerprint;
  metadata["origin"] = state.origin;
  metadata["teacher"] = state.teacher;
  metadata["validation"] = state.validation;
  metadata["kept"] = Json(state.kept).dump();
  return Write(path_ + "/state.safetensors", state.tensors, metadata);
}

absl::StatusOr<RunState> RunFolder::LoadState() const {
  const std::string path = path_ + "/state.safetensors";
  HIIF_ASSIGN_OR_RETURN(const auto file, Safetensors::Read(path));
  const auto& metadata = file->metadata();
  const auto text = [&](const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? std::string() : found->second;
  };
  RunState state;
  if (text("state_version") != kStateVersion || !ReadProgress(text("progress"), state.progress)) {
    return absl::DataLossError(absl::StrCat(path, " is not the state of a training run"));
  }
  state.options = text("options");
  state.fingerprint = text("fingerprint");
  state.origin = text("origin");
  state.teacher = text("teacher");
  state.validation = text("validation");
  const Json kept = Json::parse(text("kept"), /*cb=*/nullptr, /*allow_exceptions=*/false);
  for (const auto& [name, value] : kept.items()) {
    if (value.is_string()) state.kept[name] = value;
  }
  HIIF_ASSIGN_OR_RETURN(state.config, ConfigFromMetadata(metadata));
  for (const auto& [name, view] : file->tensors()) {
    if (view.type != TensorType::kF32) {
      return absl::DataLossError(absl::StrCat(path, ": tensor ", name, " is not float32"));
    }
    at::Tensor tensor = at::empty(view.shape, at::kFloat);
    if (!view.bytes.empty()) {
      std::memcpy(tensor.mutable_data_ptr(), view.bytes.data(), view.bytes.size());
    }
    state.tensors[name] = tensor;
  }
  return state;
}

absl::Status RunFolder::WriteOptions(const std::string& json) const {
  return WriteFileAtomically(path_ + "/options.json", json);
}

absl::Status RunFolder::AppendLine(const std::string& name, const std::string& header,
                                   const std::string& line) const {
  const std::string path = absl::StrCat(path_, "/", name);
  const bool fresh = !std::filesystem::exists(path);
  std::ofstream file(path, std::ios::app);
  if (fresh) file << header << '\n';
  file << line << '\n';
  file.flush();
  if (!file) return absl::UnknownError(absl::StrCat("cannot write ", path));
  return absl::OkStatus();
}

absl::Status RunFolder::TrimLog(const std::string& name, int64_t step) const {
  const std::string path = absl::StrCat(path_, "/", name);
  if (!std::filesystem::exists(path)) return absl::OkStatus();
  HIIF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  std::string kept;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const absl::string_view first = line.substr(0, line.find(','));
    int64_t at;
    if (absl::SimpleAtoi(first, &at) && at > step) continue;
    absl::StrAppend(&kept, line, "\n");
  }
  return WriteFileAtomically(path, kept);
}

absl::Status RunFolder::SetLogAside(const std::string& name, int64_t step) const {
  const std::string path = absl::StrCat(path_, "/", name);
  if (!std::filesystem::exists(path)) return absl::OkStatus();
  const std::string aside = absl::StrCat(path_, "/until-", step, ".", name);
  std::error_code error;
  std::filesystem::rename(path, aside, error);
  if (error) {
    return absl::UnknownError(absl::StrCat("cannot rename ", path, ": ", error.message()));
  }
  return absl::OkStatus();
}

absl::Status WriteWeights(const std::string& path, const ModelConfig& config,
                          const Parameters& parameters,
                          const std::map<std::string, std::string>& notes) {
  std::map<std::string, std::string> metadata = ConfigMetadata(config);
  metadata.insert(notes.begin(), notes.end());
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [name, tensor] : parameters) {
    tensors[name] = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
  }
  return Write(path, tensors, metadata);
}

}  // namespace hiif::train
