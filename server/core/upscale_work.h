// The tiles of one Upscale: computed in strips by the workers, taken in order by the handler.
#ifndef SERVER_CORE_UPSCALE_WORK_H_
#define SERVER_CORE_UPSCALE_WORK_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/core/image_work.h"
#include "server/core/plan.h"
#include "server/core/strips.h"

namespace hiif::server {

// A tile is cut into strips of rows, so that a worker is free again soon whatever the tile's size:
// piece p of the final stage is strip p % strips of tile first_tile + p / strips. At most
// `tiles_ahead` tiles are computed or under way beyond those the handler took.
class UpscaleWork : public ImageWork {
 public:
  UpscaleWork(const WorkEnvironment& environment, WorkInput input, Plan plan, int tiles_ahead);

  // Client samples of tile `index`, once; tiles are taken in order.
  absl::StatusOr<std::string> TakeTile(int64_t index, const Call& call);

  // Host memory of this request beside the bytes the client sent.
  int64_t Bytes() const;

  std::optional<RenderTile> PrepareTile(int stage, int64_t piece) override;
  absl::Status FinishTile(int stage, int64_t piece) override;

 protected:
  scheduling::Stage FinalStage() override;
  absl::Status RunFinal(int64_t piece) override;

 private:
  struct Output {
    std::string samples;
    int64_t strips_left = 0;
  };

  absl::Status Compose(const Strip& strip, absl::Span<const float> network);

  const Plan plan_;
  const int64_t tiles_ahead_;
  const Strips strips_;
  std::map<int64_t, Output> outputs_ ABSL_GUARDED_BY(mutex_);
  // Network values of pieces that run in a shared call; a failed one leaves its entry, which the
  // end of the job frees.
  std::map<int64_t, std::vector<float>> shared_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hiif::server

#endif  // SERVER_CORE_UPSCALE_WORK_H_
