// The `torch` backend: model/hiif/folded_tensors.h on a device of LibTorch, or, where
// HIIF_CUDA_DECODER says so, its decoder as one kernel (block_decoder.h); what is not HIIF by
// model/engine/points.h.
#include <ATen/ATen.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "model/decoders/decoder.h"
#include "model/engine/block_decoder.h"
#include "model/engine/device.h"
#include "model/engine/engines.h"
#include "model/engine/points.h"
#include "model/engine/tensors.h"
#include "model/hiif/folded_tensors.h"
#include "model/hiif/query_tensors.h"

namespace hiif {
namespace {

// Kernels may round differently for other row counts, so a call always has `groups` groups of
// `queries` queries, and low-resolution pixels are projected kLowRows at a time; what is missing is
// filled up. 65,536 queries fill a large device, and are a tile of 256 x 256.
constexpr CallShape kCudaShape = {.groups = 16, .queries = 4096, .rows = 64};
// A third of the default context sample; the buffers stay in the last-level cache.
constexpr CallShape kCpuShape = {.groups = 2, .queries = 384, .rows = 16};
constexpr int64_t kCudaLowRows = 1024;
constexpr int64_t kCpuLowRows = 96;

struct TorchLatents : Engine::Latents {
  int64_t bytes() const override { return static_cast<int64_t>(codes.nbytes()); }
  Grid size;
  at::Tensor codes;  // (h*w,C_e) in the compute type
};

struct TorchAttention : Engine::Attention {
  int64_t bytes() const override {
    int64_t bytes = 0;
    for (const at::Tensor& block : folded.projection) bytes += static_cast<int64_t>(block.nbytes());
    return bytes + packed.bytes();
  }
  FoldedTensors folded;
  BlockDecoder::Attention packed;  // of the one kernel
};

class TorchEngine : public Engine {
 public:
  // `block_decoder` decodes; null: layer by layer.
  TorchEngine(Network network, FoldedHiif folded, std::unique_ptr<BlockDecoder> block_decoder,
              at::Device device, bool own_streams, at::ScalarType type)
      : network_(std::move(network)),
        decoder_(std::move(folded), device, type),
        block_decoder_(std::move(block_decoder)),
        device_(device),
        own_streams_(own_streams),
        type_(type),
        shape_(device.is_cuda() ? kCudaShape : kCpuShape),
        low_rows_(device.is_cuda() ? kCudaLowRows : kCpuLowRows) {}

  std::string Identity() const override {
    return absl::StrCat("torch/", device_.is_cuda() ? "cuda" : "cpu", "-",
                        block_decoder_ != nullptr ? "fused-" : "", precision());
  }
  std::string precision() const override {
    return type_ == at::kFloat ? "float32" : type_ == at::kHalf ? "float16" : "bfloat16";
  }
  CallShape shape() const override { return shape_; }
  int width() const override { return static_cast<int>(decoder_.width()); }
  int attention_blocks() const override { return decoder_.config().attention_blocks; }

  EngineCost Costs(Grid, Grid) const override {
    const auto value = static_cast<int64_t>(at::elementSize(type_));
    const int64_t channels = network_.config.encoder->features();
    const int64_t width = decoder_.width();
    EngineCost cost = FoldedCost(network_.config);
    cost.weights_bytes = decoder_.weights_bytes() + ParameterBytes(network_.parameters);
    cost.value_bytes = static_cast<int>(value);
    cost.pixel_bytes = channels * value;
    cost.projected_bytes = (4 * width + 9 * channels) * value + 8;
    cost.query_bytes = sizeof(Query) + 3 * sizeof(float);
    cost.sample_bytes = width * 4 + static_cast<int64_t>(sizeof(Query));
    cost.context_bytes = attention_blocks() * width * width * value;
    if (block_decoder_ != nullptr) {
      cost.weights_bytes += block_decoder_->weights_bytes();
      cost.context_bytes *= 2;
    }
    cost.call_pixels = shape_.groups * shape_.queries;
    cost.call_bytes = shape_.groups * shape_.queries * (width * value * 4 + 200);
    return cost;
  }

