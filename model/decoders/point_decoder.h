// Internal to model/ and train/: a decoder on LibTorch tensors that is asked by positions of the
// output, operation by operation as its released code; one image and Q points a call. The same
// functions serve (constants) and train (leaves that require gradients).
//
//   x = decoder.Begin(parameters, image, points);
//   for (block) x = decoder.Attend(parameters, block, x, kv[block]);  // kv: mean of ContextSum()
//   rgb = decoder.Finish(parameters, x);  // (Q,3), without the residual
//
// A row of a result depends on its own point alone, to the last bit where calls have a multiple of
// unit() points (kernels may round differently for other counts).
#ifndef MODEL_DECODERS_POINT_DECODER_H_
#define MODEL_DECODERS_POINT_DECODER_H_

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "base/image.h"
#include "model/decoders/decoder.h"
#include "model/layers/axis_position.h"
#include "model/layers/layers.h"

namespace hiif {

// What the points of an image gather from.
struct ImageCodes {
  Grid size;
  at::Tensor codes;  // (h*w,C) latent codes, a pixel a row
  at::Tensor map;    // (h*w,C) what Join() made; undefined where a decoder has no parts
};

class PointDecoder : public Decoder {
 public:
  const PointDecoder* points() const final { return this; }

  virtual int64_t unit() const { return 1024; }
  virtual int width() const { return 3; }  // of a row of Begin()
  // Bytes that a call of unit() points holds, about.
  virtual int64_t CallBytes(int features) const = 0;

  // --- What is made of all latent codes, once per image, in parts: on any thread, in any order.
  virtual int parts(Grid /*size*/) const { return 0; }
  virtual double PartCost(int /*features*/, Grid /*size*/) const { return 0; }
  virtual int64_t PartBytes(int /*features*/, Grid /*size*/) const { return 0; }
  // `latents`: (1,C,h,w).
  virtual at::Tensor Part(const Parameters& /*parameters*/, const at::Tensor& /*latents*/,
                          int /*part*/, const Heartbeat& /*beat*/) const {
    return {};
  }
  virtual at::Tensor Join(absl::Span<const at::Tensor> /*parts*/, Grid /*size*/) const {
    return {};
  }

  // --- Points. (Q,width).
  virtual at::Tensor Begin(const Parameters& parameters, const ImageCodes& image,
                           absl::Span<const QueryPoint> points) const = 0;
  // Sum over the rows of k^T v: (heads,d,d).
  virtual at::Tensor ContextSum(const Parameters& /*parameters*/, int /*block*/,
                                const at::Tensor& /*x*/) const {
    return {};
  }
  virtual at::Tensor Attend(const Parameters& /*parameters*/, int /*block*/, const at::Tensor& x,
                            const at::Tensor& /*kv*/) const {
    return x;
  }
  virtual at::Tensor Finish(const Parameters& /*parameters*/, const at::Tensor& x) const {
    return x;
  }
};

// Of latent codes (1,C,h,w), parts included.
ImageCodes MakeImageCodes(const PointDecoder& decoder, const Parameters& parameters,
                          const at::Tensor& latents);
// All steps, the context taken over these points, as the released code does in one call.
at::Tensor DecodeInOneCall(const PointDecoder& decoder, const Parameters& parameters,
                           const ImageCodes& image, absl::Span<const QueryPoint> points);

// --- What the decoders share.
// (1,C,h,w) to (h*w,C).
at::Tensor PixelRows(const at::Tensor& latents);
// Linear layers NAME.layers.0, .2, ... with `activate` between them.
at::Tensor Mlp(const Parameters& parameters, const std::string& name, at::Tensor x, size_t hidden,
               at::Tensor (*activate)(const at::Tensor&));
at::Tensor Relu(const at::Tensor& x);
at::Tensor GeluErf(const at::Tensor& x);
// The values as a tensor of this shape, where `like` is.
at::Tensor FloatTensor(const std::vector<float>& values, at::IntArrayRef shape,
                       const at::Tensor& like);
at::Tensor IndexTensor(const std::vector<int64_t>& values, at::IntArrayRef shape,
                       const at::Tensor& like);
// Rows of `table` (P,C) at index (any shape): index.shape + C. Negative: a row of zeros.
at::Tensor GatherRows(const at::Tensor& table, const at::Tensor& index);
// The 3x3 neighbourhoods, zeros outside the image, of pixels row * width + column: index.shape +
// (9*C), element 9 c + 3 ky + kx.
at::Tensor GatherPatches(const ImageCodes& image, const at::Tensor& index);

// Replaces indices by their places in the list of pixels that is returned, each once; negative ones
// stay. The list is filled up, by repeating its last, to a multiple of kRows.
inline constexpr int64_t kRows = 256;
std::vector<int64_t> UniquePixels(std::vector<int64_t>& index);
// x (n,K) times `weight` (O,K), kRows of x at a time: as for unit().
at::Tensor LinearByRows(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);
// 3x3 convolutions of the codes at some pixels (U): (U, outputs of all of them).
at::Tensor ConvAt(const ImageCodes& image, const at::Tensor& pixels, absl::Span<const Scope> convs);

// LTE and SRNO: the four neighbours of Q points, in the order (--, -+, +-, ++).
struct PairTensors {
  at::Tensor weight;           // (Q,4)
  at::Tensor distance;         // (Q,4,2) twice in low-resolution pixels, row and column
  at::Tensor cell;             // (Q,2)
  std::vector<int64_t> index;  // (Q,4) low-resolution pixels
};
PairTensors MakePairs(absl::Span<const QueryPoint> points, int cell_limit, const at::Tensor& like);

}  // namespace hiif

#endif  // MODEL_DECODERS_POINT_DECODER_H_
