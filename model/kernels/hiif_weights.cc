// What HiifDecoder packs when a model is loaded.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "model/hiif/weight_algebra.h"
#include "model/kernels/hiif_decoder.h"

namespace hiif::kernels {

using namespace algebra;  // NOLINT(google-build-using-namespace): this file is written in it

absl::StatusOr<std::unique_ptr<HiifDecoder>> HiifDecoder::Create(const FoldedHiif& folded,
                                                                 Number number) {
  const HiifConfig& config = folded.config;
  if (config.width % (2 * kPanelColumns) != 0 || config.levels < 2) {
    return absl::UnimplementedError(
        absl::StrCat("the fused decoder takes widths that are multiples of ", 2 * kPanelColumns,
                     " and at least 2 levels"));
  }
  auto decoder = std::unique_ptr<HiifDecoder>(new HiifDecoder);
  HiifDecoder& self = *decoder;
  const int width = self.width_ = config.width;
  self.levels_ = config.levels;
  self.heads_ = config.heads;
  self.latent_channels_ = folded.latent_channels;
  self.number_ = number;
  const int patch = 9 * folded.latent_channels;
  self.freq_ = PackedMatrix(folded.freq, width, patch, patch, number);
  self.freq_bias_ = folded.freq_bias;

  const FoldedLevel& first = folded.levels[0];
  self.level0_ = PackedMatrix(folded.Slots(first.fc1), 4 * width, width, width, number);
  self.zero_bias_.assign(4 * width, 0.0f);
  for (int i = 0; i < 4; ++i) {
    self.level0_inputs_[i].assign(width, 0.0f);
    AddColumn(first.fc1, first.inputs, int64_t{4} * width + i, 1.0f, self.level0_inputs_[i]);
  }
  self.fc2_ = PackedMatrix(first.fc2, width, width, width, number);
  self.fc2_bias_ = first.fc2_bias;
  self.mlps_.resize(config.levels);
  for (int level = 0; level < config.levels; ++level) {
    self.PackLevel(folded.levels[level], level > 1 ? &folded.levels[level - 1] : nullptr,
                   self.mlps_[level]);
    if (level == 1) {
      self.mlps_[1].fc1 =
          PackedMatrix(folded.levels[1].fc1, width, width, folded.levels[1].inputs, number);
    }
  }
  self.rgb_ = folded.levels.back().fc2;
  std::copy_n(folded.levels.back().fc2_bias.begin(), 3, self.rgb_bias_.begin());

  self.folded_ = folded.attention;
  for (FoldedAttention& attention : self.folded_) {
    self.attention_.push_back({PackedMatrix(attention.kv, 2 * width, width, width, number),
                               PackedMatrix(attention.proj2, width, width, width, number)});
    attention.kv = {};
    attention.proj2 = {};
  }
  return decoder;
}

// `before`: the level whose fc2 is folded in.
void HiifDecoder::PackLevel(const FoldedLevel& level, const FoldedLevel* before, Mlp& mlp) const {
  mlp.bias = level.bias;
  mlp.column_sum = level.column_sum;
  for (int bits = 0; bits < 4; ++bits) {
    mlp.bits_extra[bits].assign(width_, 0.0f);
    for (const int axis : {0, 1}) {  // row, column
      if ((bits >> (1 - axis) & 1) == 0) continue;
      AddColumn(level.fc1, level.inputs, level.inputs - 2 + axis, 1.0f, mlp.bits_extra[bits]);
    }
  }
  if (before == nullptr) return;
  // fc1 on the fc2 of the level before is one matrix, whose bias joins that of the bits.
  const std::vector<float> own = FirstColumns(level.fc1, level.inputs, width_);
  mlp.fc1 = PackedMatrix(MatrixProduct(own, before->fc2, width_), width_, width_, width_, number_);
  const std::vector<float> shift = Times(own, before->fc2_bias);
  for (std::vector<float>& extra : mlp.bits_extra) extra = Plus(extra, shift);
  const std::vector<float> ones(width_, 1.0f);
  mlp.norm.sum_weights = LeftTimes(ones, before->fc2);
  mlp.norm.sum = LeftTimes(ones, before->fc2_bias)[0];
  Triangle triangle = Triangulate(before->fc2, before->fc2_bias);
  mlp.norm.triangle = PackedMatrix(triangle.matrix, width_, width_, width_, number_);
  mlp.norm.bias = std::move(triangle.bias);
  mlp.norm.sum_squares = triangle.rest;
}

int64_t HiifDecoder::weights_bytes() const {
  int64_t bytes = freq_.bytes() + level0_.bytes() + fc2_.bytes();
  for (const Mlp& mlp : mlps_) bytes += mlp.fc1.bytes() + mlp.norm.triangle.bytes();
  for (const Attention& attention : attention_) {
    bytes += attention.kv.bytes() + attention.proj2.bytes();
  }
  for (const FoldedAttention& attention : folded_) {
    bytes +=
        static_cast<int64_t>((attention.query.size() + attention.proj1.size()) * sizeof(float));
  }
  return bytes;
}

}  // namespace hiif::kernels
