// The `reference` backend of HIIF and LIIF: model/hiif/query_tensors.h on the CPU.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "model/decoders/decoder.h"
#include "model/engine/engines.h"
#include "model/engine/points.h"
#include "model/engine/stepped_engine.h"
#include "model/engine/tensors.h"
#include "model/hiif/query_tensors.h"

namespace hiif {
namespace {

// Kernels may round differently for other row counts, so every call has this many queries, the
// missing ones filled up.
constexpr int64_t kRows = 1024;
// Images of so many pixels are encoded whole, which is what the encoding in blocks is judged by.
constexpr int64_t kWholePixels = 1024 * 1024;

struct ReferenceLatents : Engine::Latents {
  int64_t bytes() const override { return static_cast<int64_t>(pixels.nbytes()); }
  Grid size;
  at::Tensor pixels;  // (h,w,C): what `freq` makes of the latent codes; of LIIF the codes
};

struct ReferenceAttention : Engine::Attention {
  int64_t bytes() const override {
    int64_t bytes = 0;
    for (const at::Tensor& block : kv) bytes += static_cast<int64_t>(block.nbytes());
    return bytes;
  }
  std::vector<at::Tensor> kv;  // of each attention block, (1,heads,d,d)
};

class ReferenceEngine : public SteppedEngine {
 public:
  explicit ReferenceEngine(Network network)
      : network_(std::move(network)),
        hiif_(network_.config.decoder.hiif()),
        channels_(hiif_ != nullptr ? hiif_->width : network_.config.encoder->features()) {}

  std::string Identity() const override { return HostIdentity("reference/float32"); }
  std::string precision() const override { return "float32"; }
  CallShape shape() const override { return {.groups = 1, .queries = kRows, .rows = 32}; }
  int width() const override { return hiif_ != nullptr ? hiif_->width : 0; }
  int attention_blocks() const override { return hiif_ != nullptr ? AttentionBlocks(*hiif_) : 0; }

  EngineCost Costs(Grid size, Grid grid) const override {
    EngineCost cost = WrittenCost(network_.config, size, grid);
    const int64_t row = hiif_ != nullptr ? 6 * channels_ : 4 * 9 * channels_ + 4 * 580;
    cost.weights_bytes = ParameterBytes(network_.parameters);
    cost.pixel_bytes = channels_ * 4;
    cost.query_bytes = sizeof(Query);
    cost.call_bytes = kRows * row * 4 * 2;
    if (hiif_ != nullptr) {
      cost.sample_bytes = channels_ * 4 + static_cast<int64_t>(sizeof(Query));
      cost.context_bytes = attention_blocks() * channels_ * channels_ / hiif_->heads * 4;
    }
    return cost;
  }

  EncodingPlan Plan(Grid size) const override {
    if (size.height * size.width <= kWholePixels) return PlanWhole(size);
    EncodingPlan plan = PlanEncoding(*network_.config.encoder, size);
    // `freq` reads a pixel further.
    if (plan.blocks.size() > 1) plan.halo += network_.config.encoder->alignment();
    return plan;
  }
  std::unique_ptr<Latents> NewLatents(Grid size) const override {
    auto latents = std::make_unique<ReferenceLatents>();
    latents->size = size;
    latents->pixels = at::zeros({size.height, size.width, channels_}, at::kFloat);
    return latents;
  }
  absl::Status Encode(const RgbImage& image, const EncodingPlan& plan, int block, int,
                      const Heartbeat& beat, Latents& any) const override {
    const c10::InferenceMode inference;
    auto& latents = static_cast<ReferenceLatents&>(any);
    const Region& r = plan.blocks[block];
    const Region read = plan.Read(block);
    at::Tensor codes = EncodeImage(
        network_, NormalisedImage(image, read, network_.config.normalisation).contiguous(), beat);
    if (hiif_ != nullptr) codes = DecoderFeatures(network_, codes);
    latents.pixels.slice(0, r.y, r.y + r.height)
        .slice(1, r.x, r.x + r.width)
        .copy_(codes[0]
                   .slice(1, r.y - read.y, r.y - read.y + r.height)
                   .slice(2, r.x - read.x, r.x - read.x + r.width)
                   .permute({1, 2, 0}));
    return absl::OkStatus();
  }

