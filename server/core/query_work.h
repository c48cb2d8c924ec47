// The coordinates of one Query, computed in pieces by the workers.
#ifndef SERVER_CORE_QUERY_WORK_H_
#define SERVER_CORE_QUERY_WORK_H_

#include <cstdint>
#include <vector>

#include "server/core/image_work.h"

namespace hiif::server {

class QueryWork : public ImageWork {
 public:
  QueryWork(const WorkEnvironment& environment, WorkInput input, Cell cell,
            std::vector<Coordinate> coordinates);

  // R, G, B in [0,1] of each coordinate; once, after Submit().
  absl::StatusOr<std::vector<float>> TakeResult(const Call& call);

  int64_t Bytes() const;
  // Coordinates of a piece.
  static constexpr int64_t kPieceCoordinates = 4096;

 protected:
  scheduling::Stage FinalStage() override;
  absl::Status RunFinal(int64_t piece) override;

 private:
  const Cell cell_;
  const std::vector<Coordinate> coordinates_;
  std::vector<float> rgb_;  // each piece writes its own part
  int64_t pieces_left_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hiif::server

#endif  // SERVER_CORE_QUERY_WORK_H_
