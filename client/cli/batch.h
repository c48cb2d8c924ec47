// Many files at a time.
#ifndef CLIENT_CLI_BATCH_H_
#define CLIENT_CLI_BATCH_H_

#include <cstdint>
#include <functional>
#include <stop_token>

namespace hiif::cli {

// Calls work(i) for i = 0 ... count-1 on `threads` threads, begun in that order, until a stop is
// requested; not_tried(i) for those that were not begun. Returns when all have ended.
void RunInOrder(int64_t count, int threads, std::stop_token stop,
                const std::function<void(int64_t)>& work,
                const std::function<void(int64_t)>& not_tried);

}  // namespace hiif::cli

#endif  // CLIENT_CLI_BATCH_H_