  std::unique_ptr<Attention> NewAttention() const override {
    return std::make_unique<ReferenceAttention>();
  }
  void Begin(const Group& group, float* x) const override {
    const c10::InferenceMode inference;
    const at::Tensor features = Features(group);
    ForEachCall(group, [&](const QueryTensors& queries, int64_t begin, int64_t rows) {
      Store(HiifBegin(network_, features, queries)[0], rows, x + begin * width());
    });
  }
  std::vector<double> ContextSum(int block, const float* x, int64_t rows) const override {
    const c10::InferenceMode inference;
    return SumOfCalls(rows, kRows, [&](int64_t begin, int64_t count) {
      return HiifContextSum(network_, block, Rows(x + begin * width(), count));
    });
  }
  void Fold(absl::Span<const double> kv, Attention& attention) const override {
    const int64_t heads = hiif_->heads;
    const int64_t d = width() / heads;
    static_cast<ReferenceAttention&>(attention).kv.push_back(
        at::from_blob(const_cast<double*>(kv.data()), {1, heads, d, d}, at::kDouble)
            .to(at::kFloat));
  }
  void Attend(int block, const Attention& attention, int64_t rows, float* x) const override {
    const c10::InferenceMode inference;
    for (int64_t begin = 0; begin < rows; begin += kRows) {
      const int64_t count = std::min(kRows, rows - begin);
      float* part = x + begin * width();
      Store(HiifAttend(network_, block, Rows(part, count),
                       static_cast<const ReferenceAttention&>(attention).kv[block])[0],
            count, part);
    }
  }

  void Decode(absl::Span<const Group> groups, float* rgb) const override {
    const c10::InferenceMode inference;
    for (const Group& group : groups) {
      const at::Tensor features = Features(group);
      const auto& kv = static_cast<const ReferenceAttention&>(*group.attention).kv;
      ForEachCall(group, [&](const QueryTensors& queries, int64_t begin, int64_t rows) {
        at::Tensor out;
        if (hiif_ == nullptr) {
          out = LiifDecode(network_, features, queries);
        } else {
          at::Tensor x = HiifBegin(network_, features, queries);
          for (size_t block = 0; block < kv.size(); ++block) {
            x = HiifAttend(network_, static_cast<int>(block), x, kv[block]);
          }
          out = HiifFinish(network_, x, queries);
        }
        Store(out[0], rows, rgb + begin * 3);
      });
      rgb += group.queries.size() * 3;
    }
  }

  std::vector<float> FeaturePlanes(const Latents& latents) const override {
    return PlaneValues(static_cast<const ReferenceLatents&>(latents).pixels.permute({2, 0, 1}));
  }

 private:
  // Of the group's pixels: (1,P,C); of LIIF their 3x3 neighbourhoods, zero beyond the border.
  at::Tensor Features(const Group& group) const {
    const auto& latents = static_cast<const ReferenceLatents&>(*group.latents);
    const auto count = static_cast<int64_t>(group.pixels.size());
    const at::Tensor pixels = latents.pixels.flatten(0, 1);
    const at::Tensor index =
        at::from_blob(const_cast<PixelIndex*>(group.pixels.data()), {count}, at::kInt)
            .to(at::kLong);
    if (hiif_ != nullptr) return pixels.index_select(0, index).unsqueeze(0);
    return Neighbourhoods(pixels, index, latents.size)
        .reshape({count, 9, channels_})
        .transpose(1, 2)  // index 9 c + 3 ky + kx
        .reshape({1, count, 9 * channels_});
  }

  // Calls f(queries, begin, rows) for pieces of kRows queries; the last is filled up by repeating
  // its last, `rows` says how many count.
  template <class F>
  void ForEachCall(const Group& group, const F& f) const {
    const int levels = hiif_ != nullptr ? hiif_->levels : 0;
    std::vector<Query> call(kRows);
    for (size_t begin = 0; begin < group.queries.size(); begin += kRows) {
      const absl::Span<const Query> part = group.queries.subspan(begin, kRows);
      std::copy(part.begin(), part.end(), call.begin());
      std::fill(call.begin() + static_cast<int64_t>(part.size()), call.end(), part.back());
      f(MakeQueries(call, levels, group.cell), static_cast<int64_t>(begin),
        static_cast<int64_t>(part.size()));
    }
  }

  // (1,rows,width), a copy.
  at::Tensor Rows(const float* x, int64_t rows) const {
    at::Tensor out = at::empty({1, rows, width()}, at::kFloat);
    std::copy_n(x, rows * width(), out.mutable_data_ptr<float>());
    return out;
  }

  const Network network_;
  const HiifConfig* const hiif_;  // null: LIIF
  const int64_t channels_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> MakeReferenceEngine(const Checkpoint& checkpoint) {
  if (checkpoint.config().decoder->points() != nullptr) {
    return MakePointEngine(checkpoint, HostIdentity("reference/float32"), at::kCPU);
  }
  HIIF_ASSIGN_OR_RETURN(Network network, LoadNetwork(checkpoint));
  return std::make_unique<ReferenceEngine>(std::move(network));
}

}  // namespace hiif
