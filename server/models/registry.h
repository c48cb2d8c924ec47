// The models of a folder, and what state each is in.
//
//                 Load ok                          Load (reload: the old version serves until the
//                 new is warm)
//   (file) --> LOADING ---> READY ------------------.
//                 |           ^ |                   |
//    Load refused |           | | memory budget,    | Unload
//                 v           | v least recent      v
//               FAILED      UNLOADED           (not listed)
//                 |           |
//                 `-- Load ---'  a request for an UNLOADED model loads it
//
// An UNLOADED model whose checkpoint is refused is FAILED; one that could not be read or found no
// memory this time stays UNLOADED, and the next request tries again.
// Requests hold a shared_ptr to the version they began with; an unloaded one is freed with its last
// request.
#ifndef SERVER_MODELS_REGISTRY_H_
#define SERVER_MODELS_REGISTRY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/models/loaded_model.h"

namespace hiif::server {

enum class ModelState { kLoading, kReady, kFailed, kUnloaded };

const char* StateName(ModelState state);  // "loading", ...
// Whether a request is served: one for an unloaded model loads it.
inline bool CanServe(ModelState state) {
  return state == ModelState::kReady || state == ModelState::kUnloaded;
}

struct ModelStatus {
  std::string name;
  ModelState state = ModelState::kLoading;
  std::string error;   // of the last load, where it failed; an older version may serve
  ModelFacts facts;    // empty before the first load
  int64_t serial = 0;  // of what serves; 0: nothing
  bool is_default = false;
};

struct RegistryOptions {
  std::string folder;         // links must not leave it
  std::string default_model;  // empty: chosen by Scan()
  int64_t memory_bytes = 0;   // budget of weights; 0: none
  UpscalerOptions upscaler;
  // How a checkpoint becomes a model. What it throws is an error of that load.
  std::function<absl::StatusOr<std::shared_ptr<const LoadedModel>>(
      const std::string& name, const std::string& path, const UpscalerOptions& upscaler,
      const SafetensorsLimits& limits)>
      load = &LoadedModel::Load;
};

// Any thread. Loading happens on the caller's thread, one model at a time; who waits for its turn
// is let go when nobody waits for it any more.
class ModelRegistry {
 public:
  // OK while somebody waits for the caller; else the error that the caller gets. Does not block.
  using Alive = absl::FunctionRef<absl::Status()>;
  // Told of every change, one at a time: a model's last state is told last. It may ask the
  // registry. May be empty.
  using Listener = std::function<void(const ModelStatus&)>;

  explicit ModelRegistry(RegistryOptions options, Listener listener);

  // Lists the checkpoints of the folder as LOADING, and chooses the default where none was named.
  // Comes before every other call. NotFound: no such folder, or no checkpoint in it.
  absl::Status Scan();
  // Loads what is listed, the default first. Failures become states, not errors. `stop` is asked
  // between models.
  void LoadAll(const std::function<bool()>& stop);

  // name empty: the default. version empty: the current one. Errors, with reasons: NotFound naming
  // the models there are; Unavailable while loading, or when an unloaded model could not be loaded
  // this time; FailedPrecondition when the checkpoint was refused. Those of `alive`.
  absl::StatusOr<std::shared_ptr<const LoadedModel>> Acquire(const std::string& name,
                                                             const std::string& version,
                                                             Alive alive);

  // Loads a checkpoint of the folder, or loads it again; calls that come while a load waits share
  // it. InvalidArgument: not a plain name; NotFound: no such file; those of `alive`; else the error
  // of the load, and the version that served still does.
  absl::Status Load(const std::string& name, Alive alive);
  // NotFound; FailedPrecondition for the default model; those of `alive`.
  absl::Status Unload(const std::string& name, Alive alive);

  std::vector<ModelStatus> List() const;  // by name
  absl::StatusOr<ModelStatus> Get(const std::string& name) const;
  bool DefaultReady() const;
  // Tells the listener of every model, for one that has become able to hear.
  void TellAll();
  const std::string& default_model() const { return options_.default_model; }

 private:
  using Model = std::shared_ptr<const LoadedModel>;
  struct Entry {
    ModelState state = ModelState::kLoading;
    std::string error;
    ModelFacts facts;
    Model model;           // of kReady
    int64_t loads = 0;     // begun
    absl::Status load;     // how the last one ended
    int64_t last_use = 0;  // of uses_
  };

  std::string PathOf(const std::string& name) const;
  // The model that serves; nullptr: it is unloaded. Errors as of Acquire.
  absl::StatusOr<Model> Find(const std::string& name, const std::string& version)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Until nobody loads or unloads; from then on the caller does, until GiveTurn().
  absl::Status TakeTurn(Alive alive) ABSL_LOCKS_EXCLUDED(mutex_);
  void GiveTurn() ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits for its turn and loads. Unless meanwhile a load began and ended, which is shared, or,
  // with `again` false, the model is ready or refused already.
  absl::StatusOr<Model> LoadNow(const std::string& name, bool again, Alive alive)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // What clients may know of an error: the file's name instead of its path.
  absl::Status Public(const std::string& name, const absl::Status& status) const;
  void UnloadOverBudget(const std::string& keep) ABSL_LOCKS_EXCLUDED(mutex_);
  ModelStatus StatusOf(const std::string& name, const Entry& entry) const;
  absl::Status Unknown(const std::string& name) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void Tell(const std::string& name) ABSL_LOCKS_EXCLUDED(mutex_);

  RegistryOptions options_;  // as they are from Scan() on
  const Listener listener_;
  absl::Mutex telling_ ABSL_ACQUIRED_BEFORE(mutex_);  // while the listener hears
  mutable absl::Mutex mutex_;
  bool turn_ ABSL_GUARDED_BY(mutex_) = true;  // to be taken; false: a model is being loaded
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  int64_t uses_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace hiif::server

#endif  // SERVER_MODELS_REGISTRY_H_
