// The sizes of every decoder. Plain values; the parameter shapes follow from them
// (model/decoders/types.h).
#ifndef MODEL_DECODERS_CONFIGS_H_
#define MODEL_DECODERS_CONFIGS_H_

#include <variant>
#include <vector>

namespace hiif {

// Table 4 of the HIIF paper.
enum class Ablation {
  kNone,
  kNoHierarchy,  // v1-H: the raw local coordinate at every level instead of bits
  kSingleScale,  // v2-MS: the bits of all levels enter at level 0
  kNoAttention,  // v3-MH: no attention blocks
};

// HIIF decoder: `freq` conv C_e -> width, then `levels` MLPs of which the first is followed by
// attention.
struct HiifConfig {
  int width = 256;
  int levels = 6;
  int heads = 16;  // width / heads is the width of q, k and v
  int attention_blocks = 2;
  Ablation ablation = Ablation::kNone;
  bool operator==(const HiifConfig&) const = default;
};

// LIIF decoder (Chen et al., CVPR 2021): one MLP with ReLU, local ensemble of the four neighbours.
struct LiifConfig {
  std::vector<int> hidden = {256, 256, 256, 256};
  bool operator==(const LiifConfig&) const = default;
};

// MetaSR (Hu et al., CVPR 2019) as in LIIF's comparison: an MLP predicts, for each output pixel,
// the filter of one 3x3 neighbourhood.
struct MetaSrConfig {
  int hidden = 256;
  bool operator==(const MetaSrConfig&) const = default;
};

// LTE (Lee and Jin, CVPR 2022): amplitudes and frequencies of a local Fourier basis.
struct LteConfig {
  int features = 256;  // channels of amplitudes and of frequencies, even
  std::vector<int> hidden = {256, 256, 256};
  int cell_limit = 4;  // the cell is held at that of this scale; 0: never
  bool operator==(const LteConfig&) const = default;
};

// CLIT (Chen et al., CVPR 2023): attention over a window of a grid, in a cascade of stages.
struct ClitConfig {
  int features = 256;
  int heads = 8;
  int radius = 3;  // the window has 2 radius + 1 keys a side
  int stages = 3;  // enlarges up to 4^stages
  std::vector<int> hidden = {256, 256, 256, 256};
  int exponent_range = 10;  // of the position bias: frequencies 2^0 - 1 to 2^10 - 1
  bool operator==(const ClitConfig&) const = default;
};

// CiaoSR (Cao et al., CVPR 2023): attention over the four neighbours, with a non-local map.
struct CiaoSrConfig {
  std::vector<int> hidden_key = {256, 256, 256, 256};
  std::vector<int> hidden_value = {256, 256, 256, 256};
  std::vector<int> hidden_query = {256, 256, 256, 256};
  bool non_local = true;
  bool operator==(const CiaoSrConfig&) const = default;
};

// SRNO (Wei and Zhang, CVPR 2023): a neural operator, two blocks of linear attention.
struct SrnoConfig {
  int width = 256;
  int heads = 16;
  int blocks = 2;
  int hidden = 256;
  int cell_limit = 4;  // as LteConfig
  bool operator==(const SrnoConfig&) const = default;
};

// No network: cubic convolution (a = -1/2) or Lanczos (a = 3) of the pixels themselves, with the
// encoder "none".
struct BicubicConfig {
  bool operator==(const BicubicConfig&) const = default;
};
struct LanczosConfig {
  bool operator==(const LanczosConfig&) const = default;
};

using DecoderConfig = std::variant<HiifConfig, LiifConfig, MetaSrConfig, LteConfig, ClitConfig,
                                   CiaoSrConfig, SrnoConfig, BicubicConfig, LanczosConfig>;

}  // namespace hiif

#endif  // MODEL_DECODERS_CONFIGS_H_
