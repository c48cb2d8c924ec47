// The `torch` backend: model/hiif/folded_tensors.h on a device of LibTorch, on a GPU its decoder as
// one kernel where there is one (block_decoder.h); what is not HIIF by model/engine/points.h.
#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/decoders/decoder.h"
#include "model/engine/block_decoder.h"
#include "model/engine/device.h"
#include "model/engine/device_encoder.h"
#include "model/engine/engines.h"
#include "model/engine/points.h"
#include "model/engine/tensors.h"
#include "model/hiif/folded_tensors.h"
#include "model/hiif/query_tensors.h"
#include "model/layers/layers.h"

namespace hiif {
namespace {

// Kernels may round differently for other row counts, so a call always has `groups` groups of
// `queries` queries, and low-resolution pixels are projected kLowRows at a time; what is missing is
// filled up. 65,536 queries fill a large device, and are a tile of 256 x 256.
constexpr CallShape kCudaShape = {.groups = 16, .queries = 4096, .rows = 64};
// The kernel's rows do not know of each other, so groups have any size: four are such a tile.
constexpr CallShape kBlockShape = {
    .groups = 8, .queries = 16384, .rows = 128, .scattered = 4096, .rectangles = true};
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

std::string IdentityOn(const at::Device& device, absl::string_view arithmetic) {
  if (device.is_cpu()) return HostIdentity(absl::StrCat("torch/cpu-", arithmetic));
  return absl::StrCat("torch/cuda-", arithmetic);
}

class TorchEngine : public Engine {
 public:
  // `block_decoder` decodes; null: layer by layer.
  TorchEngine(Network network, const FoldedHiif& folded,
              std::unique_ptr<BlockDecoder> block_decoder, at::Device device, bool own_streams,
              Recorder recorder, at::ScalarType type)
      : network_(std::move(network)),
        encoder_type_(EncoderType(network_.config, type)),
        encoder_(network_, device, encoder_type_, std::move(recorder)),
        decoder_(folded, device, type),
        block_decoder_(std::move(block_decoder)),
        device_(device),
        own_streams_(own_streams),
        type_(type),
        shape_(block_decoder_ != nullptr ? kBlockShape
               : device.is_cuda()        ? kCudaShape
                                         : kCpuShape),
        low_rows_(device.is_cuda() ? kCudaLowRows : kCpuLowRows) {}

  // What the encoder computes in where the decoder does in `type`.
  static at::ScalarType EncoderType(const ModelConfig& config, at::ScalarType type) {
    return config.encoder->keeps_float32() ? at::kFloat : type;
  }

  std::string Identity() const override {
    return IdentityOn(device_,
                      absl::StrCat(block_decoder_ != nullptr ? "fused-" : "", precision()));
  }
  std::string precision() const override {
    return type_ == at::kFloat ? "float32" : type_ == at::kHalf ? "float16" : "bfloat16";
  }
  CallShape shape() const override { return shape_; }
  int attention_blocks() const override { return decoder_.config().attention_blocks; }

