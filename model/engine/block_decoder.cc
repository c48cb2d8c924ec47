#include "model/engine/block_decoder.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/engine/device.h"
#include "model/engine/upload.h"
#include "model/kernels/cuda/host_block.h"

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

DecoderQuery Asked(const Query& query) {
  DecoderQuery out;
  std::copy(query.neighbour.begin(), query.neighbour.end(), out.pixel);
  std::copy(query.weight.begin(), query.weight.end(), out.weight);
  out.row_bits = query.row_bits;
  out.column_bits = query.column_bits;
  return out;
}

// Entries [begin, begin + count) of a table. A neighbour's place is `step` for each pixel behind
// the first neighbour.
void WriteAxis(const AxisTable& axis, int64_t begin, int64_t count, int64_t step,
               DecoderAxis* out) {
  for (int64_t i = begin; i < begin + count; ++i, ++out) {
    for (int side = 0; side < 2; ++side) {
      out->place[side] = static_cast<int32_t>((axis.index[side][i] - axis.index[0][begin]) * step);
      // EnsembleWeights(): in the reference's mode the area to the opposite neighbour.
      out->part[side] = axis.mode == CoordinateMode::kReference
                            ? std::fabs(axis.distance[1 - side][i])
                        : side == 0 ? 1.0f - axis.local[i]
                                    : axis.local[i];
    }
    out->bits = axis.packed_bits(i);
  }
}

int64_t Neighbours(const AxisTable& axis, int64_t begin, int64_t count) {
  return axis.index[1][begin + count - 1] - axis.index[0][begin] + 1;
}

// Blocks of as many rows as the kernels for a GPU have: f(block of Project, block of Decode).
template <int width, class F>
auto OfType(at::ScalarType type, const F& f) {
  if (type == at::kFloat) return f(HostBlock<float, width, 1>(), HostBlock<float, width, 2>());
  if (type == at::kHalf) return f(HostBlock<at::Half, width, 2>(), HostBlock<at::Half, width, 4>());
  return f(HostBlock<at::BFloat16, width, 2>(), HostBlock<at::BFloat16, width, 4>());
}
template <class F>
auto OfWidth(int width, at::ScalarType type, const F& f) {
  return width == 96 ? OfType<96>(type, f) : OfType<256>(type, f);
}

