// Decoding: projection, level 0, attention, the levels. What is packed for it: hiif_weights.cc; the
// context: hiif_context.cc.
#include "model/kernels/hiif_decoder.h"

#include <algorithm>
#include <cmath>

#include "model/kernels/workspace.h"

namespace hiif::kernels {
namespace {

constexpr float kNormEpsilon = 1e-5f;

}  // namespace

std::unique_ptr<HiifDecoder::Workspace, void (*)(HiifDecoder::Workspace*)>
HiifDecoder::NewWorkspace() const {
  return {new Workspace(width_, 9 * latent_channels_, number_),
          [](Workspace* workspace) { delete workspace; }};
}

void HiifDecoder::Project(const Latents& latents, absl::Span<const PixelIndex> pixels,
                          Workspace& workspace, LatentTable& table) const {
  const int64_t channels = latents.channels;
  const int64_t patch = 9 * channels;
  const int64_t padded = PadRows(static_cast<int64_t>(pixels.size()));
  if (static_cast<int64_t>(table.sum.size()) < padded) {
    table.projections.resize(padded * 4 * width_);
    table.sum.resize(padded);
    table.sum_squares.resize(padded);
  }
  std::fill(table.sum.begin(), table.sum.end(), 0.0f);
  std::fill(table.sum_squares.begin(), table.sum_squares.end(), 0.0f);
  for (int64_t begin = 0; begin < static_cast<int64_t>(pixels.size()); begin += kBlockRows) {
    const int64_t rows = std::min<int64_t>(kBlockRows, static_cast<int64_t>(pixels.size()) - begin);
    float* out = workspace.patches.data();
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t row = pixels[begin + i] / latents.width;
      const int64_t column = pixels[begin + i] % latents.width;
      for (int64_t r = row - 1; r <= row + 1; ++r) {
        for (int64_t c = column - 1; c <= column + 1; ++c, out += channels) {
          if (r < 0 || r >= latents.height || c < 0 || c >= latents.width) {
            std::fill_n(out, channels, 0.0f);  // the convolution's zero padding
          } else {
            std::copy_n(latents.values + (r * latents.width + c) * channels, channels, out);
          }
        }
      }
    }
    const int64_t padded_rows = PadRows(rows);
    std::fill_n(out, (padded_rows - rows) * patch, 0.0f);
    PackRows(workspace.patches.data(), patch, padded_rows, patch, number_, workspace.packed.data());
    MultiplyBias({&freq_, padded_rows, workspace.packed.data(), workspace.x.data(), width_},
                 freq_bias_.data(), {table.sum.data() + begin, table.sum_squares.data() + begin});
    workspace.Pack(workspace.x, padded_rows);
    MultiplyBias({&level0_, padded_rows, workspace.packed.data(),
                  table.projections.data() + begin * 4 * width_, 4 * width_},
                 zero_bias_.data(), {});
  }
}

void HiifDecoder::SetCell(std::array<float, 2> cell, Workspace& workspace) const {
  workspace.cell = cell;
  for (int bits = 0; bits < 4; ++bits) {
    std::vector<float>& extra = workspace.level0_extra[bits];
    extra.resize(width_);
    for (int c = 0; c < width_; ++c) {
      extra[c] = cell[0] * level0_inputs_[0][c] + cell[1] * level0_inputs_[1][c] +
                 mlps_[0].bits_extra[bits][c];
    }
  }
}

void HiifDecoder::BeginBlock(const LatentTable& table, absl::Span<const Query> queries,
                             Workspace& workspace) const {
  const float inputs = static_cast<float>(4 * width_ + 4);
  const int64_t rows = PadRows(static_cast<int64_t>(queries.size()));
  for (int64_t i = 0; i < rows; ++i) {
    const Query& query = queries[std::min<int64_t>(i, static_cast<int64_t>(queries.size()) - 1)];
    Gather& gather = workspace.gathers[i];
    const int bits = query.bits(0);
    const float row_bit = static_cast<float>(bits >> 1);
    const float column_bit = static_cast<float>(bits & 1);
    float sum = workspace.cell[0] + workspace.cell[1] + row_bit + column_bit;
    float squares = workspace.cell[0] * workspace.cell[0] + workspace.cell[1] * workspace.cell[1] +
                    row_bit + column_bit;
    for (int k = 0; k < 4; ++k) {
      const int64_t pixel = query.neighbour[k];
      const float weight = query.weight[k];
      gather.table[k] = table.projections.data() + (pixel * 4 + k) * width_;
      gather.weight[k] = weight;
      sum += weight * table.sum[pixel];
      squares += weight * weight * table.sum_squares[pixel];
    }
    gather.mean = sum / inputs;
    const float variance = std::max(0.0f, squares / inputs - gather.mean * gather.mean);
    gather.scale = 1.0f / std::sqrt(variance + kNormEpsilon);
    gather.extra = workspace.level0_extra[bits].data();
  }
  const Mlp& mlp = mlps_[0];
  GatherNormGelu(absl::MakeConstSpan(workspace.gathers.data(), rows), width_, mlp.column_sum.data(),
                 mlp.bias.data(), number_, workspace.hidden.data(), workspace.packed.data());
  if (!workspace.amx()) workspace.Pack(workspace.hidden, rows);
  workspace.ClearStatistics();
  const bool statistics = attention_.empty();
  workspace.Step(fc2_, rows, workspace.x, [&](const Product& product) {
    MultiplyBias(product, fc2_bias_.data(),
                 statistics ? RowStatistics{workspace.sum.data(), workspace.sum_squares.data()}
                            : RowStatistics{});
  });
}

