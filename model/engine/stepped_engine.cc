#include "model/engine/stepped_engine.h"

#include <algorithm>

namespace hiif {

std::unique_ptr<Engine::Attention> SteppedEngine::MakeAttention(int64_t count,
                                                                SampleOf sample) const {
  std::unique_ptr<Attention> attention = NewAttention();
  if (attention_blocks() == 0) return attention;
  const int64_t call = shape().anywhere();
  std::vector<float> x(count * width());
  for (int64_t begin = 0; begin < count; begin += call) {
    Begin(sample(begin, std::min(call, count - begin)), x.data() + begin * width());
  }
  for (int block = 0; block < attention_blocks(); ++block) {
    std::vector<double> kv = ContextSum(block, x.data(), count);
    for (double& value : kv) value /= static_cast<double>(count);
    Fold(kv, *attention);
    if (block + 1 < attention_blocks()) Attend(block, *attention, count, x.data());
  }
  return attention;
}

}  // namespace hiif