  EncodingPlan Plan(Grid size) const override {
    return PlanEncoding(*network_.config.encoder, size);
  }
  std::unique_ptr<Latents> NewLatents(Grid size) const override {
    const DeviceCall scope(device_, own_streams_);
    auto latents = std::make_unique<TorchLatents>();
    latents->size = size;
    latents->codes = at::zeros({size.height * size.width, network_.config.encoder->features()},
                               at::TensorOptions().device(device_).dtype(type_));
    return latents;
  }
  absl::Status Encode(const RgbImage& image, const EncodingPlan& plan, int block, int threads,
                      const Heartbeat& beat, Latents& any) const override {
    const DeviceCall scope(device_, own_streams_);
    auto& latents = static_cast<TorchLatents&>(any);
    const Region& r = plan.blocks[block];
    latents.codes.view({latents.size.height, latents.size.width, -1})
        .slice(0, r.y, r.y + r.height)
        .slice(1, r.x, r.x + r.width)
        .copy_(EncodePlanned(network_, device_, type_, image, plan, block, threads, beat));
    // Its errors are this request's, and its time the encoding's.
    Await(device_);
    return absl::OkStatus();
  }

  std::unique_ptr<Attention> NewAttention() const override {
    return std::make_unique<TorchAttention>();
  }
  void Begin(const Group& group, float* x) const override {
    const DeviceCall scope(device_, own_streams_);
    Group part = group;
    for (size_t begin = 0; begin < group.queries.size(); begin += shape_.queries) {
      part.queries = group.queries.subspan(begin, shape_.queries);
      const Call call = Prepare({&part, 1});
      Store(decoder_.Begin(call.pixels, call.queries), std::ssize(part.queries),
            x + begin * width());
    }
  }
  std::vector<double> ContextSum(int block, const float* x, int64_t rows) const override {
    const DeviceCall scope(device_, own_streams_);
    const at::Tensor sum =
        decoder_.ContextSum(block, Rows(x, rows)).to(at::kCPU, at::kDouble).contiguous();
    return {sum.const_data_ptr<double>(), sum.const_data_ptr<double>() + sum.numel()};
  }
  void Fold(absl::Span<const double> kv, Attention& attention) const override {
    const DeviceCall scope(device_, own_streams_);
    auto& [folded, packed] = static_cast<TorchAttention&>(attention);
    decoder_.Fold(kv, folded);
    if (block_decoder_ != nullptr) {
      block_decoder_->Fold(folded.projection.back(), folded.bias.back(), packed);
    }
  }
  void Attend(int block, const Attention& attention, int64_t rows, float* x) const override {
    const DeviceCall scope(device_, own_streams_);
    const std::vector<const Attention*> one = {&attention};
    Store(Attend(block, Rows(x, rows), one), rows, x);
  }

  void Decode(absl::Span<const Group> groups, float* rgb) const override {
    const DeviceCall scope(device_, own_streams_);
    if (block_decoder_ != nullptr) return DecodeBlocks(groups, rgb);
    const Call call = Prepare(groups);
    std::vector<const Attention*> contexts;
    for (int64_t i = 0; i < shape_.groups; ++i) {
      contexts.push_back(groups[std::min<size_t>(i, groups.size() - 1)].attention);
    }
    at::Tensor x = decoder_.Begin(call.pixels, call.queries);
    for (int block = 0; block < attention_blocks(); ++block) x = Attend(block, x, contexts);
    const at::Tensor out = ToHost(decoder_.Finish(x, call.queries));
    const float* values = out.const_data_ptr<float>();
    for (const Group& group : groups) {
      rgb = std::copy_n(values, group.queries.size() * 3, rgb);
      values += shape_.queries * 3;
    }
  }

 private:
  struct Call {
    FoldedQueries queries;
    ProjectedPixels pixels;
  };

