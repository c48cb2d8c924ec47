// Low-resolution patches with what is expensive to know about them: the latent codes of an encoder
// that stays as it is, and what teachers say of them at whole scales. A decoder then learns without
// any of these networks being run.
//
// Layout, all numbers little-endian:
//   header   8 bytes "HIIFCACH", u32 version (1), u32 length of what follows, the settings in JSON,
//            filled up with spaces so that the records begin at a multiple of 64
//   records  each of the same length, a multiple of 64:
//            u32 CRC-32C of the rest, u32 side of the original, u32 kind
//            patch     patch * patch * 3 bytes, interleaved RGB
//            original  4 patch * 4 patch * 3 bytes, of which side * side * 3 are used: what the
//                      patch was made smaller from
//            outputs   for every scale s: patch s * patch s * 3 bytes, what its teacher says;
//                      0 where the kind is a pattern
//            latents   channels * patch * patch float32, (C,h,w)
// Records are appended one by one, so a cache that is not finished can be used and gone on with.
#ifndef TRAIN_LATENT_CACHE_H_
#define TRAIN_LATENT_CACHE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/file.h"

namespace hiif::train {

struct CacheSettings {
  int64_t patch = 64;           // side, pixels
  int64_t channels = 0;         // of the latent codes
  std::vector<int64_t> scales;  // of the teachers, rising, 1 to 4
  std::string encoder;          // digest of its parameters (EncoderDigest)
  std::string origin;           // how it was made, for whom it may concern
  bool operator==(const CacheSettings&) const = default;
};

struct CacheRecord {
  enum Kind : uint32_t { kPhotograph = 0, kPixelPattern = 1, kDetailPattern = 2 };
  uint32_t kind = kPhotograph;
  int64_t original_side = 0;  // 0: none
  absl::Span<const uint8_t> patch;
  absl::Span<const uint8_t> original;
  std::vector<absl::Span<const uint8_t>> outputs;  // in the order of the scales
  absl::Span<const float> latents;
};

// The mapped file. Any thread.
class LatentCache {
 public:
  // Takes the whole records that are there. NotFound; DataLoss: not a cache, its settings damaged,
  // or no record.
  static absl::StatusOr<std::shared_ptr<const LatentCache>> Open(const std::string& path);
  // Whether the file begins as a cache does.
  static bool IsCache(const std::string& path);

  const std::string& path() const { return path_; }
  const CacheSettings& settings() const { return settings_; }
  int64_t records() const { return records_; }
  CacheRecord Record(int64_t i) const;
  // CRC-32C of the settings and of all records' checksums, in hexadecimal.
  std::string fingerprint() const;
  // Reads everything. DataLoss, naming the record.
  absl::Status Verify() const;

 private:
  LatentCache() = default;
  std::string path_;
  CacheSettings settings_;
  std::unique_ptr<MappedFile> file_;
  uint64_t first_ = 0;
  uint64_t stride_ = 0;
  int64_t records_ = 0;
};

// Appends to a file, which it makes where there is none. One thread.
class LatentCacheWriter {
 public:
  // Reads what is there: the first record that was not written to its end, or is damaged, is cut
  // off with all behind it. FailedPrecondition: the file holds other settings, or another writer
  // has it. Else the system's reason.
  static absl::StatusOr<std::unique_ptr<LatentCacheWriter>> Open(const std::string& path,
                                                                 const CacheSettings& settings);
  ~LatentCacheWriter();
  LatentCacheWriter(const LatentCacheWriter&) = delete;
  LatentCacheWriter& operator=(const LatentCacheWriter&) = delete;

  int64_t records() const { return records_; }
  // `original` may be empty; `outputs` all empty for a pattern.
  absl::Status Append(const CacheRecord& record);
  // Returns when what was appended is on the disk.
  absl::Status Sync();

 private:
  LatentCacheWriter() = default;
  // Sets records_: how many of those that begin at `first`, at most `most`, are whole.
  absl::Status CountRecords(uint64_t first, int64_t most);
  std::string path_;
  CacheSettings settings_;
  uint64_t stride_ = 0;
  int64_t records_ = 0;
  int fd_ = -1;
};

}  // namespace hiif::train

#endif  // TRAIN_LATENT_CACHE_H_
