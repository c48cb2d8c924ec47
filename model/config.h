// What a checkpoint says about its network: which encoder and decoder, of which sizes, and the
// coordinates it was made for. Plain values; the parameter shapes follow from them.
#ifndef MODEL_CONFIG_H_
#define MODEL_CONFIG_H_

#include <array>
#include <string>
#include <variant>
#include <vector>

#include "model/decoders/configs.h"

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

using EncoderConfig = std::variant<EdsrConfig, RdnConfig, SwinIrConfig, DatConfig, NoEncoderConfig>;

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
  Normalisation normalisation;
  bool operator==(const ModelConfig&) const = default;
};

// Whether it filters pixels: no encoder, no parameters.
bool IsFilter(const DecoderConfig& decoder);

// Channels C_e of the encoder's output.
int EncoderFeatures(const EncoderConfig& encoder);

// "edsr-baseline", "rdn", "swinir", "dat" or "none"; a name of DecoderTypes(); "reference" or
// "exact".
std::string EncoderName(const EncoderConfig& encoder);
std::string DecoderName(const DecoderConfig& decoder);
std::string CoordinateModeName(CoordinateMode mode);

}  // namespace hiif

#endif  // MODEL_CONFIG_H_
