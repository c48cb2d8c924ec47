// Latent codes and attention contexts of images that may come again, least recently used first out.
#ifndef SERVER_CORE_FEATURE_CACHE_H_
#define SERVER_CORE_FEATURE_CACHE_H_

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "model/upscaler/upscaler.h"
#include "server/models/model_use.h"

namespace hiif::server {

// What a request holds stays, and counts, until it is done: bytes() is all of what was ever
// inserted and is still in memory, but for what was refused because nothing could be dropped for
// it. Any thread.
class FeatureCache {
 public:
  // max_bytes: of what it keeps; 0 keeps nothing.
  explicit FeatureCache(int64_t max_bytes) : max_bytes_(max_bytes) {}

  // Which image of which upscaler. Features fit the upscaler that made them only, so a reloaded
  // model is another one.
  struct Key {
    std::string model;
    int64_t serial = 0;      // LoadedModel::serial()
    std::string image;       // digest
    bool converted = false;  // to sRGB
    ModelUse use;
    std::string ToString() const;  // of features: strengths between 0 and 1 share them
  };

  std::shared_ptr<const Features> FindFeatures(const Key& key);
  void InsertFeatures(const Key& key, std::shared_ptr<const Features> features);
  std::shared_ptr<const Context> FindContext(const Key& key, Grid grid);
  void InsertContext(const Key& key, std::shared_ptr<const Context> context);

  // Drops what belongs to other instances of the model than `serial` (0: to any); what requests
  // hold of it, later.
  void DropModel(const std::string& model, int64_t serial);

  // Where memory is short: drops all that no request holds. Returns its bytes.
  int64_t DropUnheld();

  int64_t bytes() const;
  int64_t ModelBytes(const std::string& model) const;

 private:
  struct Entry {
    std::string key;
    std::string model;
    int64_t serial = 0;
    std::shared_ptr<const Features> features;
    std::shared_ptr<const Context> context;
    int64_t bytes = 0;
    bool stale = false;  // nobody will ask for it

    // By anyone beside the cache. Under its lock nobody else can begin to hold what nobody holds.
    bool held() const {
      return (features != nullptr ? features.use_count() : context.use_count()) > 1;
    }
  };
  using List = std::list<Entry>;

  List::iterator Find(const std::string& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Insert(Entry entry);
  // Moves the entry to `dropped`, to be freed outside the lock; returns the one behind it.
  List::iterator Drop(List::iterator entry, List& dropped) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int64_t max_bytes_;
  mutable absl::Mutex mutex_;
  List entries_ ABSL_GUARDED_BY(mutex_);  // most recently used first
  absl::flat_hash_map<std::string, List::iterator> index_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int64_t> bytes_by_model_ ABSL_GUARDED_BY(mutex_);
  int64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace hiif::server

#endif  // SERVER_CORE_FEATURE_CACHE_H_
