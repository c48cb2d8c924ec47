#include "eval/recorded_indices.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/decoders/clit_grid.h"
#include "model/decoders/decoder.h"
#include "model/layers/axis_position.h"

namespace hiif::eval {
namespace {

// What the recording of a decoder lists for one position; the window of CLIT is on `position`'s
// own grid.
std::vector<int64_t> IndicesAt(const std::string& decoder, const AxisPosition& position) {
  if (decoder == "metasr") return {EdgeAt(position).index};
  if (decoder == "ciaosr") {
    const StepPosition step = StepAt(position);
    return {step.centre, step.index[0], step.index[1]};
  }
  if (decoder == "clit") {
    std::array<int64_t, 1> index;
    std::array<float, 1> distance;
    return {WindowAt(position, 0, absl::MakeSpan(index), absl::MakeSpan(distance))};
  }
  const PairPosition pair = PairAt(position);
  return {pair.index[0], pair.index[1]};
}

// Adds to `wrong`, which is -1 before the first tensor that is there.
void Compare(const Safetensors& recorded, const std::string& name, const ModelConfig& config,
             int64_t low, int64_t high, int64_t& wrong) {
  const auto found = recorded.tensors().find(name);
  if (found == recorded.tensors().end()) return;
  wrong = std::max<int64_t>(wrong, 0);
  const TensorView& tensor = found->second;
  for (int64_t i = 0; i < high; ++i) {
    const std::vector<int64_t> ours =
        IndicesAt(config.decoder->name(), {config.coordinates, low, high, static_cast<double>(i)});
    const auto rows = static_cast<int64_t>(ours.size());
    if (tensor.type != TensorType::kU8 || tensor.elements() != rows * high) {
      wrong += rows * high;
      return;
    }
    for (int64_t k = 0; k < rows; ++k) wrong += ours[k] != tensor.bytes[k * high + i];
  }
}

}  // namespace

int64_t WrongIndices(const Safetensors& recorded, const ModelConfig& config, Grid low, Grid high) {
  int64_t wrong = -1;
  Compare(recorded, "index_rows", config, low.height, high.height, wrong);
  Compare(recorded, "index_cols", config, low.width, high.width, wrong);
  if (config.decoder->name() != "clit") return wrong;
  for (int stage = 0; recorded.tensors().contains(absl::StrCat("index_rows_stage", stage + 1));
       ++stage) {
    const Grid grid = ClitStageGrid(low, high, stage);
    Compare(recorded, absl::StrCat("index_rows_stage", stage + 1), config, grid.height, high.height,
            wrong);
    Compare(recorded, absl::StrCat("index_cols_stage", stage + 1), config, grid.width, high.width,
            wrong);
  }
  return wrong;
}

}  // namespace hiif::eval
