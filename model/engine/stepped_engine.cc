#include "model/engine/stepped_engine.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "model/layers/layers.h"

namespace hiif {
namespace {

// Rows between two beats: a multiple of the rows that each engine takes at once (96, 1,024), so
// that these are the same as without.
constexpr int64_t kStep = 15360;

// f(begin, rows) for all rows, a beat before each.
template <class F>
void ForEachStep(int64_t count, const Heartbeat& beat, const F& f) {
  for (int64_t begin = 0; begin < count; begin += kStep) {
    Beat(beat);
    f(begin, std::min(kStep, count - begin));
  }
}

}  // namespace

std::unique_ptr<Engine::Attention> SteppedEngine::MakeAttention(int64_t count, SampleOf sample,
                                                                const Heartbeat& beat) const {
  std::unique_ptr<Attention> attention = NewAttention();
  if (attention_blocks() == 0) return attention;
  const int64_t call = shape().anywhere();
  // Of all output pixels these are gigabytes: not written twice, nor all at once without a beat.
  const auto x = std::make_unique_for_overwrite<float[]>(count * width());
  for (int64_t begin = 0; begin < count; begin += call) {
    Beat(beat);
    Begin(sample(begin, std::min(call, count - begin)), x.get() + begin * width());
  }
  for (int block = 0; block < attention_blocks(); ++block) {
    std::vector<double> kv;
    ForEachStep(count, beat, [&](int64_t begin, int64_t rows) {
      const std::vector<double> sum = ContextSum(block, x.get() + begin * width(), rows);
      kv.resize(sum.size());
      for (size_t i = 0; i < sum.size(); ++i) kv[i] += sum[i];
    });
    for (double& value : kv) value /= static_cast<double>(count);
    Fold(kv, *attention);
    if (block + 1 == attention_blocks()) break;
    ForEachStep(count, beat, [&](int64_t begin, int64_t rows) {
      Attend(block, *attention, rows, x.get() + begin * width());
    });
  }
  return attention;
}

}  // namespace hiif
