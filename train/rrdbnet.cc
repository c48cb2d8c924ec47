#include "train/rrdbnet.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "train/read_parameters.h"

namespace hiif::train {
namespace {

constexpr double kSlope = 0.2;     // of the leaky ReLU
constexpr double kResidual = 0.2;  // what a block adds, times this
constexpr int kConvolutions = 5;   // of a dense block

using Shapes = std::map<std::string, std::vector<int64_t>>;

void AddConvolution(const std::string& name, int64_t in, int64_t out, Shapes& shapes) {
  shapes[name + ".weight"] = {out, in, 3, 3};
  shapes[name + ".bias"] = {out};
}

Shapes RrdbShapes(int64_t features, int64_t growth, int64_t blocks) {
  Shapes shapes;
  AddConvolution("conv_first", 3, features, shapes);
  for (int64_t block = 0; block < blocks; ++block) {
    for (int dense = 1; dense <= 3; ++dense) {
      for (int i = 1; i <= kConvolutions; ++i) {
        AddConvolution(absl::StrCat("body.", block, ".rdb", dense, ".conv", i),
                       features + (i - 1) * growth, i < kConvolutions ? growth : features, shapes);
      }
    }
  }
  for (const char* name : {"conv_body", "conv_up1", "conv_up2", "conv_hr"}) {
    AddConvolution(name, features, features, shapes);
  }
  AddConvolution("conv_last", features, 3, shapes);
  return shapes;
}

at::Tensor Dense(const at::Tensor& x, const Scope& scope) {
  std::vector<at::Tensor> all = {x};
  for (int i = 1; i < kConvolutions; ++i) {
    const Scope convolution = scope.Below(absl::StrCat("conv", i));
    all.push_back(at::leaky_relu(Conv(at::cat(all, 1), convolution), kSlope));
  }
  return x + Conv(at::cat(all, 1), scope.Below(absl::StrCat("conv", kConvolutions))) * kResidual;
}

at::Tensor Twice(const at::Tensor& x) {
  return at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)});
}

}  // namespace

absl::StatusOr<RrdbNet> RrdbNet::Create(const Safetensors& file) {
  const auto rows = [&](const std::string& name) -> int64_t {
    const auto found = file.tensors().find(name);
    return found == file.tensors().end() || found->second.shape.empty() ? 0
                                                                        : found->second.shape[0];
  };
  RrdbNet out;
  while (rows(absl::StrCat("body.", out.blocks_, ".rdb1.conv1.weight")) > 0) ++out.blocks_;
  HIIF_ASSIGN_OR_RETURN(
      out.parameters_,
      ReadParameters(file, RrdbShapes(rows("conv_first.weight"), rows("body.0.rdb1.conv1.weight"),
                                      out.blocks_)));
  return out;
}

at::Tensor RrdbNet::Enlarge(const at::Tensor& image) const {
  const auto layer = [&](const at::Tensor& x, const std::string& name) {
    return Conv(x, Scope(parameters_, name + "."));
  };
  const at::Tensor first = layer(image * 0.5 + 0.5, "conv_first");
  at::Tensor x = first;
  for (int64_t block = 0; block < blocks_; ++block) {
    const Scope scope(parameters_, absl::StrCat("body.", block, "."));
    at::Tensor y = x;
    for (const char* dense : {"rdb1", "rdb2", "rdb3"}) y = Dense(y, scope.Below(dense));
    x = x + y * kResidual;
  }
  x = first + layer(x, "conv_body");
  x = at::leaky_relu(layer(Twice(x), "conv_up1"), kSlope);
  x = at::leaky_relu(layer(Twice(x), "conv_up2"), kSlope);
  x = layer(at::leaky_relu(layer(x, "conv_hr"), kSlope), "conv_last");
  return x.clamp(0, 1);
}

}  // namespace hiif::train
