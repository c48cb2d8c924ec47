// The tiles of one Upscale: computed in strips by the workers, taken in order by the handler; or
// made into a file by the workers, whose bytes the handler takes.
#ifndef SERVER_CORE_UPSCALE_WORK_H_
#define SERVER_CORE_UPSCALE_WORK_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/core/encoded_file.h"
#include "server/core/image_work.h"
#include "server/core/plan.h"
#include "server/core/strips.h"

namespace hiif::server {

// A tile is cut into strips of rows, so that a worker is free again soon whatever the tile's size:
// piece p of the final stage is strip p % strips of tile first_tile + p / strips. At most
// `tiles_ahead` tiles are computed or under way beyond those the handler took.
//
// With plan.file, whichever worker completes the next tile puts it into the file, and with it
// those behind it that are complete. Formats that are written whole are encoded in a stage of their
// own behind the tiles. What the handler has not taken yet holds the tiles back.
class UpscaleWork : public ImageWork {
 public:
  UpscaleWork(const WorkEnvironment& environment, WorkInput input, Plan plan, int tiles_ahead);

  // Client samples of tile `index`, once; tiles are taken in order.
  absl::StatusOr<std::string> TakeTile(int64_t index, const Call& call);
  // That the caller has sent the last tile. Until then they count as this job's.
  void TilesSent();
  // Or, with plan.file, the next bytes of the file; empty: there are no more.
  absl::StatusOr<std::string> TakeBytes(const Call& call);
  // Output pixels that are in the file so far.
  int64_t FilePixels();
  // What of the picture's metadata the file does not hold; complete once bytes have come.
  std::vector<std::string> FileWarnings();

  // Host memory of this request beside the bytes the client sent.
  int64_t Bytes() const;

  std::optional<RenderTile> PrepareTile(int stage, int64_t piece) override;
  absl::Status FinishTile(int stage, int64_t piece) override;

 protected:
  scheduling::Stage FinalStage() override;
  absl::Status RunFinal(int64_t piece) override;
  std::optional<scheduling::Stage> LastStage() override;
  absl::Status RunLast(int64_t piece) override;

 private:
  struct Output {
    std::string samples;
    int64_t strips_left = 0;
  };

  // Of the encoded file.
  struct FileBytes {
    std::string pending;     // encoded, not taken
    int64_t uncredited = 0;  // strips of tiles in the file, which hold others back until then
    int64_t pixels = 0;
    bool busy = false;  // a worker encodes
    bool done = false;
    std::vector<std::string> warnings;
  };

  absl::Status Compose(const Strip& strip, absl::Span<const float> network);
  // Puts complete tiles into the file, unless another worker is at it.
  absl::Status EncodeTiles();
  void Publish(std::string bytes, int64_t strips, int64_t pixels, bool done);

  const Plan plan_;
  const int64_t tiles_ahead_;
  const Strips strips_;
  std::map<int64_t, Output> outputs_ ABSL_GUARDED_BY(mutex_);
  FileBytes bytes_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<EncodedFile> file_;  // of the worker that is at it
  int64_t next_tile_ = 0;              // of the file; likewise
  // Network values of pieces that run in a shared call; a failed one leaves its entry, which the
  // end of the job frees.
  std::map<int64_t, std::vector<float>> shared_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hiif::server

#endif  // SERVER_CORE_UPSCALE_WORK_H_
