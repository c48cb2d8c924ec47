#include "model/checkpoint/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "base/text.h"

namespace hiif {
namespace {

// Buffers of released checkpoints that follow from the configuration.
bool IsDerived(const std::string& name) {
  return absl::EndsWith(name, ".attn_mask") || absl::EndsWith(name, ".relative_position_index") ||
         absl::StartsWith(name, "encoder.sub_mean.") || absl::StartsWith(name, "encoder.add_mean.");
}

// NaN and infinity have all exponent bits set.
template <class Word>
bool AllFinite(absl::Span<const uint8_t> bytes, Word exponent) {
  for (size_t i = 0; i < bytes.size(); i += sizeof(Word)) {
    Word word;
    std::memcpy(&word, bytes.data() + i, sizeof(Word));
    if ((word & exponent) == exponent) return false;
  }
  return true;
}

bool AllFinite(const TensorView& tensor) {
  switch (tensor.type) {
    case TensorType::kF32:
      return AllFinite<uint32_t>(tensor.bytes, 0x7f800000u);
    case TensorType::kF16:
      return AllFinite<uint16_t>(tensor.bytes, 0x7c00u);
    case TensorType::kBF16:
      return AllFinite<uint16_t>(tensor.bytes, 0x7f80u);
    default:
      return true;
  }
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ","), "]");
}

absl::Status InFile(const std::string& path, const absl::Status& status) {
  return status.ok() ? status
                     : absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

}  // namespace

absl::StatusOr<Checkpoint> Checkpoint::Open(const std::string& path,
                                            const SafetensorsLimits& limits) {
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  HIIF_ASSIGN_OR_RETURN(checkpoint.tensors_, Safetensors::Open(path, limits));
  absl::StatusOr<ModelConfig> config = ConfigFromMetadata(checkpoint.tensors_->metadata());
  if (!config.ok()) return InFile(path, config.status());
  checkpoint.config_ = *std::move(config);
  HIIF_RETURN_IF_ERROR(checkpoint.Load());
  return checkpoint;
}

absl::StatusOr<Checkpoint> Checkpoint::OpenForeign(const std::string& path) {
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  HIIF_ASSIGN_OR_RETURN(checkpoint.tensors_, Safetensors::Open(path));
  absl::StatusOr<ModelConfig> config = InferConfig(*checkpoint.tensors_);
  if (!config.ok()) return InFile(path, config.status());
  checkpoint.config_ = *std::move(config);
  HIIF_RETURN_IF_ERROR(checkpoint.Load());
  return checkpoint;
}

absl::Status Checkpoint::CheckShapes() const {
  const auto error = [&](const std::string& name, absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": tensor ", Quoted(name), " ", what));
  };
  absl::Status status;
  absl::flat_hash_set<std::string> expected;
  // Ends at the first that the file does not have: costs what the file holds, not what it declares.
  VisitParameters(config_, [&](const std::string& name, const std::vector<int64_t>& shape) {
    const auto found = tensors_->tensors().find(name);
    if (found == tensors_->tensors().end()) {
      status = error(name, "is missing");
    } else if (found->second.shape != shape) {
      status = error(name, absl::StrCat("has shape ", ShapeText(found->second.shape),
                                        ", the network needs ", ShapeText(shape)));
    }
    expected.insert(name);
    return status.ok();
  });
  HIIF_RETURN_IF_ERROR(status);
  for (const auto& [name, tensor] : tensors_->tensors()) {
    if (IsDerived(name)) continue;
    if (!expected.contains(name)) return error(name, "is not known to this network");
    if (tensor.type == TensorType::kU8 || tensor.type == TensorType::kI64) {
      return error(name, "does not hold floats");
    }
  }
  return absl::OkStatus();
}

absl::Status Checkpoint::Load() {
  HIIF_RETURN_IF_ERROR(CheckShapes());
  HIIF_RETURN_IF_ERROR(tensors_->Load());
  for (const auto& [name, tensor] : tensors_->tensors()) {
    if (!IsDerived(name) && !AllFinite(tensor)) {
      return absl::DataLossError(
          absl::StrCat(path_, ": tensor ", Quoted(name), " holds NaN or infinity"));
    }
  }
  const absl::Span<const uint8_t> file = tensors_->file();
  digest_ = Sha256Hex({reinterpret_cast<const char*>(file.data()), file.size()});
  return absl::OkStatus();
}

int64_t Checkpoint::parameters() const {
  int64_t count = 0;
  for (const auto& [name, shape] : ParameterShapes(config_)) {
    count += tensors_->tensors().at(name).elements();
  }
  return count;
}

}  // namespace hiif
