#include "model/engine/points.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "model/decoders/point_decoder.h"
#include "model/engine/device.h"
#include "model/engine/stepped_engine.h"
#include "model/engine/tensors.h"

namespace hiif {
namespace {

// Points of a call, at least: a square of the output, whose pixels share what they gather.
constexpr int64_t kCallPoints = 1024;
constexpr int64_t kCallRows = 32;

struct PointLatents : Engine::Latents {
  int64_t bytes() const override {
    return static_cast<int64_t>(image.codes.nbytes() +
                                (image.map.defined() ? image.map.nbytes() : 0));
  }
  at::Tensor AsImage() const {  // (1,C,h,w)
    return image.codes.view({1, image.size.height, image.size.width, -1}).permute({0, 3, 1, 2});
  }
  ImageCodes image;
  std::vector<at::Tensor> parts;  // each written by the thread that makes it
};

struct PointAttention : Engine::Attention {
  int64_t bytes() const override {
    int64_t bytes = 0;
    for (const at::Tensor& block : kv) bytes += static_cast<int64_t>(block.nbytes());
    return bytes;
  }
  std::vector<at::Tensor> kv;  // of each attention block, (heads,d,d)
};

class PointEngine : public SteppedEngine {
 public:
  PointEngine(Network network, std::string identity, const at::Device& device, bool own_streams)
      : network_(std::move(network)),
        decoder_(*network_.config.decoder->points()),
        identity_(std::move(identity)),
        device_(device),
        own_streams_(own_streams),
        call_(std::max(kCallPoints, decoder_.unit())) {}

  std::string Identity() const override { return identity_; }
  std::string precision() const override { return "float32"; }
  CallShape shape() const override {
    return {.groups = 1, .queries = call_, .rows = kCallRows, .scattered = decoder_.unit()};
  }
  int width() const override { return decoder_.width(); }
  int attention_blocks() const override { return decoder_.attention_blocks(); }

  EngineCost Costs(Grid size, Grid grid) const override {
    const int64_t channels = network_.config.encoder->features();
    const auto features = static_cast<int>(channels);
    EngineCost cost = WrittenCost(network_.config, size, grid);
    cost.on_device = !device_.is_cpu();
    cost.weights_bytes = ParameterBytes(network_.parameters);
    cost.parts.assign(decoder_.parts(size), decoder_.PartCost(features, size));
    cost.part_bytes = decoder_.PartBytes(features, size);
    cost.pixel_bytes = channels * 4 * (cost.parts.empty() ? 1 : 2);
    cost.query_bytes = sizeof(QueryPoint) + 3 * sizeof(float);
    cost.call_bytes = decoder_.CallBytes(features);
    cost.call_queries = call_;
    if (attention_blocks() > 0) {
      cost.sample_bytes =
          static_cast<int64_t>(width()) * 4 + static_cast<int64_t>(sizeof(QueryPoint));
      cost.context_bytes = static_cast<int64_t>(attention_blocks()) * width() * width() * 4;
    }
    return cost;
  }

  EncodingPlan Plan(Grid size) const override {
    return PlanEncoding(*network_.config.encoder, size);
  }
  std::unique_ptr<Latents> NewLatents(Grid size) const override {
    const DeviceCall scope(device_, own_streams_);
    auto latents = std::make_unique<PointLatents>();
    latents->image.size = size;
    latents->image.codes =
        at::zeros({size.height * size.width, network_.config.encoder->features()},
                  at::TensorOptions().device(device_).dtype(at::kFloat));
    latents->parts.resize(parts(size));
    return latents;
  }
  bool Lost() const override { return IsLost(device_); }
  absl::Status Encode(const RgbImage& image, const EncodingPlan& plan, int block, int threads,
                      const Heartbeat& beat, Latents& any) const override {
    const DeviceCall scope(device_, own_streams_);
    auto& latents = static_cast<PointLatents&>(any);
    const Region& r = plan.blocks[block];
    latents.image.codes.view({plan.size.height, plan.size.width, -1})
        .slice(0, r.y, r.y + r.height)
        .slice(1, r.x, r.x + r.width)
        .copy_(EncodePlanned(network_, device_, at::kFloat, image, plan, block, threads, beat));
    Await(device_);  // its errors are this request's, and its time the encoding's
    return absl::OkStatus();
  }

  int parts(Grid size) const override { return decoder_.parts(size); }
  void MakePart(int part, const Heartbeat& beat, Latents& any) const override {
    const DeviceCall scope(device_, own_streams_);
    const ScopedThreads one(1);  // sums may depend on their number
    auto& latents = static_cast<PointLatents&>(any);
    latents.parts[part] = decoder_.Part(network_.parameters, latents.AsImage(), part, beat);
    Await(device_);
  }
  void Join(Latents& any) const override {
    const DeviceCall scope(device_, own_streams_);
    auto& latents = static_cast<PointLatents&>(any);
    if (latents.parts.empty()) return;
    latents.image.map = decoder_.Join(latents.parts, latents.image.size);
    latents.parts.clear();
  }

