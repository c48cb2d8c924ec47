#include "model/decoders/decoder.h"

namespace hiif {

QueryTensors MakeQueries(const AxisTable& rows, const AxisTable& columns,
                         absl::Span<const TablePosition> positions, std::array<float, 2> cell) {
  const int64_t count = static_cast<int64_t>(positions.size());
  const int64_t levels = rows.levels;
  QueryTensors queries;
  queries.neighbour = at::empty({1, count, 4}, at::kLong);
  queries.weight = at::empty({1, count, 4}, at::kFloat);
  queries.distance = at::empty({1, count, 4, 2}, at::kFloat);
  queries.bits = at::empty({1, count, levels, 2}, at::kFloat);
  queries.local = at::empty({1, count, 2}, at::kFloat);
  queries.cell = at::empty({1, 2}, at::kFloat);
  queries.cell.data_ptr<float>()[0] = cell[0];
  queries.cell.data_ptr<float>()[1] = cell[1];
  int64_t* neighbour = queries.neighbour.data_ptr<int64_t>();
  float* weight = queries.weight.data_ptr<float>();
  float* distance = queries.distance.data_ptr<float>();
  float* bits = queries.bits.data_ptr<float>();
  float* local = queries.local.data_ptr<float>();
  for (const auto [row, column] : positions) {
    const std::array<float, 4> weights = EnsembleWeights(rows, row, columns, column);
    for (int k = 0; k < 4; ++k) {
      *neighbour++ = rows.index[k / 2][row] * columns.low + columns.index[k % 2][column];
      *weight++ = weights[k];
      *distance++ = rows.distance[k / 2][row];
      *distance++ = columns.distance[k % 2][column];
    }
    for (int level = 0; level < levels; ++level) {
      *bits++ = static_cast<float>(rows.bit(level, row));
      *bits++ = static_cast<float>(columns.bit(level, column));
    }
    *local++ = rows.local[row];
    *local++ = columns.local[column];
  }
  return queries;
}

at::Tensor SampleResidual(const at::Tensor& image, const AxisTable& rows, const AxisTable& columns,
                          absl::Span<const TablePosition> positions) {
  const at::Tensor source = image.squeeze(0).to(at::kFloat).contiguous();
  const float* values = source.data_ptr<float>();
  const int64_t height = source.size(1);
  const int64_t width = source.size(2);
  at::Tensor out = at::empty({static_cast<int64_t>(positions.size()), 3}, at::kFloat);
  float* result = out.data_ptr<float>();
  for (const auto [row, column] : positions) {
    const int64_t r0 = rows.sample[row];
    const int64_t c0 = columns.sample[column];
    const int64_t r1 = std::min(r0 + 1, height - 1);
    const int64_t c1 = std::min(c0 + 1, width - 1);
    const float fr = rows.fraction[row];
    const float fc = columns.fraction[column];
    for (int channel = 0; channel < 3; ++channel) {
      const float* plane = values + channel * height * width;
      *result++ = plane[r0 * width + c0] * (1 - fr) * (1 - fc) +
                  plane[r0 * width + c1] * (1 - fr) * fc + plane[r1 * width + c0] * fr * (1 - fc) +
                  plane[r1 * width + c1] * fr * fc;
    }
  }
  return out;
}

}  // namespace hiif
