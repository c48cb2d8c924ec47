#include "train/initial_weights.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <filesystem>
#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/digest.h"
#include "base/status_macros.h"

namespace hiif::train {
namespace {

// Native, or described by its tensors alone.
absl::StatusOr<Checkpoint> OpenAny(const std::string& path) {
  HIIF_ASSIGN_OR_RETURN(const auto file, Safetensors::Read(path));
  return file->metadata().contains("format_version") ? Checkpoint::Open(path)
                                                     : Checkpoint::OpenForeign(path);
}

// Weights are named *.weight with as many dimensions as the layer has; norms have one, or (SRNO) a
// row for each head.
bool IsNorm(const std::vector<int64_t>& shape) {
  return shape.size() == 1 || (shape.size() == 3 && shape[1] == 1);
}

// Of a PReLU (CiaoSR).
bool IsSlope(const std::string& name) {
  return absl::StartsWith(name, "cs_attn.") && absl::EndsWith(name, ".1.weight");
}

Parameters RandomParameters(const ModelConfig& config, uint64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const auto shapes = ParameterShapes(config);
  const std::string encoder = EncoderName(config.encoder);
  const bool transformer = encoder == "swinir" || encoder == "dat";
  Parameters parameters;
  for (const auto& [name, shape] : shapes) {
    at::Tensor value = at::empty(shape, at::kFloat);
    if (absl::EndsWith(name, "relative_position_bias_table")) {
      value.normal_(0.0, 0.02, generator);
    } else if (IsSlope(name)) {
      value.fill_(0.25);
    } else if (absl::EndsWith(name, ".weight") && IsNorm(shape)) {
      value.fill_(1.0);
    } else if (absl::EndsWith(name, ".temperature")) {
      value.fill_(1.0);
    } else if (absl::EndsWith(name, ".weight")) {
      if (transformer && shape.size() == 2 && absl::StartsWith(name, "encoder.")) {
        value.normal_(0.0, 0.02, generator);  // as SwinIR and DAT initialise them
      } else {
        const double bound = 1.0 / std::sqrt(static_cast<double>(value[0].numel()));
        value.uniform_(-bound, bound, generator);
      }
    } else {
      // A bias: of a norm or of a transformer's linear layers 0, else uniform as its weight.
      const std::string prefix = name.substr(0, name.size() - 4);
      const std::vector<int64_t>& weight = shapes.at(prefix + "weight");
      if (IsNorm(weight) ||
          (transformer && weight.size() == 2 && absl::StartsWith(name, "encoder."))) {
        value.zero_();
      } else {
        int64_t inputs = 1;
        for (size_t i = 1; i < weight.size(); ++i) inputs *= weight[i];
        const double bound = 1.0 / std::sqrt(static_cast<double>(inputs));
        value.uniform_(-bound, bound, generator);
      }
    }
    parameters[name] = value;
  }
  return parameters;
}

enum class Part { kAll, kEncoder, kDecoder };

bool Belongs(Part part, const std::string& name) {
  const bool encoder = absl::StartsWith(name, "encoder.");
  return part == Part::kAll || (part == Part::kEncoder) == encoder;
}

absl::Status Take(Part part, const Checkpoint& source, Network& network) {
  HIIF_ASSIGN_OR_RETURN(const Network given, LoadNetwork(source));
  for (auto& [name, value] : network.parameters) {
    if (!Belongs(part, name)) continue;
    const auto found = given.parameters.find(name);
    if (found == given.parameters.end() || found->second.sizes() != value.sizes()) {
      return absl::InvalidArgumentError(absl::StrCat(
          source.path(), ": tensor ", name, " is ",
          found == given.parameters.end() ? "missing" : "of another shape than the network's",
          "; choose --encoder and --decoder as in that file, or another file"));
    }
    value = found->second.clone();
  }
  return absl::OkStatus();
}

// The file and the first digits of its digest, for the notes of a checkpoint.
std::string Named(const std::string& path, const Checkpoint& checkpoint) {
  return absl::StrCat(std::filesystem::path(path).filename().string(), " (SHA-256 ",
                      checkpoint.digest().substr(0, 12), ")");
}

}  // namespace

std::string EncoderDigest(const Network& network) {
  std::string bytes;
  for (const auto& [name, tensor] : network.parameters) {
    if (!Belongs(Part::kEncoder, name)) continue;
    const at::Tensor values = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
    bytes += name;
    bytes += '\0';
    bytes.append(static_cast<const char*>(values.const_data_ptr()), values.nbytes());
  }
  return Sha256Hex(bytes);
}

absl::StatusOr<InitialWeights> LoadAny(const std::string& path) {
  HIIF_ASSIGN_OR_RETURN(const Checkpoint source, OpenAny(path));
  HIIF_ASSIGN_OR_RETURN(Network network, LoadNetwork(source));
  return InitialWeights{.network = std::move(network),
                        .origin = Named(path, source),
                        .kept = {},
                        .digest = source.digest()};
}

absl::StatusOr<InitialWeights> MakeInitialWeights(const TrainOptions& options) {
  ModelConfig base;
  std::optional<Checkpoint> init;
  if (!options.init.empty()) {
    HIIF_ASSIGN_OR_RETURN(init, OpenAny(options.init));
    base = init->config();
  }
  InitialWeights out;
  HIIF_ASSIGN_OR_RETURN(out.network.config, NetworkOf(options, base));
  out.network.parameters = RandomParameters(out.network.config, options.seed);
  std::vector<std::string> origins;
  if (init.has_value()) {
    HIIF_RETURN_IF_ERROR(Take(Part::kAll, *init, out.network));
    origins.push_back(Named(options.init, *init));
    const bool alone = options.init_encoder.empty() && options.init_decoder.empty();
    for (const char* name : {"colour_slack", "tone_slack", "license"}) {
      const auto found = init->metadata().find(name);
      if (found == init->metadata().end() || (!alone && found->first == "license")) continue;
      out.kept.insert(*found);
    }
  }
  for (const auto& [part, path, what] :
       {std::tuple{Part::kEncoder, options.init_encoder, "encoder of "},
        std::tuple{Part::kDecoder, options.init_decoder, "decoder of "}}) {
    if (path.empty()) continue;
    HIIF_ASSIGN_OR_RETURN(const Checkpoint source, OpenAny(path));
    HIIF_RETURN_IF_ERROR(Take(part, source, out.network));
    origins.push_back(absl::StrCat(what, Named(path, source)));
  }
  out.origin = origins.empty() ? absl::StrCat("random (seed ", options.seed, ")")
                               : absl::StrJoin(origins, ", ");
  return out;
}

}  // namespace hiif::train
