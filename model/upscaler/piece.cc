#include "model/upscaler/piece.h"

namespace hiif {

hiif::Query Piece::RectangleQuery(int64_t y, int64_t x) const {
  const AxisTable& rows = positions->rows;
  const AxisTable& columns = positions->columns;
  const int64_t row0 = rows.index[0][region.y];
  const int64_t column0 = columns.index[0][region.x];
  const int64_t width = columns.index[1][region.x + region.width - 1] - column0 + 1;
  hiif::Query query = positions->At(y, x);
  for (int k = 0; k < 4; ++k) {
    query.neighbour[k] = static_cast<int32_t>((rows.index[k / 2][y] - row0) * width +
                                              columns.index[k % 2][x] - column0);
  }
  return query;
}

void Piece::AskRectangle(bool tables) {
  if (positions->by_points()) {
    points.reserve(region.pixels());
    for (int64_t y = region.y; y < region.y + region.height; ++y) {
      for (int64_t x = region.x; x < region.x + region.width; ++x) {
        points.push_back(positions->PointAt(y, x));
      }
    }
    return;
  }
  const AxisTable& rows = positions->rows;
  const AxisTable& columns = positions->columns;
  for (int64_t row = rows.index[0][region.y]; row <= rows.index[1][region.y + region.height - 1];
       ++row) {
    for (int64_t column = columns.index[0][region.x];
         column <= columns.index[1][region.x + region.width - 1]; ++column) {
      pixels.push_back(static_cast<PixelIndex>(row * columns.low + column));
    }
  }
  by_tables = tables;
  if (by_tables) return;
  queries.reserve(region.pixels());
  for (int64_t y = region.y; y < region.y + region.height; ++y) {
    for (int64_t x = region.x; x < region.x + region.width; ++x) {
      queries.push_back(RectangleQuery(y, x));
    }
  }
}

void Piece::AskAnywhere(int64_t count) {
  if (positions->by_points()) {
    for (int64_t i = 0; i < count; ++i) {
      points.push_back(positions->PointAt(RowOf(i), ColumnOf(i)));
    }
    return;
  }
  for (int64_t i = 0; i < count; ++i) queries.push_back(positions->At(RowOf(i), ColumnOf(i)));
  pixels = GatherNeighbours(absl::MakeSpan(queries));
}

}  // namespace hiif
