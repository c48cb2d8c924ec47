// The attention context of HiifDecoder.
#include <algorithm>
#include <cmath>

#include "model/kernels/hiif_decoder.h"
#include "model/kernels/workspace.h"

namespace hiif::kernels {
namespace {

constexpr float kNormEpsilon = 1e-5f;

// LayerNorm over each head's d values, in place.
void NormaliseHead(float* values, int d, const float* weight, const float* bias) {
  float mean = 0;
  for (int i = 0; i < d; ++i) mean += values[i];
  mean /= static_cast<float>(d);
  float variance = 0;
  for (int i = 0; i < d; ++i) variance += (values[i] - mean) * (values[i] - mean);
  const float scale = 1.0f / std::sqrt(variance / static_cast<float>(d) + kNormEpsilon);
  for (int i = 0; i < d; ++i) values[i] = (values[i] - mean) * scale * weight[i] + bias[i];
}

// Calls f(begin, rows) for blocks of at most kBlockRows.
template <class F>
void ForEachBlock(int64_t rows, const F& f) {
  for (int64_t begin = 0; begin < rows; begin += kBlockRows) {
    f(begin, std::min<int64_t>(kBlockRows, rows - begin));
  }
}

}  // namespace

void HiifDecoder::Begin(const LatentTable& table, absl::Span<const Query> queries,
                        std::array<float, 2> cell, Workspace& workspace, float* x) const {
  SetCell(cell, workspace);
  ForEachBlock(static_cast<int64_t>(queries.size()), [&](int64_t begin, int64_t rows) {
    BeginBlock(table, queries.subspan(begin, rows), workspace);
    std::copy_n(workspace.x.data(), rows * width_, x + begin * width_);
  });
}

std::vector<double> HiifDecoder::ContextSum(int block, const float* x, int64_t rows,
                                            Workspace& workspace) const {
  std::vector<double> sum(static_cast<size_t>(width_) * (width_ / heads_), 0.0);
  ForEachBlock(rows, [&](int64_t begin, int64_t count) {
    AddKeyValues(block, x + begin * width_, count, workspace, sum);
  });
  return sum;
}

void HiifDecoder::Fold(absl::Span<const double> kv, FoldedBlocks& blocks) const {
  FoldedProjection projection = FoldContext(folded_[blocks.size()], heads_, kv);
  blocks.push_back({PackedMatrix(projection.matrix, width_, width_, width_, number_),
                    std::move(projection.bias)});
}

void HiifDecoder::Attend(int block, const FoldedBlocks& blocks, int64_t rows, Workspace& workspace,
                         float* x) const {
  ForEachBlock(rows, [&](int64_t begin, int64_t count) {
    workspace.Load(x + begin * width_, count);
    AttendBlock(block, blocks, PadRows(count), /*statistics=*/false, workspace);
    std::copy_n(workspace.x.data(), count * width_, x + begin * width_);
  });
}

void HiifDecoder::AddKeyValues(int block, const float* x, int64_t rows, Workspace& workspace,
                               std::vector<double>& kv_sum) const {
  const FoldedAttention& attention = folded_[block];
  const int d = width_ / heads_;
  const int64_t padded = PadRows(rows);
  workspace.Load(x, rows);
  MultiplyBias(
      {&attention_[block].kv, padded, workspace.packed.data(), workspace.kv.data(), 2 * width_},
      attention.kv_bias.data(), {});
  std::vector<float> block_sum(kv_sum.size(), 0.0f);
  for (int64_t i = 0; i < rows; ++i) {
    for (int head = 0; head < heads_; ++head) {
      float* k = workspace.kv.data() + i * 2 * width_ + int64_t{head} * 2 * d;
      float* v = k + d;
      NormaliseHead(k, d, attention.k_norm.data(), attention.k_norm_bias.data());
      NormaliseHead(v, d, attention.v_norm.data(), attention.v_norm_bias.data());
      float* sum = block_sum.data() + int64_t{head} * d * d;
      for (int r = 0; r < d; ++r) {
        for (int c = 0; c < d; ++c) sum[r * d + c] += k[r] * v[c];
      }
    }
  }
  for (size_t i = 0; i < kv_sum.size(); ++i) kv_sum[i] += block_sum[i];
}

}  // namespace hiif::kernels
