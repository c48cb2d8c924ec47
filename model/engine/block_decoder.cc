#include "model/engine/block_decoder.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/engine/device.h"
#include "model/kernels/cuda/host_block.h"
#include "model/kernels/cuda/launch.h"

namespace hiif {
namespace {

using kernels::DecoderAxis;
using kernels::DecoderGroup;
using kernels::DecoderQuery;
using kernels::HostBlock;

at::Tensor Matrix(const std::vector<float>& values, int64_t rows) {
  return at::from_blob(const_cast<float*>(values.data()),
                       {rows, static_cast<int64_t>(values.size()) / rows}, at::kFloat)
      .clone();
}

// Plain structs that go to a device: `count` of them on the host, for Of<T>().
template <class T>
at::Tensor HostStructs(int64_t count, const at::Device& device) {
  return HostTensor({count * static_cast<int64_t>(sizeof(T))}, at::kByte, device);
}
template <class T>
T* Of(const at::Tensor& structs) {
  return static_cast<T*>(structs.mutable_data_ptr());
}

DecoderQuery Asked(const Query& query, int64_t first_pixel) {
  DecoderQuery out;
  for (int k = 0; k < 4; ++k) {
    out.pixel[k] = static_cast<int32_t>(first_pixel + query.neighbour[k]);
    out.weight[k] = query.weight[k];
  }
  out.row_bits = query.row_bits;
  out.column_bits = query.column_bits;
  return out;
}

// Entries [begin, begin + count) of a table. A neighbour's place is `first`, and `step` for each
// pixel behind the first neighbour.
void AddAxis(const AxisTable& axis, int64_t begin, int64_t count, int64_t first, int64_t step,
             DecoderAxis* out) {
  for (int64_t i = begin; i < begin + count; ++i, ++out) {
    for (int side = 0; side < 2; ++side) {
      out->place[side] =
          static_cast<int32_t>(first + (axis.index[side][i] - axis.index[0][begin]) * step);
      // EnsembleWeights(): in the reference's mode the area to the opposite neighbour.
      out->part[side] = axis.mode == CoordinateMode::kReference
                            ? std::fabs(axis.distance[1 - side][i])
                        : side == 0 ? 1.0f - axis.local[i]
                                    : axis.local[i];
    }
    out->bits = axis.packed_bits(i);
  }
}

// As many rows as the kernels for a GPU have.
template <int width>
void RunOnHost(const kernels::DecoderWeights& weights, at::ScalarType type,
               const DecoderGroup* groups, int count) {
  if (type == at::kFloat) {
    kernels::DecodeOnHost<HostBlock<float, width, 2>>(weights, groups, count);
  } else if (type == at::kHalf) {
    kernels::DecodeOnHost<HostBlock<at::Half, width, 4>>(weights, groups, count);
  } else {
    kernels::DecodeOnHost<HostBlock<at::BFloat16, width, 4>>(weights, groups, count);
  }
}

}  // namespace

int64_t BlockDecoder::Attention::bytes() const {
  size_t bytes = 0;
  for (const at::Tensor& block : projection) bytes += block.nbytes();
  for (const at::Tensor& block : bias) bytes += block.nbytes();
  return static_cast<int64_t>(bytes);
}

absl::StatusOr<std::unique_ptr<BlockDecoder>> BlockDecoder::Create(const FoldedHiif& folded,
                                                                   at::Device device,
                                                                   at::ScalarType type) {
  const HiifConfig& config = folded.config;
  if (!kernels::DecoderHasWidth(config.width) || config.levels > kernels::kMaxLevels ||
      config.attention_blocks > kernels::kMaxAttention) {
    return absl::UnimplementedError(absl::StrCat("there is no fused kernel for a decoder of width ",
                                                 config.width, ", ", config.levels, " levels and ",
                                                 config.attention_blocks, " attention blocks"));
  }
#ifndef HIIF_CUDA_KERNELS
  if (!device.is_cpu()) {
    return absl::UnimplementedError(
        "this build has no kernels for a GPU: configure with a CUDA compiler");
  }
#endif
  return std::unique_ptr<BlockDecoder>(new BlockDecoder(folded, device, type));
}

absl::StatusOr<std::unique_ptr<BlockDecoder>> BlockDecoder::Chosen(const FoldedHiif& folded,
                                                                   at::Device device,
                                                                   at::ScalarType type) {
  const char* name = std::getenv("HIIF_CUDA_DECODER");
  const absl::string_view chosen = name == nullptr ? "" : name;
  if (chosen.empty() || chosen == "layers") return nullptr;
  if (chosen != "fused") {
    return absl::InvalidArgumentError(
        absl::StrCat("HIIF_CUDA_DECODER: \"", chosen, "\" is neither layers nor fused"));
  }
  return Create(folded, device, type);
}

BlockDecoder::BlockDecoder(const FoldedHiif& folded, at::Device device, at::ScalarType type)
    : device_(device), type_(type), width_(folded.config.width) {
  const HiifConfig& config = folded.config;
  const auto packed = [&](const at::Tensor& matrix) {
    return Keep(Pack(matrix.to(device_, type_)));
  };
  const auto precise = [&](const at::Tensor& values) {
    return static_cast<const float*>(Keep(values.to(device_, at::kFloat).contiguous()));
  };
  weights_.levels = config.levels;
  weights_.attention_blocks = config.attention_blocks;
  for (int i = 0; i < config.levels; ++i) {
    const FoldedLevel& from = folded.levels[i];
    kernels::DecoderLevel& level = weights_.level[i];
    const at::Tensor fc1 = Matrix(Centred(from), width_).t();  // (inputs,width)
    const int64_t inputs = from.inputs;
    at::Tensor extra = at::zeros({5, width_});
    extra.slice(0, 0, 2).copy_(fc1.slice(0, inputs - 2));
    if (i == 0) extra.slice(0, 2, 4).copy_(fc1.slice(0, 4 * width_, 4 * width_ + 2));
    extra[4].copy_(Matrix(from.bias, 1)[0]);
    level.extra = precise(extra);
    if (i > 0) level.fc1 = packed(fc1.slice(0, 0, width_));
    const at::Tensor fc2 = Matrix(from.fc2, static_cast<int64_t>(from.fc2_bias.size()));
    const float* bias = precise(Matrix(from.fc2_bias, 1));
    if (i + 1 < config.levels) {
      level.fc2 = packed(fc2.t());
      level.fc2_bias = bias;
    } else {
      weights_.rgb = precise(fc2);
      weights_.rgb_bias = bias;
    }
  }
  for (int i = 0; i < config.attention_blocks; ++i) {
    weights_.proj2[i] = packed(Matrix(folded.attention[i].proj2, width_).t());
    weights_.proj2_bias[i] = precise(Matrix(folded.attention[i].proj2_bias, 1));
  }
}

const void* BlockDecoder::Keep(at::Tensor tensor) {
  kept_.push_back(std::move(tensor));
  return kept_.back().const_data_ptr();
}

int64_t BlockDecoder::weights_bytes() const {
  size_t bytes = 0;
  for (const at::Tensor& tensor : kept_) bytes += tensor.nbytes();
  return static_cast<int64_t>(bytes);
}

at::Tensor BlockDecoder::Pack(const at::Tensor& matrix) const {
  const int64_t depth = kernels::TileDepth(static_cast<int>(at::elementSize(type_)));
  return matrix.reshape({width_ / depth, depth, width_ / kernels::kTile, kernels::kTile})
      .permute({0, 2, 3, 1})
      .contiguous();
}

void BlockDecoder::Fold(const at::Tensor& projection, const at::Tensor& bias,
                        Attention& attention) const {
  attention.projection.push_back(Pack(projection));
  attention.bias.push_back(bias.to(at::kFloat).flatten());
}

at::Tensor BlockDecoder::Decode(const ProjectedPixels& pixels,
                                absl::Span<const Group> groups) const {
  int64_t count = 0;
  int64_t largest = 0;
  int64_t scattered = 0;
  int64_t entries = 0;
  for (const Group& group : groups) {
    count += group.size();
    largest = std::max(largest, group.size());
    scattered += std::ssize(group.queries);
    entries += group.region.height + group.region.width;
  }
  const at::Tensor queries = HostStructs<DecoderQuery>(scattered, device_);
  const at::Tensor axes = HostStructs<DecoderAxis>(entries, device_);
  auto* query = Of<DecoderQuery>(queries);
  auto* axis = Of<DecoderAxis>(axes);
  for (const Group& group : groups) {
    for (const Query& each : group.queries) *query++ = Asked(each, group.first_pixel);
    const Region& r = group.region;
    if (r.pixels() == 0) continue;
    const AxisTable& columns = group.positions->columns;
    const int64_t stride = columns.index[1][r.x + r.width - 1] - columns.index[0][r.x] + 1;
    AddAxis(group.positions->rows, r.y, r.height, group.first_pixel, stride, axis);
    AddAxis(columns, r.x, r.width, 0, 1, axis + r.height);
    axis += r.height + r.width;
  }
  const at::Tensor asked = ToDevice(queries, device_);
  const at::Tensor entered = ToDevice(axes, device_);
  const auto* next_query = static_cast<const DecoderQuery*>(asked.const_data_ptr());
  const auto* next_axis = static_cast<const DecoderAxis*>(entered.const_data_ptr());
  at::Tensor rgb = at::empty({count, 3}, at::TensorOptions().device(device_).dtype(at::kFloat));
  float* next_rgb = rgb.mutable_data_ptr<float>();
  const at::Tensor tables = HostStructs<DecoderGroup>(static_cast<int64_t>(groups.size()), device_);
  auto* entry = Of<DecoderGroup>(tables);
  for (const Group& group : groups) {
    DecoderGroup table;
    table.slots = pixels.slots.const_data_ptr();
    table.sum = pixels.sum.const_data_ptr<float>();
    table.sum_squares = pixels.sum_squares.const_data_ptr<float>();
    table.count = group.size();
    if (group.region.pixels() == 0) {
      table.queries = next_query;
      next_query += table.count;
    } else {
      table.rows = next_axis;
      table.columns = next_axis + group.region.height;
      table.row_length = static_cast<uint32_t>(group.region.width);
      if (group.positions->rows.mode == CoordinateMode::kReference) table.added = 1e-9f;
      next_axis += group.region.height + group.region.width;
    }
    std::copy(group.cell.begin(), group.cell.end(), table.cell);
    for (int i = 0; i < weights_.attention_blocks; ++i) {
      table.projection[i] = group.attention->projection[i].const_data_ptr();
      table.bias[i] = group.attention->bias[i].const_data_ptr<float>();
    }
    table.rgb = next_rgb;
    next_rgb += table.count * 3;
    *entry++ = table;
  }
  Launch(ToDevice(tables, device_), static_cast<int>(groups.size()), largest);
  return rgb;
}

void BlockDecoder::Launch(const at::Tensor& groups, int count, int64_t largest) const {
  const auto* table = static_cast<const DecoderGroup*>(groups.const_data_ptr());
  if (device_.is_cpu()) {
    if (width_ == 96) {
      RunOnHost<96>(weights_, type_, table, count);
    } else {
      RunOnHost<256>(weights_, type_, table, count);
    }
    return;
  }
#ifdef HIIF_CUDA_KERNELS
  kernels::DecoderLaunch launch;
  launch.value = type_ == at::kFloat  ? kernels::DecoderValue::kFloat32
                 : type_ == at::kHalf ? kernels::DecoderValue::kFloat16
                                      : kernels::DecoderValue::kBFloat16;
  launch.width = width_;
  launch.device = device_.index();
  launch.weights = weights_;
  launch.groups = table;
  launch.group_count = count;
  launch.largest_group = largest;
  launch.stream = StreamOf(device_);
  const std::string error = kernels::LaunchDecoder(launch);
  TORCH_CHECK(error.empty(), "the fused kernel: ", error);
#else
  (void)largest;
#endif
}

}  // namespace hiif
