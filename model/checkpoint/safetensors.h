// Strict reader and writer of safetensors files (huggingface/safetensors, format of 2023).
#ifndef MODEL_CHECKPOINT_SAFETENSORS_H_
#define MODEL_CHECKPOINT_SAFETENSORS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace hiif {

class MappedFile;

enum class TensorType { kF32, kF16, kBF16, kU8, kI64 };

int64_t TensorTypeBytes(TensorType type);

struct TensorView {
  TensorType type = TensorType::kF32;
  std::vector<int64_t> shape;
  absl::Span<const uint8_t> bytes;  // into the mapped file, little-endian, row-major
  int64_t elements() const;
};

// A mapped file, read only. Refuses (DataLoss, naming the tensor): a header longer than 16 MiB or
// than the file, JSON that is not an object of the expected shape, duplicate names, unknown types,
// sizes that overflow or disagree with their offsets, holes, overlaps, and bytes behind the last
// tensor.
class Safetensors {
 public:
  static absl::StatusOr<std::shared_ptr<const Safetensors>> Map(const std::string& path);
  ~Safetensors();
  Safetensors(const Safetensors&) = delete;
  Safetensors& operator=(const Safetensors&) = delete;

  const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  absl::Span<const uint8_t> file() const;  // all its bytes

  // The values as float32, whatever of F32, F16 and BF16 is stored. NotFound, InvalidArgument.
  absl::StatusOr<std::vector<float>> Floats(const std::string& name) const;

 private:
  Safetensors() = default;
  absl::Status Parse();
  std::unique_ptr<MappedFile> file_;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

struct TensorToWrite {
  TensorType type = TensorType::kF32;
  std::vector<int64_t> shape;
  absl::Span<const uint8_t> bytes;
};

// Writes to a temporary file beside `path`, syncs it and renames it: either the whole file or none.
absl::Status WriteSafetensors(const std::string& path,
                              const std::map<std::string, TensorToWrite>& tensors,
                              const std::map<std::string, std::string>& metadata);

}  // namespace hiif

#endif  // MODEL_CHECKPOINT_SAFETENSORS_H_
