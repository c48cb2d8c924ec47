#include "server/core/query_work.h"

#include <algorithm>
#include <utility>

#include "absl/types/span.h"
#include "base/status_macros.h"
#include "base/steady_now.h"

namespace hiif::server {
namespace {

int64_t Pieces(int64_t coordinates) {
  return (coordinates + QueryWork::kPieceCoordinates - 1) / QueryWork::kPieceCoordinates;
}

// Pieces run at once, each as large as a tile's.
WorkInput OfPieces(WorkInput input, int64_t pieces) {
  input.region = {0, 0, MemoryFootprint::kTilePixels, pieces};
  return input;
}

}  // namespace

QueryWork::QueryWork(const WorkEnvironment& environment, WorkInput input, Cell cell,
                     std::vector<Coordinate> coordinates)
    : ImageWork(environment,
                OfPieces(std::move(input), Pieces(static_cast<int64_t>(coordinates.size())))),
      cell_(cell),
      coordinates_(std::move(coordinates)),
      rgb_(coordinates_.size() * 3),
      pieces_left_(Pieces(static_cast<int64_t>(coordinates_.size()))) {}

int64_t QueryWork::Bytes() const {
  return PreparationBytes() +
         static_cast<int64_t>(coordinates_.size() * (sizeof(Coordinate) + 3 * sizeof(float)));
}

scheduling::Stage QueryWork::FinalStage() {
  scheduling::Stage stage;
  stage.name = StageName(Stage::kQuery);
  const auto all = static_cast<int64_t>(coordinates_.size());
  std::vector<int64_t> costs;
  for (int64_t begin = 0; begin < all; begin += kPieceCoordinates)
    costs.push_back(std::min(kPieceCoordinates, all - begin) * variants());
  stage.costs = std::move(costs);
  return stage;
}

absl::Status QueryWork::RunFinal(int64_t piece) {
  if (cancelled()) return absl::CancelledError("cancelled");
  const absl::Time start = SteadyNow();
  const int64_t begin = piece * kPieceCoordinates;
  const auto part = absl::MakeConstSpan(coordinates_).subspan(begin, kPieceCoordinates);
  const auto rgb = absl::MakeSpan(rgb_).subspan(begin * 3, part.size() * 3);
  HIIF_RETURN_IF_ERROR(
      WithRoom([&] { return upscaler().Query(*features_, *context_, cell_, part, rgb); }));
  for (float& value : rgb) value = ToUnit(value);
  AddTime(Stage::kQuery, SteadyNow() - start);
  absl::MutexLock lock(&mutex_);
  if (--pieces_left_ == 0) changed_.SignalAll();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> QueryWork::TakeResult(const Call& call) {
  HIIF_RETURN_IF_ERROR(
      WaitUntil(call, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return pieces_left_ == 0; }));
  return std::move(rgb_);
}

}  // namespace hiif::server
