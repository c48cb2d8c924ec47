// Parts of a layer at a time, on LibTorch's threads between operations (at::parallel_for is
// compiled to one thread outside of LibTorch).
#ifndef MODEL_LAYERS_PARALLEL_H_
#define MODEL_LAYERS_PARALLEL_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>

namespace hiif {

// run(0) ... run(count - 1), at most `at_once` and at::get_num_threads() of them at a time, on this
// thread and others, which work as this one does (without a gradient, in inference mode).
// LibTorch's operations in run() have one thread each, so that sums do not depend on how many there
// are. The first exception ends what has not begun and is thrown here when nothing runs any more.
void InParallel(int64_t count, int64_t at_once, const std::function<void(int64_t)>& run);

// make(), where it is too little for several.
at::Tensor OnOneThread(const std::function<at::Tensor()>& make);

}  // namespace hiif

#endif  // MODEL_LAYERS_PARALLEL_H_
