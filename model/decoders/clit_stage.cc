#include "model/decoders/clit_stage.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"

namespace hiif {
namespace {

// Numbers things as they are met.
class Numbering {
 public:
  // Of place (row, column) of a grid; -1 outside.
  int64_t Of(Grid grid, int64_t row, int64_t column) {
    if (row < 0 || column < 0 || row >= grid.height || column >= grid.width) return -1;
    const auto [entry, added] = numbers_.try_emplace(row * grid.width + column, order_.size());
    if (added) order_.push_back({row, column});
    return entry->second;
  }
  struct Place {
    int64_t row;
    int64_t column;
  };
  const std::vector<Place>& order() const { return order_; }

 private:
  absl::flat_hash_map<int64_t, int64_t> numbers_;
  std::vector<Place> order_;
};

AxisPosition On(const AxisPosition& position, int64_t low) {
  return {position.mode, low, position.high, position.pixel};
}

// Weights of the four corners (--, -+, +-, ++) of a bilinear sample.
void AppendWeights(float row, float column, std::vector<float>& out) {
  out.insert(out.end(), {(1.0f - row) * (1.0f - column), (1.0f - row) * column,
                         row * (1.0f - column), row * column});
}

// The samples of the features that the neighbourhoods of `pixels` hold.
void AddSamples(ClitStage& stage, int t, CoordinateMode mode, Grid low, const Numbering& pixels,
                const at::Tensor& like) {
  Numbering samples;
  std::vector<int64_t> patch;
  for (const auto [row, column] : pixels.order()) {
    for (int k = 0; k < 9; ++k) {
      patch.push_back(samples.Of(stage.grid, row + k / 3 - 1, column + k % 3 - 1));
    }
  }
  auto count = static_cast<int64_t>(pixels.order().size());
  const std::vector<int64_t> last(patch.end() - 9, patch.end());
  for (; count % kRows != 0; ++count) patch.insert(patch.end(), last.begin(), last.end());
  stage.patch = IndexTensor(patch, {count, 9}, like);
  std::vector<int64_t> index;
  std::vector<float> weight;
  for (const auto [row, column] : samples.order()) {
    if (t == 0) {
      index.push_back(row * low.width + column);
      continue;
    }
    const BilinearPosition r =
        BilinearAt({mode, low.height, stage.grid.height, static_cast<double>(row)});
    const BilinearPosition c =
        BilinearAt({mode, low.width, stage.grid.width, static_cast<double>(column)});
    for (int k = 0; k < 4; ++k) {
      const int64_t y = r.lower + k / 2;
      const int64_t x = c.lower + k % 2;
      const bool inside = y >= 0 && x >= 0 && y < low.height && x < low.width;
      index.push_back(inside ? y * low.width + x : -1);
    }
    AppendWeights(r.fraction, c.fraction, weight);
  }
  const std::vector<int64_t> read = UniquePixels(index);
  stage.pixels = IndexTensor(read, {static_cast<int64_t>(read.size())}, like);
  const auto size = static_cast<int64_t>(samples.order().size());
  stage.sample_index = IndexTensor(index, {size, t == 0 ? 1 : 4}, like);
  if (t > 0) stage.sample_weight = FloatTensor(weight, {size, 4, 1}, like);
}

}  // namespace

ClitStage MakeClitStage(int t, int radius, absl::Span<const QueryPoint> points,
                        const at::Tensor& like) {
  const AxisPosition& row_axis = points.front().row;
  const AxisPosition& column_axis = points.front().column;
  const Grid low{row_axis.low, column_axis.low};
  ClitStage stage;
  stage.grid = ClitStageGrid(low, {row_axis.high, column_axis.high}, t);
  const int side = 2 * radius + 1;
  const auto count = static_cast<int64_t>(points.size());
  Numbering pixels;
  std::vector<int64_t> keys, corners, row_index(side), column_index(side), window;
  std::vector<float> row_distance, column_distance, weights, cell;
  row_distance.resize(count * side);
  column_distance.resize(count * side);
  int64_t last_row = -1;
  int64_t last_column = -1;
  for (int64_t q = 0; q < count; ++q) {
    const AxisPosition row = On(points[q].row, stage.grid.height);
    const AxisPosition column = On(points[q].column, stage.grid.width);
    const int64_t centre_row = WindowAt(row, radius, absl::MakeSpan(row_index),
                                        absl::MakeSpan(row_distance).subspan(q * side, side));
    const int64_t centre_column = WindowAt(column, radius, absl::MakeSpan(column_index),
                                           absl::MakeSpan(column_distance).subspan(q * side, side));
    if (centre_row != last_row || centre_column != last_column) {
      window.clear();
      for (const int64_t y : row_index) {
        for (const int64_t x : column_index) window.push_back(pixels.Of(stage.grid, y, x));
      }
      last_row = centre_row;
      last_column = centre_column;
    }
    keys.insert(keys.end(), window.begin(), window.end());
    const BilinearPosition r = BilinearAt(row);
    const BilinearPosition c = BilinearAt(column);
    for (int k = 0; k < 4; ++k) {
      corners.push_back(pixels.Of(stage.grid, r.lower + k / 2, c.lower + k % 2));
    }
    AppendWeights(r.fraction, c.fraction, weights);
    cell.push_back(CellOf(row.low, row.high, 0));
    cell.push_back(CellOf(column.low, column.high, 0));
  }
  stage.key = IndexTensor(keys, {count, int64_t{side} * side}, like);
  stage.row_distance = FloatTensor(row_distance, {count, side}, like);
  stage.column_distance = FloatTensor(column_distance, {count, side}, like);
  stage.corner = IndexTensor(corners, {count, 4}, like);
  stage.corner_weight = FloatTensor(weights, {count, 4, 1}, like);
  stage.cell = FloatTensor(cell, {count, 2}, like);
  AddSamples(stage, t, row_axis.mode, low, pixels, like);
  return stage;
}

}  // namespace hiif