void HiifDecoder::AttendBlock(int block, const FoldedBlocks& blocks, int64_t rows, bool statistics,
                              Workspace& workspace) const {
  const FoldedBlock& folded = blocks[block];
  workspace.Step(folded.projection, rows, workspace.hidden,
                 [&](const Product& product) { MultiplyGelu(product, folded.bias.data()); });
  workspace.Step(attention_[block].proj2, rows, workspace.x, [&](const Product& product) {
    MultiplyAdd(product, folded_[block].proj2_bias.data(),
                statistics ? RowStatistics{workspace.sum.data(), workspace.sum_squares.data()}
                           : RowStatistics{});
  });
}

void HiifDecoder::Decode(const LatentTable& table, absl::Span<const Query> queries,
                         std::array<float, 2> cell, const FoldedBlocks& blocks,
                         Workspace& workspace, float* out) const {
  SetCell(cell, workspace);
  const int attention_blocks = static_cast<int>(attention_.size());
  for (size_t begin = 0; begin < queries.size(); begin += kBlockRows) {
    const absl::Span<const Query> part = queries.subspan(begin, kBlockRows);
    const int64_t rows = PadRows(static_cast<int64_t>(part.size()));
    BeginBlock(table, part, workspace);
    for (int block = 0; block < attention_blocks; ++block) {
      AttendBlock(block, blocks, rows, block + 1 == attention_blocks, workspace);
    }
    Finish(part, workspace, out + begin * 3);
  }
}

void HiifDecoder::Finish(absl::Span<const Query> queries, Workspace& workspace, float* out) const {
  const float inputs = static_cast<float>(width_ + 2);
  const int64_t rows = PadRows(static_cast<int64_t>(queries.size()));
  for (int level = 1; level < levels_; ++level) {
    const Mlp& mlp = mlps_[level];
    if (level > 1) {  // statistics of the level before, whose x is not made
      std::fill_n(workspace.sum_squares.begin(), rows, mlp.norm.sum_squares);
      TriangleSquares({&mlp.norm.triangle, rows, workspace.packed.data()}, mlp.norm.bias.data(),
                      workspace.sum_squares.data());
    }
    for (int64_t i = 0; i < rows; ++i) {
      const int bits = queries[std::min<size_t>(i, queries.size() - 1)].bits(level);
      const float ones = static_cast<float>((bits >> 1) + (bits & 1));
      workspace.mean[i] = (workspace.sum[i] + ones) / inputs;
      const float variance = std::max(
          0.0f, (workspace.sum_squares[i] + ones) / inputs - workspace.mean[i] * workspace.mean[i]);
      workspace.scale[i] = 1.0f / std::sqrt(variance + kNormEpsilon);
      workspace.extra[i] = mlp.bits_extra[bits].data();
    }
    FoldedNorm norm = {workspace.scale.data(), workspace.mean.data(), workspace.extra.data(),
                       mlp.column_sum.data(), mlp.bias.data()};
    if (level + 1 < levels_) {
      const Norm& next = mlps_[level + 1].norm;
      norm.sum_weights = next.sum_weights.data();
      norm.sum = workspace.sum.data();
      std::fill_n(workspace.sum.begin(), rows, next.sum);
    }
    if (level + 1 < levels_) {
      workspace.Step(mlp.fc1, rows, workspace.hidden,
                     [&](const Product& product) { MultiplyNormGelu(product, norm); });
    } else {
      MultiplyNormGelu({&mlp.fc1, rows, workspace.packed.data(), workspace.hidden.data(), width_},
                       norm);
    }
  }
  MultiplyRgb(static_cast<int64_t>(queries.size()), workspace.hidden.data(), width_, width_,
              rgb_.data(), rgb_bias_.data(), out);
}

}  // namespace hiif::kernels
