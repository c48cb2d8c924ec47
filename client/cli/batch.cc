#include "client/cli/batch.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace hiif::cli {

void RunInOrder(int64_t count, int threads, std::stop_token stop,
                const std::function<void(int64_t)>& work,
                const std::function<void(int64_t)>& not_tried) {
  std::atomic<int64_t> next = 0;
  const auto run = [&] {
    for (int64_t i = next++; i < count; i = next++) {
      if (stop.stop_requested()) {
        not_tried(i);
      } else {
        work(i);
      }
    }
  };
  std::vector<std::jthread> workers;
  for (int t = 1; t < std::min<int64_t>(threads, count); ++t) workers.emplace_back(run);
  run();
}

}  // namespace hiif::cli
