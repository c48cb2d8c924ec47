// A decoder with its sizes: what takes latent codes and positions to colours. Adding one is one
// file and one line in registry.cc (docs/decoders.md). No LibTorch in this header; what decoders
// compute is model/decoders/point_decoder.h, and of HIIF and LIIF model/hiif/query_tensors.h.
#ifndef MODEL_DECODERS_DECODER_H_
#define MODEL_DECODERS_DECODER_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/image.h"
#include "model/config.h"
#include "model/format/safetensors.h"
#include "model/format/shapes.h"
#include "model/layers/coordinates.h"

namespace hiif {

class PointDecoder;

// Multiply-adds of the products, as the network is written.
struct DecoderCost {
  double pixel = 0;   // of a low-resolution pixel that is asked for
  double query = 0;   // of an output pixel, its pixels done
  double sample = 0;  // of a sample of the attention context, its pixels done
};

// Immutable.
class Decoder {
 public:
  virtual ~Decoder() = default;

  virtual std::string name() const = 0;      // of its kind
  virtual nlohmann::json sizes() const = 0;  // an object, as its kind reads it
  // Of the parameters, behind an encoder of `features` channels.
  virtual Shapes shapes(int features) const = 0;

  // Whether the bilinear enlargement of the image is added to what it computes.
  virtual bool residual() const { return true; }
  // Whether it decodes pixels instead of latent codes: with the encoder "none" alone.
  virtual bool filters() const { return false; }
  // Blocks of attention whose keys and values are a mean over queries.
  virtual int attention_blocks() const { return 0; }

  // What says how large an output pixel is, on an axis of `low` pixels enlarged to `high`.
  virtual float Cell(double low, double high) const { return LiifCell(low, high); }
  // InvalidArgument where it cannot enlarge an image of `size` to `grid`.
  virtual absl::Status CheckGrid(Grid /*size*/, Grid /*grid*/) const { return absl::OkStatus(); }

  virtual DecoderCost Cost(int features, Grid size, Grid grid) const = 0;

  // --- What engines ask for. One of the three is not null.
  virtual const HiifConfig* hiif() const { return nullptr; }
  virtual const LiifConfig* liif() const { return nullptr; }
  virtual const PointDecoder* points() const { return nullptr; }
};

// How decoders of one kind are made.
struct DecoderKind {
  std::string name;
  // Of the metadata of a checkpoint. InvalidArgument: a member is missing, unknown or out of range.
  absl::StatusOr<DecoderConfig> (*from_sizes)(const nlohmann::json& sizes);
  // Of the names and shapes of parameters; absent: they are not of this kind.
  std::optional<DecoderConfig> (*from_tensors)(const Safetensors& tensors);
};

// All kinds; the first that knows the tensors of a file is taken.
const std::vector<DecoderKind>& DecoderKinds();
// One more, for programs that bring their own; before the first model is read.
void RegisterDecoder(DecoderKind kind);

// The kinds of model/decoders, for registry.cc.
DecoderKind LteKind();
DecoderKind ClitKind();
DecoderKind CiaoSrKind();
DecoderKind SrnoKind();
DecoderKind MetaSrKind();
DecoderKind LiifKind();
DecoderKind HiifKind();
DecoderKind BicubicKind();
DecoderKind LanczosKind();

}  // namespace hiif

#endif  // MODEL_DECODERS_DECODER_H_
