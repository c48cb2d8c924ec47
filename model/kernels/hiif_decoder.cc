#include "model/kernels/hiif_decoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/kernels/fold.h"

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

}  // namespace

class HiifDecoder::Workspace {
 public:
  Workspace(int width, int patch, Number number)
      : width(width),
        number(number),
        patches(static_cast<size_t>(kBlockRows) * patch),
        x(static_cast<size_t>(kBlockRows) * width),
        hidden(static_cast<size_t>(kBlockRows) * width),
        kv(static_cast<size_t>(kBlockRows) * width * 2),
        packed(static_cast<size_t>(kBlockRows) * std::max<int64_t>(width, Units(number, patch))),
        packed_next(amx() ? packed.size() : 0) {}

  bool amx() const { return ByAmx(number); }

  void ClearStatistics() {
    sum.fill(0);
    sum_squares.fill(0);
  }

  // Rows of `width` values into `packed`.
  void Pack(const AlignedVector<float>& values, int64_t rows) {
    PackRows(values.data(), width, rows, width, number, packed.data());
  }

  // `packed` times weights into x, or into `hidden`, which only the next product reads; and from
  // there into `packed`. AMX packs by itself, others from y.
  template <class Multiply>
  void Step(const PackedMatrix& weights, int64_t rows, AlignedVector<float>& y,
            const Multiply& multiply) {
    Product product = {&weights, rows, packed.data(), y.data(), width};
    if (amx()) {
      product.packed_y = packed_next.data();
      if (&y == &hidden) product.y = nullptr;
    }
    multiply(product);
    if (amx()) {
      packed.swap(packed_next);
    } else {
      Pack(y, rows);
    }
  }

  const int width;
  const Number number;
  AlignedVector<float> patches;  // 3x3 neighbourhoods of latent codes
  AlignedVector<float> x;
  AlignedVector<float> hidden;
  AlignedVector<float> kv;
  AlignedVector<uint32_t> packed;  // inputs of the product at work
  AlignedVector<uint32_t> packed_next;
  std::array<float, kBlockRows> sum;
  std::array<float, kBlockRows> sum_squares;
  std::array<float, kBlockRows> mean;
  std::array<float, kBlockRows> scale;
  std::array<const float*, kBlockRows> extra;
  std::array<Gather, kBlockRows> gathers;
};

int64_t FoldedContext::bytes() const {
  int64_t bytes = 0;
  for (const Block& block : blocks) {
    bytes += block.projection.bytes() + static_cast<int64_t>(block.bias.size() * sizeof(float));
  }
  for (const auto& extra : level0_extra)
    bytes += static_cast<int64_t>(extra.size() * sizeof(float));
  return bytes;
}

