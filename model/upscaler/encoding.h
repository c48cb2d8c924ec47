// Internal to model/upscaler: an image through an engine's encoder, in blocks that any thread takes
// in any order; behind them the parts of what is made of all latent codes (Engine::parts()).
#ifndef MODEL_UPSCALER_ENCODING_H_
#define MODEL_UPSCALER_ENCODING_H_

#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "model/engine/engine.h"
#include "model/upscaler/piece.h"
#include "model/upscaler/upscaler.h"

namespace hiif {

// A part needs every block: it encodes those that nobody has begun, and waits for those that others
// have. So every order of blocks ends.
class BlockEncoding : public Encoding {
 public:
  // `engine` outlives it.
  BlockEncoding(const Engine& engine, std::shared_ptr<const RgbImage> image);

  int blocks() const override { return encoded_ + parts_; }
  absl::Status EncodeBlock(int block, int threads, const Heartbeat& beat) override;
  absl::StatusOr<std::shared_ptr<const Features>> Finish() override;

 private:
  enum class State : char { kFree, kTaken, kDone };

  // Nothing where another call has taken the block, or it is done.
  absl::Status Once(int block, int threads, const Heartbeat& beat);
  absl::Status EncodeAll(int threads, const Heartbeat& beat);
  // Of the first `count` blocks.
  bool Have(State state, int count) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const Engine& engine_;
  const EncodingPlan plan_;
  const int encoded_;  // blocks of the encoder
  const int parts_;
  std::shared_ptr<EngineFeatures> features_;
  absl::Mutex mutex_;
  absl::CondVar changed_;
  std::vector<State> state_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace hiif

#endif  // MODEL_UPSCALER_ENCODING_H_