  // Each of the group's pixels, low_rows_ at a time.
  void Project(const Group& group, std::vector<ProjectedPixels>& parts) const {
    const auto& latents = static_cast<const TorchLatents&>(*group.latents);
    const auto count = static_cast<int64_t>(group.pixels.size());
    const int64_t padded = (count + low_rows_ - 1) / low_rows_ * low_rows_;
    const at::Tensor pixels = HostTensor({padded}, at::kInt, device_);
    auto* values = pixels.mutable_data_ptr<PixelIndex>();
    std::fill(std::copy(group.pixels.begin(), group.pixels.end(), values), values + padded, 0);
    const at::Tensor index = ToDevice(pixels, device_).to(at::kLong);
    for (int64_t begin = 0; begin < index.size(0); begin += low_rows_) {
      parts.push_back(decoder_.Project(
          Neighbourhoods(latents.codes, index.slice(0, begin, begin + low_rows_), latents.size)));
    }
  }

  static ProjectedPixels Joined(const std::vector<ProjectedPixels>& parts) {
    std::vector<at::Tensor> slots, sum, sum_squares;
    for (const ProjectedPixels& part : parts) {
      slots.push_back(part.slots);
      sum.push_back(part.sum);
      sum_squares.push_back(part.sum_squares);
    }
    return {at::cat(slots), at::cat(sum), at::cat(sum_squares)};
  }

  // By the one kernel, whose rows do not know of each other: nothing is filled up.
  void DecodeBlocks(absl::Span<const Group> groups, float* rgb) const {
    std::vector<ProjectedPixels> parts;
    std::vector<BlockDecoder::Group> asked;
    for (const Group& group : groups) {
      asked.push_back({&static_cast<const TorchAttention&>(*group.attention).packed, group.cell,
                       static_cast<int64_t>(parts.size()) * low_rows_, group.queries});
      Project(group, parts);
    }
    const at::Tensor colours = block_decoder_->Decode(Joined(parts), asked);
    Store(colours, colours.size(0), rgb);
  }

  // The tensors of up to shape_.groups groups, filled up by repeating the last.
  Call Prepare(absl::Span<const Group> groups) const {
    const int levels = decoder_.config().levels;
    const int64_t n = shape_.groups * shape_.queries;
    const at::Tensor pixel = HostTensor({n, 4}, at::kInt, device_);
    const at::Tensor weight = HostTensor({n, 4}, at::kFloat, device_);
    const at::Tensor cell = HostTensor({n, 2}, at::kFloat, device_);
    const at::Tensor bits = HostTensor({levels, n, 2}, at::kFloat, device_);
    auto* const pixels = pixel.mutable_data_ptr<int32_t>();
    auto* const weights = weight.mutable_data_ptr<float>();
    auto* const cells = cell.mutable_data_ptr<float>();
    auto* const ones = bits.mutable_data_ptr<float>();
    std::vector<ProjectedPixels> parts;
    int64_t first = 0;
    for (int64_t i = 0; i < n; ++i) {
      const Group& group = groups[std::min<size_t>(i / shape_.queries, groups.size() - 1)];
      const size_t q = std::min<size_t>(i % shape_.queries, group.queries.size() - 1);
      if (i % shape_.queries == 0 && i / shape_.queries < static_cast<int64_t>(groups.size())) {
        first = static_cast<int64_t>(parts.size()) * low_rows_;
        Project(group, parts);
      }
      const Query& query = group.queries[q];
      for (int k = 0; k < 4; ++k) {
        pixels[i * 4 + k] = static_cast<int32_t>(first + query.neighbour[k]);
        weights[i * 4 + k] = query.weight[k];
      }
      std::copy(group.cell.begin(), group.cell.end(), cells + i * 2);
      for (int level = 0; level < levels; ++level) {
        ones[(level * n + i) * 2] = static_cast<float>(query.row_bits >> level & 1);
        ones[(level * n + i) * 2 + 1] = static_cast<float>(query.column_bits >> level & 1);
      }
    }
    return {{shape_.groups, ToDevice(pixel, device_).to(at::kLong), ToDevice(weight, device_),
             ToDevice(bits, device_), ToDevice(cell, device_)},
            Joined(parts)};
  }

