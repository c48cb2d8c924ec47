#include "server/models/registry.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/steady_now.h"
#include "base/text.h"
#include "server/errors/errors.h"
#include "server/logging/log.h"

namespace hiif::server {
namespace {

constexpr char kExtension[] = ".safetensors";

// A plain file name: what leaves the folder, hides, or is something else is refused.
bool IsPlainName(const std::string& name) {
  if (name.empty() || name.size() > 128 || name[0] == '.') return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
  });
}

absl::Status Loading(const std::string& name) {
  return ErrorWithReason(absl::StatusCode::kUnavailable, kReasonModelLoading,
                         absl::StrCat("model \"", name, "\" is being loaded"), absl::Seconds(1));
}

// Of a folder's models where nobody names one: the shipped one that is best for its cost
// (docs/results.md), then that of the paper's size, then whatever comes first.
std::string DefaultOf(const std::vector<std::string>& names) {
  for (const char* shipped : {"edsr-baseline-hiif-fast", "edsr-baseline-hiif"})
    if (std::find(names.begin(), names.end(), shipped) != names.end()) return shipped;
  return *std::min_element(names.begin(), names.end());
}

}  // namespace

const char* StateName(ModelState state) {
  switch (state) {
    case ModelState::kLoading:
      return "loading";
    case ModelState::kReady:
      return "ready";
    case ModelState::kFailed:
      return "failed";
    case ModelState::kUnloaded:
      return "unloaded";
  }
  return "";
}

ModelRegistry::ModelRegistry(RegistryOptions options, Listener listener)
    : options_(std::move(options)), listener_(std::move(listener)) {}

std::string ModelRegistry::PathOf(const std::string& name) const {
  return absl::StrCat(options_.folder, "/", name, kExtension);
}

absl::Status ModelRegistry::Scan() {
  std::error_code error;
  std::vector<std::string> names;
  for (const auto& file : ListFolder(options_.folder, error)) {
    if (file.path().extension() != kExtension) continue;
    const std::string name = file.path().stem();
    if (IsPlainName(name)) {
      names.push_back(name);
    } else {
      LogWarning("not served: a model's name is letters, digits, '-', '_' and '.'",
                 {{"file", file.path().string()}});
    }
  }
  if (error)
    return absl::NotFoundError(
        absl::StrCat("--model-dir: cannot read ", options_.folder, ": ", error.message()));
  if (names.empty())
    return absl::NotFoundError(
        absl::StrCat("--model-dir: no *.safetensors file in ", options_.folder));
  if (options_.default_model.empty()) options_.default_model = DefaultOf(names);
  {
    absl::MutexLock lock(&mutex_);
    for (const std::string& name : names) entries_.try_emplace(name);
  }
  for (const std::string& name : names) Tell(name);
  return absl::OkStatus();
}

void ModelRegistry::LoadAll(const std::function<bool()>& stop) {
  std::vector<std::string> names;
  {
    absl::MutexLock lock(&mutex_);
    if (entries_.contains(options_.default_model)) names.push_back(options_.default_model);
    for (const auto& [name, entry] : entries_)
      if (name != options_.default_model) names.push_back(name);
  }
  for (const std::string& name : names) {
    if (stop()) return;
    LoadNow(name, /*again=*/false).IgnoreError();  // the state and the log say it
  }
}

absl::Status ModelRegistry::LoadNow(const std::string& name, bool again) {
  int64_t begun = 0;
  {
    absl::MutexLock lock(&mutex_);
    if (!again && !entries_.contains(name)) return Unknown(name);
    begun = entries_[name].loads;
  }
  absl::MutexLock one_at_a_time(&loading_);
  {
    absl::MutexLock lock(&mutex_);
    if (!again && !entries_.contains(name)) return Unknown(name);  // unloaded meanwhile
    Entry& entry = entries_[name];
    const bool done = entry.state == ModelState::kReady || entry.state == ModelState::kFailed;
    if (again ? entry.loads > begun : done) return entry.load;
    ++entry.loads;
  }
  const absl::Time start = SteadyNow();
  auto loaded = options_.load(name, PathOf(name), options_.upscaler, {.within = options_.folder});
  const absl::Status result =
      loaded.ok() ? absl::OkStatus()
                  : absl::Status(loaded.status().code(), PublicMessage(name, loaded.status()));
  ModelFacts facts;
  {
    absl::MutexLock lock(&mutex_);
    Entry& entry = entries_[name];
    entry.load = result;
    if (loaded.ok()) {
      entry.state = ModelState::kReady;
      entry.error.clear();
      entry.facts = (*loaded)->facts();
      entry.model = *loaded;
      entry.last_use = ++uses_;
    } else {
      entry.error = std::string(result.message());
      if (entry.model == nullptr) entry.state = ModelState::kFailed;
    }
    facts = entry.facts;
  }
  if (loaded.ok()) {
    LogInfo("model ready", {{"model", name},
                            {"version", facts.version},
                            {"backend", facts.backend},
                            {"precision", facts.precision},
                            {"identity", facts.identity},
                            {"device", facts.device},
                            {"weights_bytes", facts.weights_bytes},
                            {"seconds", absl::ToDoubleSeconds(SteadyNow() - start)}});
  } else {
    LogError("model refused", {{"model", name}, {"error", loaded.status().message()}});
  }
  Tell(name);
  if (loaded.ok()) UnloadOverBudget(name);
  return result;
}

