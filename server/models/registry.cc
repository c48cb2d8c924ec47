#include "server/models/registry.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
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
#include "server/errors/guarded.h"
#include "server/logging/log.h"

namespace hiif::server {
namespace {

constexpr char kExtension[] = ".safetensors";
// How long a caller waits before it looks again whether it is wanted.
constexpr absl::Duration kLook = absl::Milliseconds(50);
// When what was missing for a load (the file, memory) may be there again.
constexpr absl::Duration kTryAgain = absl::Seconds(5);

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

absl::Status CheckVersion(const std::string& name, const std::string& asked,
                          const ModelFacts& facts) {
  if (asked.empty() || asked == facts.version) return absl::OkStatus();
  return ErrorWithReason(
      absl::StatusCode::kNotFound, kReasonModelUnknown,
      absl::StrCat("model \"", name, "\" has version ", facts.version, ", not \"", asked, "\""));
}

// Whether the same file may be loaded later: it was out of reach or written to, or there was no
// memory. All else is said of what is in it.
bool MayPass(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnknown:  // another error of the system
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnavailable:
      return true;
    default:
      return false;
  }
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
  const auto wanted = [&] { return stop() ? absl::CancelledError() : absl::OkStatus(); };
  for (const std::string& name : names) {
    if (stop()) return;
    LoadNow(name, /*again=*/false, wanted).IgnoreError();  // the state and the log say it
  }
}

absl::Status ModelRegistry::TakeTurn(Alive alive) {
  while (true) {
    HIIF_RETURN_IF_ERROR(alive());
    absl::MutexLock lock(&mutex_);
    if (!mutex_.AwaitWithTimeout(absl::Condition(&turn_), kLook)) continue;
    turn_ = false;
    return absl::OkStatus();
  }
}

void ModelRegistry::GiveTurn() {
  absl::MutexLock lock(&mutex_);
  turn_ = true;
}

absl::StatusOr<ModelRegistry::Model> ModelRegistry::LoadNow(const std::string& name, bool again,
                                                            Alive alive) {
  int64_t begun = 0;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(name);
    if (found == entries_.end() && !again) return Unknown(name);
    if (found != entries_.end()) begun = found->second.loads;
  }
  HIIF_RETURN_IF_ERROR(TakeTurn(alive));
  const absl::Cleanup turn = [this] { GiveTurn(); };
  HIIF_RETURN_IF_ERROR(alive());
  {
    absl::MutexLock lock(&mutex_);
    if (!again && !entries_.contains(name)) return Unknown(name);  // unloaded meanwhile
    Entry& entry = entries_[name];
    const bool shared = entry.loads > begun;
    if (shared && !entry.load.ok()) return entry.load;
    if ((shared || !again) && entry.model != nullptr) {
      entry.last_use = ++uses_;
      return entry.model;
    }
    if (!again && entry.state == ModelState::kFailed) return entry.load;
    ++entry.loads;
    if (again && entry.model == nullptr) entry.state = ModelState::kLoading;
  }
  if (again) Tell(name);
  const absl::Time start = SteadyNow();
  Model model;
  const absl::Status loaded = Guarded([&]() -> absl::Status {
    HIIF_ASSIGN_OR_RETURN(
        model, options_.load(name, PathOf(name), options_.upscaler, {.within = options_.folder}));
    return absl::OkStatus();
  });
  const absl::Status result = Public(name, loaded);
  ModelFacts facts;
  {
    absl::MutexLock lock(&mutex_);
    Entry& entry = entries_[name];
    entry.load = result;
    if (result.ok()) {
      entry.state = ModelState::kReady;
      entry.error.clear();
      entry.facts = model->facts();
      entry.model = model;
      entry.last_use = ++uses_;
    } else {
      entry.error = std::string(result.message());
      const bool has_served = !entry.facts.version.empty();
      if (entry.model == nullptr)
        entry.state = has_served && MayPass(result) ? ModelState::kUnloaded : ModelState::kFailed;
    }
    facts = entry.facts;
  }
  if (result.ok()) {
    LogInfo("model ready", {{"model", name},
                            {"version", facts.version},
                            {"backend", facts.backend},
                            {"precision", facts.precision},
                            {"identity", facts.identity},
                            {"device", facts.device},
                            {"weights_bytes", facts.weights_bytes},
                            {"seconds", absl::ToDoubleSeconds(SteadyNow() - start)}});
  } else {
    LogError("model refused", {{"model", name}, {"error", loaded.message()}});
  }
  Tell(name);
  if (!result.ok()) return result;
  UnloadOverBudget(name);
  return model;
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

absl::StatusOr<ModelRegistry::Model> ModelRegistry::Find(const std::string& name,
                                                         const std::string& version) {
  absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(name);
  if (found == entries_.end()) return Unknown(name);
  Entry& entry = found->second;
  if (entry.state == ModelState::kLoading) return Loading(name);
  if (entry.state == ModelState::kFailed)
    return ErrorWithReason(absl::StatusCode::kFailedPrecondition, kReasonModelFailed,
                           absl::StrCat("model \"", name, "\" cannot be served: ", entry.error));
  HIIF_RETURN_IF_ERROR(CheckVersion(name, version, entry.facts));
  entry.last_use = ++uses_;
  return entry.model;
}

absl::StatusOr<std::shared_ptr<const LoadedModel>> ModelRegistry::Acquire(
    const std::string& requested, const std::string& version, Alive alive) {
  const std::string& name = requested.empty() ? options_.default_model : requested;
  auto model = Find(name, version);
  if (!model.ok() || *model != nullptr) return model;
  // Unloaded for want of memory: the request that needs it waits for the load.
  const auto loaded = LoadNow(name, /*again=*/false, alive);
  if (loaded.ok()) {
    HIIF_RETURN_IF_ERROR(CheckVersion(name, version, (*loaded)->facts()));
    return loaded;
  }
  HIIF_RETURN_IF_ERROR(alive());
  model = Find(name, version);
  if (!model.ok() || *model != nullptr) return model;
  return ErrorWithReason(
      absl::StatusCode::kUnavailable, kReasonModelLoading,
      absl::StrCat("model \"", name, "\" could not be loaded: ", loaded.status().message()),
      kTryAgain);
}

absl::Status ModelRegistry::Load(const std::string& name, Alive alive) {
  if (!IsPlainName(name))
    return InvalidField("name",
                        "the name of a checkpoint in the model directory is needed, without "
                        "folder and \".safetensors\"");
  std::error_code error;
  if (!std::filesystem::exists(PathOf(name), error))
    return ErrorWithReason(absl::StatusCode::kNotFound, kReasonModelUnknown,
                           absl::StrCat("no file ", name, kExtension, " in the model directory"));
  return LoadNow(name, /*again=*/true, alive).status();
}

absl::Status ModelRegistry::Unload(const std::string& name, Alive alive) {
  if (name == options_.default_model)
    return absl::FailedPreconditionError(
        absl::StrCat("\"", name, "\" is the default model and stays loaded"));
  {
    HIIF_RETURN_IF_ERROR(TakeTurn(alive));
    const absl::Cleanup turn = [this] { GiveTurn(); };
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

absl::Status ModelRegistry::Public(const std::string& name, const absl::Status& status) const {
  const std::string message =
      absl::StrReplaceAll(status.message(), {{PathOf(name), absl::StrCat(name, kExtension)}});
  if (absl::IsResourceExhausted(status))
    return ErrorWithReason(status.code(), kReasonMemory, message, kTryAgain);
  return absl::Status(status.code(), message);
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
