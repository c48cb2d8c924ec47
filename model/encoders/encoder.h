// An encoder with its sizes: what takes an image to latent codes of the same height and width.
// Adding one is one file and one line in registry.cc (docs/models.md). No LibTorch in this header.
#ifndef MODEL_ENCODERS_ENCODER_H_
#define MODEL_ENCODERS_ENCODER_H_

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/config.h"
#include "model/format/safetensors.h"
#include "model/format/shapes.h"
#include "model/layers/heartbeat.h"

namespace at {
class Tensor;
}

namespace hiif {

class Scope;  // model/layers/layers.h

// Immutable.
class Encoder {
 public:
  virtual ~Encoder() = default;

  virtual std::string name() const = 0;      // of its kind
  virtual nlohmann::json sizes() const = 0;  // an object, as its kind reads it
  virtual int features() const = 0;          // channels C_e of the latent codes
  virtual Shapes shapes() const = 0;         // of the parameters, below "encoder."

  // Normalised image (N,3,h,w) to latent codes (N,C_e,h,w), of any height and width, the same to
  // the bit with any number of threads. Where no gradient is taken, in the memory that Footprint()
  // says. MKL's sums depend on the threads: they belong into InParallel()
  // (model/layers/parallel.h).
  virtual at::Tensor Forward(const Scope& scope, const at::Tensor& image,
                             const Heartbeat& beat) const = 0;

  // How far away a pixel may lie, on each side, on which a latent code depends. Absent: anywhere,
  // so that the image is encoded whole.
  virtual std::optional<int64_t> receptive_field() const = 0;
  // A part of an image gives the codes of the whole where it begins at multiples of this.
  virtual int64_t alignment() const { return 1; }

  // Whether Forward() asks a device for kernels alone, without copies from the host, so that a GPU
  // can record it (model/engine/recorded_call.h).
  virtual bool recordable() const { return false; }

  // Whether its latent codes are not to be rounded on their way: then it is computed in float32
  // also where the decoder is not.
  virtual bool keeps_float32() const { return false; }

  // Threads that Forward() has work for at a time, on a CPU.
  virtual int64_t MostThreads(int64_t /*height*/, int64_t /*width*/) const { return 1 << 20; }

  // Multiply-adds of Forward() for one image of this size.
  virtual double Cost(int64_t height, int64_t width) const = 0;
  // Bytes that Forward() holds at most, its result included; parameters and image are not. Values
  // between layers take `value_bytes`: 4, or 2 where products are of bfloat16. on_device: on a GPU,
  // where attention in windows is by LibTorch's operations, which keep the weights of all pairs.
  virtual int64_t Footprint(int64_t height, int64_t width, int value_bytes,
                            bool on_device) const = 0;
};

// How encoders of one kind are made.
struct EncoderKind {
  std::string name;
  // Of the metadata of a checkpoint. InvalidArgument: a member is missing, unknown or out of range.
  absl::StatusOr<EncoderConfig> (*from_sizes)(const nlohmann::json& sizes);
  // Of the names and shapes of parameters; absent: they are not of this kind.
  std::optional<EncoderConfig> (*from_tensors)(const Safetensors& tensors);
};

// All kinds; the order is that of messages.
const std::vector<EncoderKind>& EncoderKinds();
// One more, for programs that bring their own; before the first model is read.
void RegisterEncoder(EncoderKind kind);

// The kinds of model/encoders, for registry.cc.
EncoderKind EdsrKind();
EncoderKind RdnKind();
EncoderKind SwinIrKind();
EncoderKind DatKind();
EncoderKind NoneKind();

}  // namespace hiif

#endif  // MODEL_ENCODERS_ENCODER_H_
