// Fills a cache of latent codes (train/latent_cache.h).
#ifndef TRAIN_MAKE_CACHE_H_
#define TRAIN_MAKE_CACHE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace hiif::train {

inline constexpr int64_t kDefaultRecords = 2000;

struct MakeCacheOptions {
  std::string data;    // packed data set; empty: patterns alone
  std::string output;  // one that is there is gone on with
  // Another cache, whose patches and outputs are taken with the latent codes of `encoder`: then
  // there are no more records than it has, and what is below `records` does not matter.
  std::string from;
  std::string encoder;  // checkpoint whose encoder's latent codes are kept
  // Networks of one scale (scripts/get-dat, scripts/get-realesrgan), any number.
  std::vector<std::string> teachers;
  std::optional<int64_t> records;  // unset: all of `from`, without it kDefaultRecords
  int64_t patch = 64;              // side, pixels
  double patterns = 0.15;          // part of the records that are drawn (train/patterns.h)
  double min_factor = 1.25;        // photographs are made smaller by so much, at least
  double max_factor = 4.0;         // at most; most by 2, 3 or 4
  double degrade = 0;   // part of the photographs that are damaged twice (train/degrade.h)
  double recolour = 0;  // part of the records of `from` that get other colours (train/recolour.h)
  int64_t seed = 1;
  int threads = 1;  // of each network
};

// Record i is a function of the options and i alone. Cancelled: `stop` was set and records are
// missing; the same options go on. InvalidArgument: options, files or images that do not fit.
absl::Status MakeCache(const MakeCacheOptions& options, const std::atomic<bool>* stop,
                       const std::function<void(const std::string&)>& say);

}  // namespace hiif::train

#endif  // TRAIN_MAKE_CACHE_H_