  EngineCost Costs(Grid, Grid) const override {
    const auto value = static_cast<int64_t>(at::elementSize(type_));
    const int64_t channels = network_.config.encoder->features();
    const int64_t width = decoder_.width();
    EngineCost cost = FoldedCost(network_.config);
    cost.weights_bytes = decoder_.weights_bytes() + ParameterBytes(network_.parameters);
    cost.value_bytes = static_cast<int>(at::elementSize(encoder_type_));
    cost.on_device = !device_.is_cpu();
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
    // Layer by layer rows of every query are written.
    cost.call_bytes =
        shape_.groups * shape_.queries * (block_decoder_ != nullptr ? 64 : width * value * 4 + 200);
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
  bool Lost() const override { return IsLost(device_); }
  absl::Status Encode(const RgbImage& image, const EncodingPlan& plan, int block, int threads,
                      const Heartbeat& beat, Latents& any) const override {
    const DeviceCall scope(device_, own_streams_);
    const auto& latents = static_cast<TorchLatents&>(any);
    encoder_.Encode(image, plan, block, threads, beat,
                    latents.codes.view({latents.size.height, latents.size.width, -1}));
    return absl::OkStatus();
  }

  // Nothing of it is waited for.
  std::unique_ptr<Attention> MakeAttention(int64_t count, SampleOf sample,
                                           const Heartbeat& beat) const override {
    const DeviceCall scope(device_, own_streams_);
    auto attention = std::make_unique<TorchAttention>();
    std::vector<at::Tensor> parts;  // rows of the sample
    for (int64_t begin = 0; begin < count; begin += shape_.anywhere()) {
      Beat(beat);
      const Group group = sample(begin, std::min(shape_.anywhere(), count - begin));
      if (block_decoder_ != nullptr) {
        parts.push_back(block_decoder_->Begin(AsBlock(group)));
        continue;
      }
      const Call call = Prepare({&group, 1}, 1, group.size());
      parts.push_back(decoder_.Begin(call.pixels, call.queries));
    }
    const std::vector<const Attention*> one = {attention.get()};
    for (int block = 0; block < attention_blocks(); ++block) {
      at::Tensor sum = decoder_.ContextSum(block, parts[0]).to(at::kDouble);
      for (size_t i = 1; i < parts.size(); ++i) {
        Beat(beat);
        sum += decoder_.ContextSum(block, parts[i]);
      }
      FoldedTensors& folded = attention->folded;
      decoder_.Fold(sum / static_cast<double>(count), folded);
      if (block_decoder_ != nullptr) {
        block_decoder_->Fold(folded.projection.back(), folded.bias.back(), attention->packed);
      }
      if (block + 1 == attention_blocks()) break;
      for (at::Tensor& part : parts) {
        Beat(beat);
        part = Attend(block, part, one);
      }
    }
    return attention;
  }

  void Decode(absl::Span<const Group> groups, float* rgb) const override {
    const DeviceCall scope(device_, own_streams_);
    if (block_decoder_ != nullptr) return DecodeBlocks(groups, rgb);
    const Call call = Prepare(groups, shape_.groups, shape_.queries);
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

  // Each of the groups' pixels, one group's behind the other's.
  ProjectedPixels Project(absl::Span<const Group> groups) const {
    int64_t count = 0;
    for (const Group& group : groups) count += std::ssize(group.pixels);
    const int64_t padded = (count + low_rows_ - 1) / low_rows_ * low_rows_;
    const at::Tensor pixels = HostTensor({padded}, at::kInt, device_);
    auto* const values = pixels.mutable_data_ptr<PixelIndex>();
    auto* next = values;
    for (const Group& group : groups) {
      next = std::copy(group.pixels.begin(), group.pixels.end(), next);
    }
    std::fill(next, values + padded, 0);
    const at::Tensor index = ToDevice(pixels, device_).to(at::kLong);
    std::vector<at::Tensor> patches;  // of groups in a row that are of one image
    int64_t begin = 0;
    for (size_t i = 0; i < groups.size();) {
      const auto& latents = static_cast<const TorchLatents&>(*groups[i].latents);
      int64_t end = begin;
      for (; i < groups.size() && groups[i].latents == &latents; ++i) {
        end += std::ssize(groups[i].pixels);
      }
      if (i == groups.size()) end = padded;
      patches.push_back(Neighbourhoods(latents.codes, index.slice(0, begin, end), latents.size));
      begin = end;
    }
    return decoder_.Project(patches.size() == 1 ? patches[0] : at::cat(patches), low_rows_);
  }

  static BlockDecoder::Group AsBlock(const Group& group) {
    const auto& latents = static_cast<const TorchLatents&>(*group.latents);
    const auto* attention = static_cast<const TorchAttention*>(group.attention);
    return {
        &latents.codes, latents.size,  group.pixels,    attention ? &attention->packed : nullptr,
        group.cell,     group.queries, group.positions, group.region};
  }

  // By the one kernel, whose rows do not know of each other: nothing is filled up.
  void DecodeBlocks(absl::Span<const Group> groups, float* rgb) const {
    std::vector<BlockDecoder::Group> asked;
    for (const Group& group : groups) asked.push_back(AsBlock(group));
    const at::Tensor colours = block_decoder_->Decode(asked);
    Store(colours, colours.size(0), rgb);
  }

  // The tensors of `count` groups of `each` queries, filled up by repeating the last.
  Call Prepare(absl::Span<const Group> groups, int64_t count, int64_t each) const {
    const int levels = decoder_.config().levels;
    const int64_t n = count * each;
    const at::Tensor pixel = HostTensor({n, 4}, at::kInt, device_);
    const at::Tensor weight = HostTensor({n, 4}, at::kFloat, device_);
    const at::Tensor cell = HostTensor({n, 2}, at::kFloat, device_);
    const at::Tensor bits = HostTensor({levels, n, 2}, at::kFloat, device_);
    auto* const pixels = pixel.mutable_data_ptr<int32_t>();
    auto* const weights = weight.mutable_data_ptr<float>();
    auto* const cells = cell.mutable_data_ptr<float>();
    auto* const ones = bits.mutable_data_ptr<float>();
    int64_t first = 0;
    for (int64_t i = 0; i < n; ++i) {
      const size_t g = std::min<size_t>(i / each, groups.size() - 1);
      const Group& group = groups[g];
      const size_t q = std::min<size_t>(i % each, group.queries.size() - 1);
      if (i % each == 0 && g > 0 && i / each < std::ssize(groups)) {
        first += std::ssize(groups[g - 1].pixels);
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
    return {{count, ToDevice(pixel, device_).to(at::kLong), ToDevice(weight, device_),
             ToDevice(bits, device_), ToDevice(cell, device_)},
            Project(groups)};
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

  const Network network_;  // the encoder's parameters
  const at::ScalarType encoder_type_;
  const DeviceEncoder encoder_;
  const FoldedDecoder decoder_;
  const std::unique_ptr<const BlockDecoder> block_decoder_;
  const at::Device device_;
  const bool own_streams_;
  const at::ScalarType type_;
  const CallShape shape_;
  const int64_t low_rows_;
};

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
    return MakePointEngine(checkpoint, IdentityOn(device, "float32"), device);
  }
  const auto* hiif = config.decoder.hiif();
  if (hiif == nullptr || hiif->ablation != Ablation::kNone) {
    return absl::UnimplementedError(absl::StrCat(
        "the torch backend serves HIIF without ablations, and no LIIF: ",
        device.is_cpu() ? "leave backend and precision at auto" : "serve it with the device cpu"));
  }
  at::ScalarType type = at::kFloat;
  if (precision == Precision::kFloat16) type = at::kHalf;
  if (precision == Precision::kBFloat16 || (precision == Precision::kAuto && device.is_cuda())) {
    type = at::kBFloat16;
  }
  if (device.is_cuda()) at::globalContext().setAllowTF32CuDNN(false);  // float32 is float32
  HIIF_ASSIGN_OR_RETURN(const bool own_streams, OwnStreams(device));
  HIIF_ASSIGN_OR_RETURN(Recorder recorder, CudaRecorder(device));
  HIIF_ASSIGN_OR_RETURN(Network network, LoadNetwork(checkpoint));
  HIIF_ASSIGN_OR_RETURN(const FoldedHiif folded, FoldedHiif::Create(checkpoint.tensors(), *hiif,
                                                                    config.encoder->features()));
  HIIF_ASSIGN_OR_RETURN(auto block_decoder, BlockDecoder::Chosen(folded, device, type));
  std::erase_if(network.parameters, [](const auto& p) { return !p.first.starts_with("encoder."); });
  for (auto& [name, tensor] : network.parameters) {
    tensor = tensor.to(device, TorchEngine::EncoderType(config, type));
    if (tensor.dim() == 4) tensor = tensor.contiguous(at::MemoryFormat::ChannelsLast);
  }
  auto engine = std::make_unique<TorchEngine>(std::move(network), folded, std::move(block_decoder),
                                              device, own_streams, std::move(recorder), type);
  Await(device);  // before other streams read the weights
  return engine;
}

}  // namespace hiif
