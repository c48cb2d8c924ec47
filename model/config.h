// What a checkpoint says about its network: which encoder and decoder, of which sizes, and the
// coordinates it was made for. Plain values; the parameter shapes follow from them.
#ifndef MODEL_CONFIG_H_
#define MODEL_CONFIG_H_

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace hiif {

// EDSR-baseline (Lim et al., CVPRW 2017): conv 3->features, `blocks` residual blocks, conv, long
// skip.
struct EdsrConfig {
  int features = 64;
  int blocks = 16;
  bool operator==(const EdsrConfig&) const = default;
};

// RDN (Zhang et al., CVPR 2018). The defaults are its configuration B.
struct RdnConfig {
  int base_features = 64;    // G0, also the width of the output
  int blocks = 16;           // D
  int layers_per_block = 8;  // C
  int growth = 64;           // G
  bool operator==(const RdnConfig&) const = default;
};

// SwinIR (Liang et al., ICCVW 2021) up to its `conv_before_upsample`.
struct SwinIrConfig {
  int embed_dim = 180;
  std::vector<int> depths = {6, 6, 6, 6, 6, 6};  // Swin layers of each RSTB
  std::vector<int> heads = {6, 6, 6,
                            6, 6, 6};  // attention heads of each RSTB, same length as depths
  int window = 8;
  int mlp_hidden = 360;  // embed_dim times the mlp ratio
  // 0: CiaoSR's form, without `conv_before_upsample`: embed_dim wide, padded by reflection.
  int output_features = 64;
  bool operator==(const SwinIrConfig&) const = default;
};

// DAT (Chen et al., ICCV 2023) up to its upsampler, with three convolutions in its residual
// connections. The defaults are DAT-light.
struct DatConfig {
  int embed_dim = 60;
  std::vector<int> depths = {18};  // blocks of each residual group, spatial and channel in turn
  std::vector<int> heads = {6};    // of each group, same length as depths; even
  int ffn_hidden = 120;            // even
  // Windows of the spatial attention: short x long for one half of the heads, long x short for the
  // other.
  int window_short = 8;
  int window_long = 32;  // a multiple of window_short
  // The latent codes are multiplied by it: those of DAT-light have a deviation of 0.07.
  int output_scale = 15;
  bool operator==(const DatConfig&) const = default;
};

// No encoder: the normalised image itself, for the decoders that filter pixels.
struct NoEncoderConfig {
  bool operator==(const NoEncoderConfig&) const = default;
};

class Encoder;  // model/encoders/encoder.h

// An encoder and its sizes, as a value. Made of the sizes above, or by the registry of encoders of
// what a checkpoint says.
class EncoderConfig {
 public:
  EncoderConfig() : EncoderConfig(EdsrConfig{}) {}
  EncoderConfig(const EdsrConfig& config);    // NOLINT(google-explicit-constructor)
  EncoderConfig(const RdnConfig& config);     // NOLINT(google-explicit-constructor)
  EncoderConfig(const SwinIrConfig& config);  // NOLINT(google-explicit-constructor)
  EncoderConfig(const DatConfig& config);     // NOLINT(google-explicit-constructor)
  EncoderConfig(const NoEncoderConfig&);      // NOLINT(google-explicit-constructor)
  explicit EncoderConfig(std::shared_ptr<const Encoder> encoder) : encoder_(std::move(encoder)) {}

  const Encoder* operator->() const { return encoder_.get(); }
  const Encoder& operator*() const { return *encoder_; }
  bool operator==(const EncoderConfig& other) const;  // by name and sizes

 private:
  std::shared_ptr<const Encoder> encoder_;  // never null
};

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

// Attention blocks of a decoder, its ablation considered.
int AttentionBlocks(const HiifConfig& config);

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

// SRNO (Wei and Zhang, CVPR 2023): a neural operator, blocks of linear attention.
struct SrnoConfig {
  int width = 256;
  int heads = 16;
  int attention_blocks = 2;
  int hidden = 256;
  int cell_limit = 4;  // as LteConfig
  bool operator==(const SrnoConfig&) const = default;
};

// No network: cubic convolution (Keys, a = -1/2) or Lanczos (three lobes) of the pixels themselves.
struct FilterConfig {
  enum class Kernel { kBicubic, kLanczos };
  Kernel kernel = Kernel::kBicubic;
  bool operator==(const FilterConfig&) const = default;
};

class Decoder;  // model/decoders/decoder.h

// A decoder and its sizes, as a value. Made of the sizes above, or by the registry of decoders of
// what a checkpoint says.
class DecoderConfig {
 public:
  DecoderConfig() : DecoderConfig(HiifConfig{}) {}
  DecoderConfig(const HiifConfig& config);    // NOLINT(google-explicit-constructor)
  DecoderConfig(const LiifConfig& config);    // NOLINT(google-explicit-constructor)
  DecoderConfig(const MetaSrConfig& config);  // NOLINT(google-explicit-constructor)
  DecoderConfig(const LteConfig& config);     // NOLINT(google-explicit-constructor)
  DecoderConfig(const ClitConfig& config);    // NOLINT(google-explicit-constructor)
  DecoderConfig(const CiaoSrConfig& config);  // NOLINT(google-explicit-constructor)
  DecoderConfig(const SrnoConfig& config);    // NOLINT(google-explicit-constructor)
  DecoderConfig(const FilterConfig& config);  // NOLINT(google-explicit-constructor)
  explicit DecoderConfig(std::shared_ptr<const Decoder> decoder) : decoder_(std::move(decoder)) {}

  const Decoder* operator->() const { return decoder_.get(); }
  const Decoder& operator*() const { return *decoder_; }
  bool operator==(const DecoderConfig& other) const;  // by name and sizes

  const HiifConfig* hiif() const;  // null where it is another decoder
  const LiifConfig* liif() const;

 private:
  std::shared_ptr<const Decoder> decoder_;  // never null
};

// How pixel positions become local coordinates and bits.
enum class CoordinateMode {
  kReference,  // float32, step by step as the released evaluation code: for published checkpoints
  kExact,      // integers: the same bits on every machine, tile and image size
};

// What the network sees of an image value x in [0,1], a channel each: (x - mean) / deviation.
struct Normalisation {
  std::array<float, 3> mean = {0.5f, 0.5f, 0.5f};
  std::array<float, 3> deviation = {0.5f, 0.5f, 0.5f};
  bool operator==(const Normalisation&) const = default;
};

struct ModelConfig {
  EncoderConfig encoder = EdsrConfig{};
  DecoderConfig decoder = HiifConfig{};
  CoordinateMode coordinates = CoordinateMode::kExact;
  Normalisation normalisation = {};
  bool operator==(const ModelConfig&) const = default;
};

// Channels C_e of the encoder's output.
int EncoderFeatures(const EncoderConfig& encoder);

// "edsr-baseline", "rdn", "swinir", "dat", ...; "hiif", "liif", "lte", ...; "reference" or "exact".
std::string EncoderName(const EncoderConfig& encoder);
std::string DecoderName(const DecoderConfig& decoder);
std::string CoordinateModeName(CoordinateMode mode);

}  // namespace hiif

#endif  // MODEL_CONFIG_H_
