// Strict reader and writer of safetensors files (huggingface/safetensors, format of 2023).
#ifndef MODEL_FORMAT_SAFETENSORS_H_
#define MODEL_FORMAT_SAFETENSORS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace hiif {

class RegularFile;

enum class TensorType { kF32, kF16, kBF16, kU8, kI64 };

int64_t TensorTypeBytes(TensorType type);

struct TensorView {
  TensorType type = TensorType::kF32;
  std::vector<int64_t> shape;
  absl::Span<const uint8_t> bytes;  // once loaded: little-endian, row-major
  int64_t begin = 0;                // of them, behind the header
  int64_t elements() const;
};

struct SafetensorsLimits {
  int64_t max_bytes = int64_t{4} << 30;
  std::string within;  // the folder that links must not leave; empty: they may lead anywhere
};

// A file of tensors: first its header, which is checked against the file's size, then their values.
// It is read, never mapped: others may replace or cut it meanwhile.
class Safetensors {
 public:
  // Reads the header alone. Refuses (DataLoss, naming the tensor): a header longer than 16 MiB or
  // than the file, JSON that is not an object of the expected shape, duplicate names, unknown
  // types, sizes that overflow or disagree with their offsets, holes, overlaps, and bytes behind
  // the last tensor. InvalidArgument: not a regular file, outside the limits.
  static absl::StatusOr<std::shared_ptr<Safetensors>> Open(const std::string& path,
                                                           const SafetensorsLimits& limits = {});
  // Reads the values. Aborted: the file was changed since Open(). DataLoss: the metadata has a
  // checksum (data_sha256) and it is another one.
  absl::Status Load();
  // Both.
  static absl::StatusOr<std::shared_ptr<const Safetensors>> Read(const std::string& path);
  ~Safetensors();
  Safetensors(const Safetensors&) = delete;
  Safetensors& operator=(const Safetensors&) = delete;

  const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  absl::Span<const uint8_t> file() const;  // once loaded: all its bytes

  // Once loaded: the values as float32, whatever of F32, F16 and BF16 is stored. NotFound,
  // InvalidArgument.
  absl::StatusOr<std::vector<float>> Floats(const std::string& name) const;

  // Once loaded: the tensors whose names begin with `prefix`, without it, in the same memory.
  std::shared_ptr<Safetensors> Below(const std::string& prefix) const;

 private:
  Safetensors() = default;
  absl::Status ReadHeader(const SafetensorsLimits& limits);
  absl::Status ReadData();
  absl::Status ParseHeader(absl::string_view text, int64_t data_bytes);
  std::string path_;
  std::unique_ptr<RegularFile> file_;  // until it is loaded
  std::string header_;                 // its length and text, until it is loaded
  std::shared_ptr<uint8_t[]> bytes_;
  int64_t size_ = 0;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

struct TensorToWrite {
  TensorType type = TensorType::kF32;
  std::vector<int64_t> shape;
  absl::Span<const uint8_t> bytes;
};

// Adds the checksum of the values to the metadata. Writes to a temporary file beside `path`, syncs
// it and renames it: either the whole file or none.
absl::Status WriteSafetensors(const std::string& path,
                              const std::map<std::string, TensorToWrite>& tensors,
                              const std::map<std::string, std::string>& metadata);

}  // namespace hiif

#endif  // MODEL_FORMAT_SAFETENSORS_H_