absl::StatusOr<std::unique_ptr<HiifDecoder>> HiifDecoder::Create(const Safetensors& parameters,
                                                                 const HiifConfig& config,
                                                                 int latent_channels,
                                                                 Number number) {
  if (config.ablation != Ablation::kNone || config.width % (2 * kPanelColumns) != 0 ||
      config.width % config.heads != 0 || config.levels < 2 || config.levels > kMaxLevels) {
    return absl::InvalidArgumentError(
        absl::StrCat("the fused decoder takes no ablations, widths that are multiples of ",
                     2 * kPanelColumns, " and 2 to ", kMaxLevels, " levels"));
  }
  auto decoder = std::unique_ptr<HiifDecoder>(new HiifDecoder);
  HiifDecoder& self = *decoder;
  const int width = self.width_ = config.width;
  self.levels_ = config.levels;
  self.heads_ = config.heads;
  self.latent_channels_ = latent_channels;
  self.number_ = number;

  {  // freq: (out, in, ky, kx) -> inputs in the order (ky, kx, in) of the patches
    HIIF_ASSIGN_OR_RETURN(const std::vector<float> weight, parameters.Floats("freq.weight"));
    std::vector<float> reordered(weight.size());
    for (int o = 0; o < width; ++o) {
      for (int c = 0; c < latent_channels; ++c) {
        for (int k = 0; k < 9; ++k) {
          reordered[(int64_t{o} * 9 + k) * latent_channels + c] =
              weight[(int64_t{o} * latent_channels + c) * 9 + k];
        }
      }
    }
    self.freq_ = PackedMatrix(reordered, width, 9 * latent_channels, 9 * latent_channels, number);
    HIIF_ASSIGN_OR_RETURN(self.freq_bias_, parameters.Floats("freq.bias"));
  }

  self.mlps_.resize(config.levels);
  std::vector<float> fc2_before;
  std::vector<float> fc2_bias_before;
  for (int level = 0; level < config.levels; ++level) {
    Mlp& mlp = self.mlps_[level];
    const std::string prefix = absl::StrCat("fc_layers.", level, ".");
    HIIF_ASSIGN_OR_RETURN(const auto norm_weight, parameters.Floats(prefix + "norm.weight"));
    HIIF_ASSIGN_OR_RETURN(const auto norm_bias, parameters.Floats(prefix + "norm.bias"));
    HIIF_ASSIGN_OR_RETURN(auto fc1, parameters.Floats(prefix + "fc1.weight"));
    HIIF_ASSIGN_OR_RETURN(const auto fc1_bias, parameters.Floats(prefix + "fc1.bias"));
    HIIF_ASSIGN_OR_RETURN(const auto fc2, parameters.Floats(prefix + "fc2.weight"));
    HIIF_ASSIGN_OR_RETURN(const auto fc2_bias, parameters.Floats(prefix + "fc2.bias"));
    const int64_t inputs = static_cast<int64_t>(norm_weight.size());
    mlp.bias = Plus(Times(fc1, norm_bias), fc1_bias);
    ScaleColumns(fc1, norm_weight);
    mlp.column_sum = Times(fc1, std::vector<float>(inputs, 1.0f));
    for (int bits = 0; bits < 4; ++bits) {
      mlp.bits_extra[bits].assign(width, 0.0f);
      if (bits & 2) AddColumn(fc1, inputs, inputs - 2, 1.0f, mlp.bits_extra[bits]);
      if (bits & 1) AddColumn(fc1, inputs, inputs - 1, 1.0f, mlp.bits_extra[bits]);
    }
    if (level == 0) {
      // (width, 4 width + 4): the four neighbours' slots become 4 width outputs of one product.
      std::vector<float> slots(static_cast<size_t>(4) * width * width);
      for (int slot = 0; slot < 4; ++slot) {
        for (int o = 0; o < width; ++o) {
          std::copy_n(fc1.begin() + o * inputs + int64_t{slot} * width, width,
                      slots.begin() + (int64_t{slot} * width + o) * width);
        }
      }
      self.level0_ = PackedMatrix(slots, 4 * width, width, width, number);
      self.zero_bias_.assign(4 * width, 0.0f);
      for (int i = 0; i < 4; ++i) {
        self.level0_inputs_[i].assign(width, 0.0f);
        AddColumn(fc1, inputs, 4 * width + i, 1.0f, self.level0_inputs_[i]);
      }
    } else if (level == 1) {
      mlp.fc1 = PackedMatrix(fc1, width, width, inputs, number);
    } else {
      // fc1 on the fc2 of the level before is one matrix, whose bias joins that of the bits.
      const std::vector<float> own = FirstColumns(fc1, inputs, width);
      mlp.fc1 = PackedMatrix(MatrixProduct(own, fc2_before, width), width, width, width, number);
      const std::vector<float> shift = Times(own, fc2_bias_before);
      for (std::vector<float>& extra : mlp.bits_extra) extra = Plus(extra, shift);
      const std::vector<float> ones(width, 1.0f);
      mlp.norm.sum_weights = LeftTimes(ones, fc2_before);
      mlp.norm.sum = LeftTimes(ones, fc2_bias_before)[0];
      Triangle triangle = Triangulate(fc2_before, fc2_bias_before);
      mlp.norm.triangle = PackedMatrix(triangle.matrix, width, width, width, number);
      mlp.norm.bias = std::move(triangle.bias);
      mlp.norm.sum_squares = triangle.rest;
    }
    if (level == 0) {
      self.fc2_ = PackedMatrix(fc2, width, width, width, number);
      self.fc2_bias_ = fc2_bias;
    } else if (level + 1 < config.levels) {
      fc2_before = fc2;
      fc2_bias_before = fc2_bias;
    } else {
      self.rgb_ = fc2;
      std::copy_n(fc2_bias.begin(), 3, self.rgb_bias_.begin());
    }
  }

  const int d = width / config.heads;
  self.attention_.resize(config.attention_blocks);
  for (int block = 0; block < config.attention_blocks; ++block) {
    Attention& attention = self.attention_[block];
    const std::string prefix = absl::StrCat("conv", block, ".");
    HIIF_ASSIGN_OR_RETURN(const auto qkv, parameters.Floats(prefix + "qkv_proj.weight"));
    HIIF_ASSIGN_OR_RETURN(const auto qkv_bias, parameters.Floats(prefix + "qkv_proj.bias"));
    std::vector<float> kv;
    for (int head = 0; head < config.heads; ++head) {  // rows of a head: q, k, v of d each
      const auto row = qkv.begin() + int64_t{head} * 3 * d * width;
      const auto bias = qkv_bias.begin() + int64_t{head} * 3 * d;
      attention.query.insert(attention.query.end(), row, row + int64_t{d} * width);
      attention.query_bias.insert(attention.query_bias.end(), bias, bias + d);
      kv.insert(kv.end(), row + int64_t{d} * width, row + int64_t{3} * d * width);
      attention.kv_bias.insert(attention.kv_bias.end(), bias + d, bias + 3 * d);
    }
    attention.kv = PackedMatrix(kv, 2 * width, width, width, number);
    HIIF_ASSIGN_OR_RETURN(attention.k_norm, parameters.Floats(prefix + "kln.weight"));
    HIIF_ASSIGN_OR_RETURN(attention.k_norm_bias, parameters.Floats(prefix + "kln.bias"));
    HIIF_ASSIGN_OR_RETURN(attention.v_norm, parameters.Floats(prefix + "vln.weight"));
    HIIF_ASSIGN_OR_RETURN(attention.v_norm_bias, parameters.Floats(prefix + "vln.bias"));
    HIIF_ASSIGN_OR_RETURN(attention.proj1, parameters.Floats(prefix + "proj1.weight"));
    HIIF_ASSIGN_OR_RETURN(attention.proj1_bias, parameters.Floats(prefix + "proj1.bias"));
    HIIF_ASSIGN_OR_RETURN(const auto proj2, parameters.Floats(prefix + "proj2.weight"));
    attention.proj2 = PackedMatrix(proj2, width, width, width, number);
    HIIF_ASSIGN_OR_RETURN(attention.proj2_bias, parameters.Floats(prefix + "proj2.bias"));
  }
  return decoder;
}

