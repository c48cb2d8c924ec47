// A checkpoint in the native format: a safetensors file whose metadata describes the network
// (model.md 4).
#ifndef MODEL_CHECKPOINT_CHECKPOINT_H_
#define MODEL_CHECKPOINT_CHECKPOINT_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/config.h"
#include "model/format/safetensors.h"

namespace hiif {

// The file, read, and what it says of itself. Every parameter that the configuration asks for is
// there, with its shape, finite, and there is no other: Open() checks names and shapes before
// anything large is allocated. A file may hold a second network of the same sizes, its names behind
// "faithful.": what `strength` leads back to (docs/models.md).
class Checkpoint {
 public:
  // Errors: NotFound; DataLoss (not a well-formed safetensors file, another checksum than it says,
  // or a value that is not finite); InvalidArgument (a tensor missing, unknown or of the wrong
  // shape; unknown configuration; not a regular file; outside the limits); Aborted (changed while
  // it was read). Each names the file and the tensor, and holds no other bytes of the file.
  static absl::StatusOr<Checkpoint> Open(const std::string& path,
                                         const SafetensorsLimits& limits = {});

  // The same for files without our metadata (fixtures, releases converted elsewhere): the
  // configuration is InferConfig()'s. Not for serving: such a file does not say which coordinates
  // it was made for.
  static absl::StatusOr<Checkpoint> OpenForeign(const std::string& path);

  const std::string& path() const { return path_; }
  const ModelConfig& config() const { return config_; }
  // The same weights, asked in another coordinate mode: for comparisons, never for serving.
  void SetCoordinates(CoordinateMode mode) { config_.coordinates = mode; }
  const Safetensors& tensors() const { return *tensors_; }
  // Metadata that does not concern the network: licence, provenance, psnr.
  const std::map<std::string, std::string>& metadata() const { return tensors_->metadata(); }
  int64_t parameters() const;  // values of one network's parameters, ignored tensors excluded
  bool has_faithful() const { return has_faithful_; }
  // The second network as a checkpoint of its own: the same file, configuration and digest.
  Checkpoint Faithful() const;
  const std::string& digest() const { return digest_; }  // SHA-256 of the file, hexadecimal

 private:
  // The tensors behind `prefix` against config_; others are left to who looks behind theirs.
  absl::Status CheckShapes(const std::string& prefix) const;
  absl::Status Load();
  std::string path_;
  ModelConfig config_;
  std::shared_ptr<Safetensors> tensors_;
  bool has_faithful_ = false;
  std::string digest_;
};

// Names and shapes of the parameters of a network, and of its encoder.
std::map<std::string, std::vector<int64_t>> ParameterShapes(const ModelConfig& config);
std::map<std::string, std::vector<int64_t>> EncoderShapes(const EncoderConfig& config);

// The configuration whose ParameterShapes() are these; for files without our metadata (fixtures,
// converted releases). `encoder` and `decoder` are names as in config.h.
absl::StatusOr<ModelConfig> InferConfig(const Safetensors& tensors);

// Metadata that Open() reads back as `config`: format_version, encoder, decoder, coordinates,
// normalisation.
std::map<std::string, std::string> ConfigMetadata(const ModelConfig& config);

// The way back. InvalidArgument: a member is missing, of a wrong kind or out of range.
absl::StatusOr<ModelConfig> ConfigFromMetadata(const std::map<std::string, std::string>& metadata);

// Its "mean" and "std", numbers a,b,c each.
absl::StatusOr<Normalisation> ReadNormalisation(const std::map<std::string, std::string>& metadata);

// Of its encoder alone.
absl::StatusOr<EncoderConfig> EncoderFromMetadata(
    const std::map<std::string, std::string>& metadata);

}  // namespace hiif

#endif  // MODEL_CHECKPOINT_CHECKPOINT_H_
