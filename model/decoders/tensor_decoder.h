// Internal to model/ and train/: a decoder on LibTorch tensors, operation by operation as its
// released code; one image and Q queries a call. The same functions serve (constants) and train
// (leaves that require gradients).
//
//   pixels  = decoder->Prepare(latents);            // once per image
//   queries = decoder->MakeQueries(pixels, points); // for every piece
//   x = decoder->Begin(*pixels, *queries);
//   for (block) x = decoder->Attend(block, x, kv[block]);   // kv: mean of ContextSum()
//   rgb = decoder->Finish(x, *queries);   // (Q,3), without the residual (DecoderType)
//
// A row of a result depends on its own query alone, to the last bit where every call has as many
// queries (kernels may round differently for other counts).
#ifndef MODEL_DECODERS_TENSOR_DECODER_H_
#define MODEL_DECODERS_TENSOR_DECODER_H_

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/image.h"
#include "model/layers/peer_coordinates.h"
#include "model/network.h"

namespace hiif {

// A position of the output.
struct QueryPoint {
  AxisPosition row;
  AxisPosition column;
};

class TensorDecoder {
 public:
  // What the queries of an image gather from. Immutable.
  struct Pixels {
    virtual ~Pixels() = default;
    int64_t height = 0;
    int64_t width = 0;
    at::Tensor latents;  // (h*w,C): the encoder's output, a pixel a row
    virtual int64_t bytes() const { return static_cast<int64_t>(latents.nbytes()); }
  };
  // What a piece of queries asks. Made from points of one grid.
  struct Queries {
    virtual ~Queries() = default;
  };

  virtual ~TensorDecoder() = default;

  // InvalidArgument where the decoder cannot enlarge height x width to this grid.
  virtual absl::Status CheckGrid(int64_t /*height*/, int64_t /*width*/, Grid /*grid*/) const {
    return absl::OkStatus();
  }
  // Parts of Prepare() that are worth computing apart, on any thread and in any order.
  virtual int64_t parts(int64_t /*height*/, int64_t /*width*/) const { return 0; }
  // Multiply-adds of a part.
  virtual double PartWork(int64_t /*part*/, int64_t /*height*/, int64_t /*width*/) const {
    return 0;
  }
  virtual at::Tensor Part(int64_t /*part*/, const at::Tensor& /*latents*/) const { return {}; }
  // latents: (1,C,h,w); every part of them, in order.
  virtual std::shared_ptr<const Pixels> Prepare(const at::Tensor& latents,
                                                absl::Span<const at::Tensor> parts) const = 0;
  // The same, parts included.
  std::shared_ptr<const Pixels> Prepare(const at::Tensor& latents) const;
  virtual std::unique_ptr<const Queries> MakeQueries(const Pixels& pixels,
                                                     absl::Span<const QueryPoint> points) const = 0;
  // (Q,width), or (Q,3) where there is no attention.
  virtual at::Tensor Begin(const Pixels& pixels, const Queries& queries) const = 0;
  // Blocks of attention whose keys and values are a mean over queries.
  virtual int attention_blocks() const { return 0; }
  // Sum over the queries of k^T v: (heads,d,d).
  virtual at::Tensor ContextSum(int /*block*/, const at::Tensor& /*x*/) const { return {}; }
  virtual at::Tensor Attend(int /*block*/, const at::Tensor& x, const at::Tensor& /*kv*/) const {
    return x;
  }
  virtual at::Tensor Finish(const at::Tensor& x, const Queries& /*queries*/) const { return x; }
  // CiaoSR's map, (h*w,C), to compare with recordings; undefined for others.
  virtual at::Tensor NonLocal(const Pixels& /*pixels*/) const { return {}; }
};

// Null for HIIF and LIIF, which decode batches of images (model/decoders/decoder.h). The network
// outlives the decoder.
std::unique_ptr<const TensorDecoder> MakeTensorDecoder(const Network& network);

// All steps, the context taken over these queries, as the released code does in one call.
at::Tensor DecodeInOneCall(const TensorDecoder& decoder, const TensorDecoder::Pixels& pixels,
                           absl::Span<const QueryPoint> points);

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
at::Tensor GatherPatches(const TensorDecoder::Pixels& pixels, const at::Tensor& index);

}  // namespace hiif

#endif  // MODEL_DECODERS_TENSOR_DECODER_H_