void ModelRegistry::UnloadOverBudget(const std::string& keep) {
  if (options_.memory_bytes <= 0) return;
  std::vector<std::string> unloaded;
  {
    absl::MutexLock lock(&mutex_);
    while (true) {
      int64_t total = 0;
      Entry* oldest = nullptr;
      const std::string* oldest_name = nullptr;
      for (auto& [name, entry] : entries_) {
        if (entry.state != ModelState::kReady) continue;
        total += entry.facts.weights_bytes;
        if (name == keep || name == options_.default_model) continue;
        if (oldest == nullptr || entry.last_use < oldest->last_use) {
          oldest = &entry;
          oldest_name = &name;
        }
      }
      if (total <= options_.memory_bytes || oldest == nullptr) break;
      oldest->state = ModelState::kUnloaded;
      oldest->model.reset();
      unloaded.push_back(*oldest_name);
    }
  }
  for (const std::string& name : unloaded) {
    LogInfo("model unloaded: over --model-memory-bytes", {{"model", name}});
    Tell(name);
  }
}

absl::StatusOr<std::shared_ptr<const LoadedModel>> ModelRegistry::Acquire(
    const std::string& requested, const std::string& version) {
  const std::string& name = requested.empty() ? options_.default_model : requested;
  const auto find = [&]() -> absl::StatusOr<std::shared_ptr<const LoadedModel>> {
    absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(name);
    if (found == entries_.end()) return Unknown(name);
    Entry& entry = found->second;
    if (entry.state == ModelState::kLoading) return Loading(name);
    if (entry.state == ModelState::kFailed)
      return ErrorWithReason(absl::StatusCode::kFailedPrecondition, kReasonModelFailed,
                             absl::StrCat("model \"", name, "\" cannot be served: ", entry.error));
    if (!version.empty() && version != entry.facts.version)
      return ErrorWithReason(absl::StatusCode::kNotFound, kReasonModelUnknown,
                             absl::StrCat("model \"", name, "\" has version ", entry.facts.version,
                                          ", not \"", version, "\""));
    entry.last_use = ++uses_;
    return entry.model;
  };
  auto model = find();
  if (!model.ok() || *model != nullptr) return model;
  // Unloaded for want of memory: the request that needs it waits for the load.
  HIIF_RETURN_IF_ERROR(LoadNow(name, /*again=*/false));
  model = find();
  if (model.ok() && *model == nullptr) return Loading(name);  // unloaded again meanwhile
  return model;
}

absl::Status ModelRegistry::Load(const std::string& name) {
  if (!IsPlainName(name))
    return InvalidField("name",
                        "the name of a checkpoint in the model directory is needed, without "
                        "folder and \".safetensors\"");
  std::error_code error;
  if (!std::filesystem::exists(PathOf(name), error))
    return ErrorWithReason(absl::StatusCode::kNotFound, kReasonModelUnknown,
                           absl::StrCat("no file ", name, kExtension, " in the model directory"));
  {
    absl::MutexLock lock(&mutex_);
    Entry& entry = entries_[name];
    if (entry.state != ModelState::kReady) entry.state = ModelState::kLoading;
  }
  Tell(name);
  return LoadNow(name, /*again=*/true);
}

absl::Status ModelRegistry::Unload(const std::string& name) {
  if (name == options_.default_model)
    return absl::FailedPreconditionError(
        absl::StrCat("\"", name, "\" is the default model and stays loaded"));
  {
    absl::MutexLock one_at_a_time(&loading_);
    absl::MutexLock lock(&mutex_);
    if (entries_.erase(name) == 0) return Unknown(name);
  }
  LogInfo("model unloaded", {{"model", name}});
  Tell(name);
  return absl::OkStatus();
}

std::vector<ModelStatus> ModelRegistry::List() const {
  absl::MutexLock lock(&mutex_);
  std::vector<ModelStatus> list;
  for (const auto& [name, entry] : entries_) list.push_back(StatusOf(name, entry));
  return list;
}

absl::StatusOr<ModelStatus> ModelRegistry::Get(const std::string& requested) const {
  const std::string& name = requested.empty() ? options_.default_model : requested;
  absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(name);
  if (found == entries_.end()) return Unknown(name);
  return StatusOf(name, found->second);
}

bool ModelRegistry::DefaultReady() const {
  absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(options_.default_model);
  return found != entries_.end() && found->second.state == ModelState::kReady;
}

ModelStatus ModelRegistry::StatusOf(const std::string& name, const Entry& entry) const {
  return {name,
          entry.state,
          entry.error,
          entry.facts,
          entry.model == nullptr ? 0 : entry.model->serial(),
          name == options_.default_model};
}

absl::Status ModelRegistry::Unknown(const std::string& name) const {
  std::vector<std::string> names;
  for (const auto& [known, entry] : entries_) names.push_back(known);
  return ErrorWithReason(absl::StatusCode::kNotFound, kReasonModelUnknown,
                         absl::StrCat("no model \"", Shorten(name, 128),
                                      "\"; there are: ", absl::StrJoin(names, ", ")));
}

std::string ModelRegistry::PublicMessage(const std::string& name,
                                         const absl::Status& status) const {
  return absl::StrReplaceAll(status.message(), {{PathOf(name), absl::StrCat(name, kExtension)}});
}

void ModelRegistry::Tell(const std::string& name) {
  if (!listener_) return;
  // What is told is looked up here: of two threads with news, the later one tells the newest state.
  absl::MutexLock one_at_a_time(&telling_);
  ModelStatus status;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(name);
    if (found == entries_.end()) {
      status.name = name;
      status.state = ModelState::kUnloaded;
    } else {
      status = StatusOf(name, found->second);
    }
  }
  listener_(status);
}

void ModelRegistry::TellAll() {
  for (const ModelStatus& status : List()) Tell(status.name);
}

}  // namespace hiif::server
