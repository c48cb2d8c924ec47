// Adam (Kingma and Ba, ICLR 2015) with clipping of the gradient's norm, and the moving average of
// the weights.
#ifndef TRAIN_OPTIMIZER_H_
#define TRAIN_OPTIMIZER_H_

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <vector>

#include "model/checkpoint/network.h"

namespace hiif::train {

struct OptimizerOptions {
  bool muon = false;  // for the matrices; the rest is Adam's
  double beta1 = 0.9;
  double beta2 = 0.999;
  double encoder_rate = 1.0;  // times the learning rate; 0: the encoder is frozen
  bool decoder_frozen = false;
  double clip = 0.0;       // largest norm of the gradient; 0: not clipped
  double average = 0.999;  // decay of the moving average, reached as (1 + n) / (10 + n)
};

// Owns the parameters that are trained and everything that a step changes.
class Optimizer {
 public:
  // The parameters that are trained become leaves that require gradients, the others constants.
  // The average starts as a copy of all.
  Optimizer(Network network, const OptimizerOptions& options);

  const Network& network() const { return network_; }
  // Names of the parameters that are trained, in the order that gradients come in.
  const std::vector<std::string>& names() const { return names_; }
  // What is validated and shipped: the moving average of those, the others as they are.
  const Parameters& average() const { return average_; }
  int64_t updates() const { return updates_; }

  // One update at this learning rate. Returns the norm of the gradient before clipping; where it is
  // not finite nothing is changed.
  double Step(std::vector<at::Tensor> gradient, double learning_rate);

  // Everything that Step() changes: parameters, average, both moments; on the CPU, sharing memory
  // where they are there already. Names are "parameter/NAME", "average/NAME", "first/NAME",
  // "second/NAME".
  std::map<std::string, at::Tensor> State() const;
  // Takes over what State() gave; names and shapes must be the same. False: they are not.
  bool SetState(const std::map<std::string, at::Tensor>& state, int64_t updates);

 private:
  const OptimizerOptions options_;
  Network network_;
  std::vector<std::string> names_;
  std::vector<at::Tensor> parameters_;  // in the order of names_, the tensors of network_
  std::vector<at::Tensor> averages_;    // likewise, the tensors of average_
  std::vector<at::Tensor> first_;
  std::vector<at::Tensor> second_;  // of Adam alone, else zeros
  Parameters average_;
  int64_t updates_ = 0;
};

}  // namespace hiif::train

#endif  // TRAIN_OPTIMIZER_H_