std::unique_ptr<HiifDecoder::Workspace, void (*)(HiifDecoder::Workspace*)>
HiifDecoder::NewWorkspace() const {
  return {new Workspace(width_, 9 * latent_channels_, number_),
          [](Workspace* workspace) { delete workspace; }};
}

int64_t HiifDecoder::weights_bytes() const {
  int64_t bytes = freq_.bytes() + level0_.bytes() + fc2_.bytes();
  for (const Mlp& mlp : mlps_) bytes += mlp.fc1.bytes() + mlp.norm.triangle.bytes();
  for (const Attention& attention : attention_) {
    bytes +=
        attention.kv.bytes() + attention.proj2.bytes() +
        static_cast<int64_t>((attention.query.size() + attention.proj1.size()) * sizeof(float));
  }
  return bytes;
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

void HiifDecoder::Begin(const LatentTable& table, absl::Span<const Query> queries,
                        const FoldedContext& context, int blocks, Workspace& workspace) const {
  const float inputs = static_cast<float>(4 * width_ + 4);
  const int64_t rows = PadRows(static_cast<int64_t>(queries.size()));
  for (int64_t i = 0; i < rows; ++i) {
    const Query& query = queries[std::min<int64_t>(i, static_cast<int64_t>(queries.size()) - 1)];
    Gather& gather = workspace.gathers[i];
    const int bits = query.bits[0];
    const float row_bit = static_cast<float>(bits >> 1);
    const float column_bit = static_cast<float>(bits & 1);
    float sum = context.cell[0] + context.cell[1] + row_bit + column_bit;
    float squares = context.cell[0] * context.cell[0] + context.cell[1] * context.cell[1] +
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
    gather.extra = context.level0_extra[bits].data();
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
  for (int block = 0; block < blocks; ++block) {
    Attend(block, context, rows, block + 1 == static_cast<int>(attention_.size()), workspace);
  }
}

void HiifDecoder::Attend(int block, const FoldedContext& context, int64_t rows, bool statistics,
                         Workspace& workspace) const {
  const FoldedContext::Block& folded = context.blocks[block];
  workspace.Step(folded.projection, rows, workspace.hidden,
                 [&](const Product& product) { MultiplyGelu(product, folded.bias.data()); });
  workspace.Step(attention_[block].proj2, rows, workspace.x, [&](const Product& product) {
    MultiplyAdd(product, attention_[block].proj2_bias.data(),
                statistics ? RowStatistics{workspace.sum.data(), workspace.sum_squares.data()}
                           : RowStatistics{});
  });
}

FoldedContext HiifDecoder::MakeContext(Sample& sample, std::array<float, 2> cell,
                                       Workspace& workspace) const {
  FoldedContext context;
  context.cell = cell;
  for (int bits = 0; bits < 4; ++bits) {
    std::vector<float>& extra = context.level0_extra[bits];
    extra.resize(width_);
    for (int c = 0; c < width_; ++c) {
      extra[c] = cell[0] * level0_inputs_[0][c] + cell[1] * level0_inputs_[1][c] +
                 mlps_[0].bits_extra[bits][c];
    }
  }
  if (attention_.empty()) return context;
  // x of every sample is kept, 1 KiB each at width 256, so that the sample is projected once.
  std::vector<float> samples(PadRows(sample.size()) * width_);
  const auto for_each_block = [&](auto&& f) {
    for (int64_t begin = 0; begin < sample.size(); begin += kBlockRows) {
      const int64_t rows = std::min<int64_t>(kBlockRows, sample.size() - begin);
      f(samples.data() + begin * width_, begin, rows, PadRows(rows));
    }
  };
  for_each_block([&](float* x, int64_t begin, int64_t rows, int64_t padded) {
    const LatentTable* table = nullptr;
    const absl::Span<const Query> queries = sample.Range(begin, begin + rows, &table);
    Begin(*table, queries, context, /*blocks=*/0, workspace);
    std::copy_n(workspace.x.data(), padded * width_, x);
  });
  for (int block = 0; block < static_cast<int>(attention_.size()); ++block) {
    std::vector<double> kv_sum(static_cast<size_t>(width_) * (width_ / heads_), 0.0);
    for_each_block([&](const float* x, int64_t, int64_t rows, int64_t padded) {
      AddKeyValues(block, x, rows, padded, workspace, kv_sum);
    });
    AddBlock(block, kv_sum, sample.size(), context);
    if (block + 1 == static_cast<int>(attention_.size())) break;
    for_each_block([&](float* x, int64_t, int64_t, int64_t padded) {
      std::copy_n(x, padded * width_, workspace.x.data());
      workspace.Pack(workspace.x, padded);
      Attend(block, context, padded, /*statistics=*/false, workspace);
      std::copy_n(workspace.x.data(), padded * width_, x);
    });
  }
  return context;
}

void HiifDecoder::AddKeyValues(int block, const float* x, int64_t rows, int64_t padded,
                               Workspace& workspace, std::vector<double>& kv_sum) const {
  const Attention& attention = attention_[block];
  const int d = width_ / heads_;
  PackRows(x, width_, padded, width_, number_, workspace.packed.data());
  MultiplyBias({&attention.kv, padded, workspace.packed.data(), workspace.kv.data(), 2 * width_},
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

void HiifDecoder::AddBlock(int block, const std::vector<double>& kv_sum, int64_t samples,
                           FoldedContext& context) const {
  const Attention& attention = attention_[block];
  const int d = width_ / heads_;
  const size_t width = width_;
  // mixing = I + blockdiag(KV)^T Wq, so that x + q KV = mixing x + offset.
  std::vector<float> mixing(width * width, 0.0f);
  std::vector<float> offset(width, 0.0f);
  for (int head = 0; head < heads_; ++head) {
    for (int j = 0; j < d; ++j) {
      const size_t row = static_cast<size_t>(head) * d + j;
      float* out = mixing.data() + row * width;
      out[row] = 1.0f;
      for (int i = 0; i < d; ++i) {
        const float kv = static_cast<float>(kv_sum[(static_cast<size_t>(head) * d + i) * d + j] /
                                            static_cast<double>(samples));
        const size_t q = static_cast<size_t>(head) * d + i;
        offset[row] += kv * attention.query_bias[q];
        const float* query = attention.query.data() + q * width;
        for (size_t c = 0; c < width; ++c) out[c] += kv * query[c];
      }
    }
  }
  std::vector<float> folded(width * width, 0.0f);
  for (size_t o = 0; o < width; ++o) {
    float* out = folded.data() + o * width;
    for (size_t m = 0; m < width; ++m) {
      const float factor = attention.proj1[o * width + m];
      const float* row = mixing.data() + m * width;
      for (size_t c = 0; c < width; ++c) out[c] += factor * row[c];
    }
  }
  context.blocks.push_back({PackedMatrix(folded, width_, width_, width_, number_),
                            Plus(Times(attention.proj1, offset), attention.proj1_bias)});
}

void HiifDecoder::Decode(const LatentTable& table, absl::Span<const Query> queries,
                         const FoldedContext& context, Workspace& workspace, float* out) const {
  const float inputs = static_cast<float>(width_ + 2);
  for (size_t begin = 0; begin < queries.size(); begin += kBlockRows) {
    const absl::Span<const Query> block = queries.subspan(begin, kBlockRows);
    const int64_t rows = PadRows(static_cast<int64_t>(block.size()));
    Begin(table, block, context, static_cast<int>(attention_.size()), workspace);
    for (int level = 1; level < levels_; ++level) {
      const Mlp& mlp = mlps_[level];
      if (level > 1) {  // statistics of the level before, whose x is not made
        std::fill_n(workspace.sum_squares.begin(), rows, mlp.norm.sum_squares);
        TriangleSquares({&mlp.norm.triangle, rows, workspace.packed.data()}, mlp.norm.bias.data(),
                        workspace.sum_squares.data());
      }
      for (int64_t i = 0; i < rows; ++i) {
        const int bits = block[std::min<size_t>(i, block.size() - 1)].bits[level];
        const float ones = static_cast<float>((bits >> 1) + (bits & 1));
        workspace.mean[i] = (workspace.sum[i] + ones) / inputs;
        const float variance = std::max(0.0f, (workspace.sum_squares[i] + ones) / inputs -
                                                  workspace.mean[i] * workspace.mean[i]);
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
    MultiplyRgb(static_cast<int64_t>(block.size()), workspace.hidden.data(), width_, width_,
                rgb_.data(), rgb_bias_.data(), out + begin * 3);
  }
}

}  // namespace hiif::kernels