  std::unique_ptr<Attention> NewAttention() const override {
    return std::make_unique<PointAttention>();
  }
  void Begin(const Group& group, float* x) const override {
    const DeviceCall scope(device_, own_streams_);
    ForEachCall(group, [&](const ImageCodes& image, absl::Span<const QueryPoint> points,
                           int64_t begin, int64_t count) {
      Store(decoder_.Begin(network_.parameters, image, points), count, x + begin * width());
    });
  }
  std::vector<double> ContextSum(int block, const float* x, int64_t rows) const override {
    const DeviceCall scope(device_, own_streams_);
    return SumOfCalls(rows, call_, [&](int64_t begin, int64_t count) {
      return decoder_.ContextSum(network_.parameters, block, Rows(x + begin * width(), count));
    });
  }
  void Fold(absl::Span<const double> kv, Attention& attention) const override {
    // heads matrices of d x d, heads d = width.
    const DeviceCall scope(device_, own_streams_);
    const int64_t d = static_cast<int64_t>(kv.size()) / width();
    static_cast<PointAttention&>(attention).kv.push_back(
        at::from_blob(const_cast<double*>(kv.data()), {width() / d, d, d}, at::kDouble)
            .to(device_, at::kFloat));
  }
  void Attend(int block, const Attention& attention, int64_t rows, float* x) const override {
    const DeviceCall scope(device_, own_streams_);
    for (int64_t begin = 0; begin < rows; begin += call_) {
      const int64_t count = std::min(call_, rows - begin);
      float* part = x + begin * width();
      Store(decoder_.Attend(network_.parameters, block, Rows(part, count),
                            static_cast<const PointAttention&>(attention).kv[block]),
            count, part);
    }
  }

  void Decode(absl::Span<const Group> groups, float* rgb) const override {
    const DeviceCall scope(device_, own_streams_);
    for (const Group& group : groups) {
      const auto& kv = static_cast<const PointAttention&>(*group.attention).kv;
      ForEachCall(group, [&](const ImageCodes& image, absl::Span<const QueryPoint> points,
                             int64_t begin, int64_t count) {
        at::Tensor x = decoder_.Begin(network_.parameters, image, points);
        for (size_t block = 0; block < kv.size(); ++block) {
          x = decoder_.Attend(network_.parameters, static_cast<int>(block), x, kv[block]);
        }
        Store(decoder_.Finish(network_.parameters, x), count, rgb + begin * 3);
      });
      rgb += group.points.size() * 3;
    }
  }

  std::vector<float> FeaturePlanes(const Latents& latents) const override {
    return PlaneValues(static_cast<const PointLatents&>(latents).image.codes.t());
  }
  std::vector<float> JoinedPlanes(const Latents& latents) const override {
    const at::Tensor& map = static_cast<const PointLatents&>(latents).image.map;
    return map.defined() ? PlaneValues(map.t()) : std::vector<float>();
  }

 private:
  // Calls f(image, points, begin, count) for pieces of call_ points; the last is filled up to a
  // multiple of unit() by repeating its last, `count` says how many count.
  template <class F>
  void ForEachCall(const Group& group, const F& f) const {
    const ImageCodes& image = static_cast<const PointLatents&>(*group.latents).image;
    std::vector<QueryPoint> call;
    for (size_t begin = 0; begin < group.points.size(); begin += call_) {
      const absl::Span<const QueryPoint> part = group.points.subspan(begin, call_);
      const auto count = static_cast<int64_t>(part.size());
      const int64_t unit = decoder_.unit();
      call.assign(part.begin(), part.end());
      call.resize((count + unit - 1) / unit * unit, part.back());
      f(image, call, static_cast<int64_t>(begin), count);
    }
  }

  at::Tensor Rows(const float* x, int64_t rows) const {
    return at::from_blob(const_cast<float*>(x), {rows, width()}, at::kFloat).to(device_);
  }

  const Network network_;
  const PointDecoder& decoder_;  // of network_.config
  const std::string identity_;
  const at::Device device_;
  const bool own_streams_;
  const int64_t call_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> MakePointEngine(const Checkpoint& checkpoint,
                                                        std::string identity,
                                                        const at::Device& device) {
  HIIF_ASSIGN_OR_RETURN(const bool own_streams, OwnStreams(device));
  HIIF_ASSIGN_OR_RETURN(Network network, LoadNetwork(checkpoint));
  for (auto& [name, tensor] : network.parameters) {
    tensor = tensor.to(device);
    const bool encoder = name.starts_with("encoder.");
    if (encoder && tensor.dim() == 4) tensor = tensor.contiguous(at::MemoryFormat::ChannelsLast);
  }
  auto engine =
      std::make_unique<PointEngine>(std::move(network), std::move(identity), device, own_streams);
  Await(device);  // before other streams read the weights
  return engine;
}

}  // namespace hiif