int PatchInputs(int channels, at::ScalarType type) {
  const int depth = kernels::TileDepth(static_cast<int>(at::elementSize(type)));
  return (9 * channels + depth - 1) / depth * depth;
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
  const int patch = PatchInputs(folded.latent_channels, type);
  const int bytes = OfWidth(config.width, type, [&](const auto& project, const auto&) {
    return kernels::ProjectorBytes<std::decay_t<decltype(project)>>(patch);
  });
  if (bytes > kernels::kBlockBytes) {
    return absl::UnimplementedError(absl::StrCat("there is no fused kernel for an encoder of ",
                                                 folded.latent_channels, " channels"));
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
  HIIF_ASSIGN_OR_RETURN(const absl::string_view chosen,
                        ChosenByEnvironment("HIIF_CUDA_DECODER", "layers", "fused"));
  if (chosen == "layers" || (chosen.empty() && device.is_cpu())) return nullptr;
  auto made = Create(folded, device, type);
  if (chosen.empty() && absl::IsUnimplemented(made.status())) return nullptr;
  return made;
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
  weights_.channels = folded.latent_channels;
  weights_.patch_inputs = PatchInputs(folded.latent_channels, type_);
  weights_.features = width_;
  const at::Tensor freq = Matrix(folded.freq, width_).t();
  weights_.freq =
      packed(at::constant_pad_nd(freq, {0, 0, 0, weights_.patch_inputs - freq.size(0)}));
  // As features of LibTorch's layers have it.
  weights_.freq_bias = precise(Matrix(folded.freq_bias, 1).to(type_));
  const at::Tensor slots = Matrix(folded.Slots(Centred(folded.levels[0])), 4 * width_);
  for (int slot = 0; slot < 4; ++slot) {
    weights_.slots[slot] = packed(slots.slice(0, slot * width_, (slot + 1) * width_).t());
  }
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
  // kernels::PlaceInTile().
  const int64_t depth = kernels::TileDepth(static_cast<int>(at::elementSize(type_)));
  return matrix.reshape({matrix.size(0) / depth, 2, 4, depth / 8, width_ / kernels::kTile, 2, 8})
      .permute({0, 4, 6, 2, 5, 1, 3})
      .contiguous();
}

void BlockDecoder::Fold(const at::Tensor& projection, const at::Tensor& bias,
                        Attention& attention) const {
  attention.projection.push_back(Pack(projection));
  attention.bias.push_back(bias.to(at::kFloat).flatten());
}

at::Tensor BlockDecoder::Decode(absl::Span<const Group> groups) const {
  int64_t count = 0;
  for (const Group& group : groups) count += group.count();
  at::Tensor rgb = at::empty({count, 3}, at::TensorOptions().device(device_).dtype(at::kFloat));
  Run(groups, /*begin=*/false, rgb);
  return rgb;
}

at::Tensor BlockDecoder::Begin(const Group& group) const {
  at::Tensor rows =
      at::empty({group.count(), width_}, at::TensorOptions().device(device_).dtype(type_));
  Run({&group, 1}, /*begin=*/true, rows);
  return rows;
}

void BlockDecoder::Run(absl::Span<const Group> groups, bool begin, at::Tensor& out) const {
  int64_t pixels = 0;
  Upload upload(device_);
  struct Places {
    size_t pixels, queries, rows, columns;
  };
  std::vector<Places> places;
  kernels::DecoderLaunch launch;
  for (const Group& group : groups) {
    pixels += std::ssize(group.pixels);
    launch.largest_group = std::max(launch.largest_group, group.count());
    launch.largest_pixels = std::max<int64_t>(launch.largest_pixels, std::ssize(group.pixels));
    places.push_back({upload.Add<int32_t>(std::ssize(group.pixels)),
                      upload.Add<DecoderQuery>(std::ssize(group.queries)),
                      upload.Add<DecoderAxis>(group.region.height),
                      upload.Add<DecoderAxis>(group.region.width)});
  }
  const size_t tables = upload.Add<DecoderGroup>(std::ssize(groups));
  upload.Allocate();
  const at::Tensor slots =
      at::empty({pixels * 4, width_}, at::TensorOptions().device(device_).dtype(type_));
  const at::Tensor sums =
      at::empty({2, pixels}, at::TensorOptions().device(device_).dtype(at::kFloat));
  const auto value_bytes = static_cast<int64_t>(at::elementSize(type_));
  const int64_t out_bytes = begin ? width_ * value_bytes : 3 * static_cast<int64_t>(sizeof(float));
  auto* next_slots = static_cast<std::byte*>(slots.mutable_data_ptr());
  auto* next_out = static_cast<std::byte*>(out.mutable_data_ptr());
  float* next_sum = sums.mutable_data_ptr<float>();
  for (size_t i = 0; i < groups.size(); ++i) {
    const Group& group = groups[i];
    const Region& r = group.region;
    const Places& at = places[i];
    DecoderGroup table;
    table.codes = group.codes->const_data_ptr();
    table.height = static_cast<int32_t>(group.size.height);
    table.width = static_cast<int32_t>(group.size.width);
    std::copy(group.pixels.begin(), group.pixels.end(), upload.Host<int32_t>(at.pixels));
    table.pixels = upload.There<int32_t>(at.pixels);
    table.pixel_count = std::ssize(group.pixels);
    table.slots = next_slots;
    next_slots += table.pixel_count * 4 * width_ * value_bytes;
    table.sum = next_sum;
    table.sum_squares = next_sum + pixels;
    next_sum += table.pixel_count;
    table.count = group.count();
    if (r.pixels() == 0) {
      std::transform(group.queries.begin(), group.queries.end(),
                     upload.Host<DecoderQuery>(at.queries), Asked);
      table.queries = upload.There<DecoderQuery>(at.queries);
    } else {
      const auto& [rows, columns, cell, grid, row_pixels, column_pixels] = *group.positions;
      WriteAxis(rows, r.y, r.height, Neighbours(columns, r.x, r.width),
                upload.Host<DecoderAxis>(at.rows));
      WriteAxis(columns, r.x, r.width, 1, upload.Host<DecoderAxis>(at.columns));
      table.rows = upload.There<DecoderAxis>(at.rows);
      table.columns = upload.There<DecoderAxis>(at.columns);
      table.row_length = static_cast<uint32_t>(r.width);
      if (rows.mode == CoordinateMode::kReference) table.added = 1e-9f;
    }
    std::copy(group.cell.begin(), group.cell.end(), table.cell);
    for (int k = 0; k < weights_.attention_blocks && !begin; ++k) {
      table.projection[k] = group.attention->projection[k].const_data_ptr();
      table.bias[k] = group.attention->bias[k].const_data_ptr<float>();
    }
    if (begin) {
      table.rows_out = next_out;
    } else {
      table.rgb = reinterpret_cast<float*>(next_out);
    }
    next_out += table.count * out_bytes;
    upload.Host<DecoderGroup>(tables)[i] = table;
  }
  upload.Send();
  launch.groups = upload.There<DecoderGroup>(tables);
  launch.group_count = static_cast<int>(groups.size());
  Launch(launch);
}

void BlockDecoder::Launch(const kernels::DecoderLaunch& launch) const {
  if (device_.is_cpu()) {
    OfWidth(width_, type_, [&](const auto& project, const auto& decode) {
      kernels::ProjectOnHost<std::decay_t<decltype(project)>>(weights_, launch.groups,
                                                              launch.group_count);
      kernels::DecodeOnHost<std::decay_t<decltype(decode)>>(weights_, launch.groups,
                                                            launch.group_count);
      return 0;
    });
    return;
  }
#ifdef HIIF_CUDA_KERNELS
  kernels::DecoderLaunch there = launch;
  there.value = type_ == at::kFloat  ? kernels::DecoderValue::kFloat32
                : type_ == at::kHalf ? kernels::DecoderValue::kFloat16
                                     : kernels::DecoderValue::kBFloat16;
  there.width = width_;
  there.device = device_.index();
  there.weights = weights_;
  there.stream = StreamOf(device_);
  const std::string error = kernels::LaunchDecoder(there);
  TORCH_CHECK(error.empty(), "the fused kernel: ", error);
#endif
}

}  // namespace hiif
