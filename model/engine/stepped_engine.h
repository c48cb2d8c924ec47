// Internal to model/engine: an engine that makes a context's attention in steps whose rows lie in
// the host's memory.
#ifndef MODEL_ENGINE_STEPPED_ENGINE_H_
#define MODEL_ENGINE_STEPPED_ENGINE_H_

#include <memory>
#include <vector>

#include "model/engine/engine.h"

namespace hiif {

class SteppedEngine : public Engine {
 public:
  std::unique_ptr<Attention> MakeAttention(int64_t count, SampleOf sample,
                                           const Heartbeat& beat) const final;

 protected:
  // Width of a row of Begin().
  virtual int width() const = 0;
  virtual std::unique_ptr<Attention> NewAttention() const = 0;
  // Level 0: group.size() rows of width() values.
  virtual void Begin(const Group& group, float* x) const = 0;
  // Sum over the rows of x of k^T v of an attention block, heads x d x d.
  virtual std::vector<double> ContextSum(int block, const float* x, int64_t rows) const = 0;
  // Adds the next block, whose mean of k^T v is `kv`.
  virtual void Fold(absl::Span<const double> kv, Attention& attention) const = 0;
  // Attention block `block` of rows of x, in place.
  virtual void Attend(int block, const Attention& attention, int64_t rows, float* x) const = 0;
};

}  // namespace hiif

#endif  // MODEL_ENGINE_STEPPED_ENGINE_H_
