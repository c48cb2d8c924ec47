#include "train/optimizer.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "train/muon.h"

namespace hiif::train {
namespace {

constexpr double kEpsilon = 1e-8;  // of Adam

bool OfEncoder(const std::string& name) { return absl::StartsWith(name, "encoder."); }

}  // namespace

Optimizer::Optimizer(Network network, const OptimizerOptions& options)
    : options_(options), network_(std::move(network)) {
  for (auto& [name, tensor] : network_.parameters) {
    tensor = tensor.detach().clone();
    average_[name] = tensor.clone();
    if (OfEncoder(name) ? options_.encoder_rate == 0 : options_.decoder_frozen) continue;
    tensor.requires_grad_(true);
    names_.push_back(name);
    parameters_.push_back(tensor);
    averages_.push_back(average_[name]);
    first_.push_back(at::zeros_like(average_[name]));
    second_.push_back(at::zeros_like(average_[name]));
  }
}

double Optimizer::Step(std::vector<at::Tensor> gradient, double learning_rate) {
  const at::NoGradGuard no_grad;
  const at::Tensor norms = at::stack(at::_foreach_norm(gradient, 2));
  const double norm = at::linalg_vector_norm(norms.to(at::kDouble)).item<double>();
  if (!std::isfinite(norm)) return norm;
  if (options_.clip > 0 && norm > options_.clip) {
    at::_foreach_mul_(gradient, options_.clip / norm);
  }
  ++updates_;
  // The encoder, and the rest, each at its own rate.
  for (const bool encoder : {true, false}) {
    const double rate = learning_rate * (encoder ? options_.encoder_rate : 1.0);
    std::vector<at::Tensor> parameters, gradients, first, second, steps;
    for (size_t i = 0; i < names_.size(); ++i) {
      if (OfEncoder(names_[i]) != encoder) continue;
      if (options_.muon && MuonFits(parameters_[i])) {
        MuonStep(parameters_[i], gradient[i], first_[i], rate, options_.beta1);
        continue;
      }
      parameters.push_back(parameters_[i]);
      gradients.push_back(gradient[i]);
      first.push_back(first_[i]);
      second.push_back(second_[i]);
      // The operation reads the number of the update from a tensor of each parameter's device.
      steps.push_back(at::full({}, static_cast<double>(updates_), gradient[i].options()));
    }
    if (parameters.empty()) continue;
    at::_fused_adam_(parameters, gradients, first, second, /*max_exp_avg_sqs=*/{}, steps, rate,
                     options_.beta1, options_.beta2, /*weight_decay=*/0.0, kEpsilon,
                     /*amsgrad=*/false,
                     /*maximize=*/false);
  }
  const auto n = static_cast<double>(updates_);
  const double decay = std::min(options_.average, (1.0 + n) / (10.0 + n));
  at::_foreach_lerp_(averages_, parameters_, 1.0 - decay);
  return norm;
}

std::map<std::string, at::Tensor> Optimizer::State() const {
  std::map<std::string, at::Tensor> state;
  const auto put = [&](const char* kind, const std::string& name, const at::Tensor& tensor) {
    state[absl::StrCat(kind, "/", name)] = tensor.detach().to(at::kCPU).contiguous();
  };
  for (const auto& [name, tensor] : network_.parameters) put("parameter", name, tensor);
  for (size_t i = 0; i < names_.size(); ++i) {
    put("average", names_[i], averages_[i]);
    put("first", names_[i], first_[i]);
    put("second", names_[i], second_[i]);
  }
  return state;
}

bool Optimizer::SetState(const std::map<std::string, at::Tensor>& state, int64_t updates) {
  const std::map<std::string, at::Tensor> own = State();
  if (own.size() != state.size()) return false;
  for (const auto& [name, tensor] : own) {
    const auto found = state.find(name);
    if (found == state.end() || found->second.sizes() != tensor.sizes()) return false;
  }
  const at::NoGradGuard no_grad;
  for (auto& [name, tensor] : network_.parameters) {
    tensor.copy_(state.at("parameter/" + name));
    average_[name].copy_(tensor);
  }
  for (size_t i = 0; i < names_.size(); ++i) {
    averages_[i].copy_(state.at("average/" + names_[i]));
    first_[i].copy_(state.at("first/" + names_[i]));
    second_[i].copy_(state.at("second/" + names_[i]));
  }
  updates_ = updates;
  return true;
}

}  // namespace hiif::train
