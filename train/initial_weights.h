// The weights a run begins with.
#ifndef TRAIN_INITIAL_WEIGHTS_H_
#define TRAIN_INITIAL_WEIGHTS_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "model/checkpoint/network.h"
#include "train/options.h"

namespace hiif::train {

struct InitialWeights {
  Network network;
  std::string origin;  // one sentence for the model card
  // What --init says of its outputs (colour_slack, tone_slack) and, where nothing else was taken,
  // of its licence: true of what comes of it, too.
  std::map<std::string, std::string> kept;
  std::string digest;  // of LoadAny(): SHA-256 of the file, hexadecimal
};

// Random as PyTorch initialises these layers (seeded by options.seed), then overwritten by what
// `init`, `init_encoder` and `init_decoder` name, in this order. A file without our metadata is
// taken for what its tensors say. InvalidArgument: a tensor that a file should give is missing or
// of another shape.
absl::StatusOr<InitialWeights> MakeInitialWeights(const TrainOptions& options);

// A whole checkpoint, native or foreign.
absl::StatusOr<InitialWeights> LoadAny(const std::string& path);

// SHA-256 of the names and float32 values of the encoder's parameters: which latent codes it gives.
std::string EncoderDigest(const Network& network);

}  // namespace hiif::train

#endif  // TRAIN_INITIAL_WEIGHTS_H_
