#include "server/core/feature_cache.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace hiif::server {
namespace {

// An entry's own memory beside what it points to.
constexpr int64_t kEntryBytes = 512;

std::string ContextKey(const FeatureCache::Key& key, Grid grid) {
  // All digits: StrCat has six, and a context of a strength nearby has other pixels.
  return absl::StrFormat("%s@%dx%d*%.17g", key.ToString(), grid.height, grid.width,
                         key.use.strength);
}

}  // namespace

std::string FeatureCache::Key::ToString() const {
  return absl::StrCat(model, "#", serial, converted ? "s" : "o", use.way(), image);
}

std::shared_ptr<const Features> FeatureCache::FindFeatures(const Key& key) {
  absl::MutexLock lock(&mutex_);
  const auto entry = Find(key.ToString());
  return entry == entries_.end() ? nullptr : entry->features;
}

std::shared_ptr<const Context> FeatureCache::FindContext(const Key& key, Grid grid) {
  absl::MutexLock lock(&mutex_);
  const auto entry = Find(ContextKey(key, grid));
  return entry == entries_.end() ? nullptr : entry->context;
}

void FeatureCache::InsertFeatures(const Key& key, std::shared_ptr<const Features> features) {
  const int64_t bytes = features->bytes();
  Insert({key.ToString(), key.model, key.serial, std::move(features), nullptr, bytes});
}

void FeatureCache::InsertContext(const Key& key, std::shared_ptr<const Context> context) {
  const int64_t bytes = context->bytes();
  const std::string name = ContextKey(key, context->grid());
  Insert({name, key.model, key.serial, nullptr, std::move(context), bytes});
}

void FeatureCache::Insert(Entry entry) {
  entry.bytes += kEntryBytes;
  List dropped;  // freed outside the lock
  absl::MutexLock lock(&mutex_);
  if (entry.bytes > max_bytes_ || index_.contains(entry.key)) return;
  for (auto last = entries_.end(); last != entries_.begin();) {
    --last;
    const bool wanted = bytes_ + entry.bytes > max_bytes_;
    if ((!wanted && !last->stale) || last->held()) continue;
    last = Drop(last, dropped);
  }
  // What is left is held by requests: to drop it would free nothing.
  if (bytes_ + entry.bytes > max_bytes_) return;
  bytes_ += entry.bytes;
  bytes_by_model_[entry.model] += entry.bytes;
  entries_.push_front(std::move(entry));
  index_[entries_.front().key] = entries_.begin();
}

FeatureCache::List::iterator FeatureCache::Find(const std::string& key) {
  const auto found = index_.find(key);
  if (found == index_.end()) return entries_.end();
  entries_.splice(entries_.begin(), entries_, found->second);
  return entries_.begin();
}

void FeatureCache::DropModel(const std::string& model, int64_t serial) {
  List dropped;
  absl::MutexLock lock(&mutex_);
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    if (entry->model == model && entry->serial != serial) entry->stale = true;
    entry = entry->stale && !entry->held() ? Drop(entry, dropped) : std::next(entry);
  }
}

int64_t FeatureCache::DropUnheld() {
  List dropped;
  int64_t before = 0;
  {
    absl::MutexLock lock(&mutex_);
    before = bytes_;
    for (auto entry = entries_.begin(); entry != entries_.end();) {
      entry = entry->held() ? std::next(entry) : Drop(entry, dropped);
    }
    before -= bytes_;
  }
  return before;
}

FeatureCache::List::iterator FeatureCache::Drop(List::iterator entry, List& dropped) {
  const auto next = std::next(entry);
  bytes_ -= entry->bytes;
  bytes_by_model_[entry->model] -= entry->bytes;
  index_.erase(entry->key);
  dropped.splice(dropped.begin(), entries_, entry);
  return next;
}

int64_t FeatureCache::bytes() const {
  absl::MutexLock lock(&mutex_);
  return bytes_;
}

int64_t FeatureCache::ModelBytes(const std::string& model) const {
  absl::MutexLock lock(&mutex_);
  const auto found = bytes_by_model_.find(model);
  return found == bytes_by_model_.end() ? 0 : found->second;
}

}  // namespace hiif::server