  at::Tensor Attend(int block, const at::Tensor& x,
                    const std::vector<const Attention*>& groups) const {
    std::vector<at::Tensor> projection, bias;
    for (const Attention* group : groups) {
      const FoldedTensors& folded = static_cast<const TorchAttention&>(*group).folded;
      projection.push_back(folded.projection[block]);
      bias.push_back(folded.bias[block]);
    }
    return decoder_.Attend(block, x, at::stack(projection), at::stack(bias));
  }

  at::Tensor Rows(const float* x, int64_t rows) const {
    return at::from_blob(const_cast<float*>(x), {rows, width()}, at::kFloat).to(device_, type_);
  }

  const Network network_;  // the encoder's parameters
  const FoldedDecoder decoder_;
  const std::unique_ptr<const BlockDecoder> block_decoder_;
  const at::Device device_;
  const bool own_streams_;
  const at::ScalarType type_;
  const CallShape shape_;
  const int64_t low_rows_;
};

absl::StatusOr<at::Device> FindDevice(const std::string& name) {
  if (name == "cpu") return at::Device(at::kCPU);
  absl::string_view number = name;
  int index = 0;
  if (!absl::ConsumePrefix(&number, "cuda") ||
      (!number.empty() &&
       !(absl::ConsumePrefix(&number, ":") && absl::SimpleAtoi(number, &index)))) {
    return absl::InvalidArgumentError(
        absl::StrCat("device \"", name, "\": \"cpu\", \"cuda\" or \"cuda:N\" is needed"));
  }
  if (!at::globalContext().hasCUDA()) {
    return absl::UnimplementedError(
        absl::StrCat("device \"", name,
                     "\" is not there: a build with the preset \"cuda\" and a "
                     "machine with a CUDA driver are needed"));
  }
  const auto devices = static_cast<int>(at::detail::getCUDAHooks().deviceCount());
  if (index < 0 || index >= devices) {
    return absl::UnimplementedError(
        absl::StrCat("device \"", name, "\" is not there: this machine has ", devices));
  }
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> MakeTorchEngine(const Checkpoint& checkpoint,
                                                        Precision precision,
                                                        const std::string& device_name) {
  HIIF_ASSIGN_OR_RETURN(const at::Device device, FindDevice(device_name));
  const ModelConfig& config = checkpoint.config();
  if (config.decoder->points() != nullptr) {
    if (precision != Precision::kAuto && precision != Precision::kFloat32) {
      return absl::UnimplementedError(
          absl::StrCat("the decoder ", config.decoder->name(),
                       " is served in float32 alone: leave the precision at auto"));
    }
    return MakePointEngine(
        checkpoint, absl::StrCat("torch/", device.is_cuda() ? "cuda" : "cpu", "-float32"), device);
  }
  const auto* hiif = config.decoder.hiif();
  if (hiif == nullptr || hiif->ablation != Ablation::kNone) {
    return absl::UnimplementedError(
        "the torch backend serves HIIF without ablations, and no LIIF: leave the backend at auto");
  }
  at::ScalarType type = at::kFloat;
  if (precision == Precision::kFloat16) type = at::kHalf;
  if (precision == Precision::kBFloat16 || (precision == Precision::kAuto && device.is_cuda())) {
    type = at::kBFloat16;
  }
  HIIF_ASSIGN_OR_RETURN(const bool own_streams, OwnStreams(device));
  HIIF_ASSIGN_OR_RETURN(Network network, LoadNetwork(checkpoint));
  HIIF_ASSIGN_OR_RETURN(FoldedHiif folded, FoldedHiif::Create(checkpoint.tensors(), *hiif,
                                                              config.encoder->features()));
  HIIF_ASSIGN_OR_RETURN(auto block_decoder, BlockDecoder::Chosen(folded, device, type));
  std::erase_if(network.parameters, [](const auto& p) { return !p.first.starts_with("encoder."); });
  for (auto& [name, tensor] : network.parameters) {
    tensor = tensor.to(device, type);
    if (tensor.dim() == 4) tensor = tensor.contiguous(at::MemoryFormat::ChannelsLast);
  }
  auto engine = std::make_unique<TorchEngine>(std::move(network), std::move(folded),
                                              std::move(block_decoder), device, own_streams, type);
  Await(device);  // before other streams read the weights
  return engine;
}

}  // namespace hiif
