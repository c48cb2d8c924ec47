// The machine's own peak: oneDNN's matmul of 1024 x 256 x 256 without post-ops, one thread a core,
// all at once. Prints one JSON object, GFLOP/s of float32 and bfloat16 (0 where the processor has
// no bfloat16 products).
#include <omp.h>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <dnnl.hpp>
#include <thread>
#include <vector>

namespace {

constexpr int64_t kRows = 1024;
constexpr int64_t kInner = 256;
constexpr int64_t kColumns = 256;
constexpr double kFlops = 2.0 * kRows * kInner * kColumns;

// GFLOP/s of one thread that multiplies for `seconds`, after the others have begun.
double Measure(dnnl::memory::data_type type, double seconds, std::atomic<int>* waiting) {
  using dnnl::memory;
  omp_set_num_threads(1);  // of this thread's own teams; the environment was read at the start
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const memory::desc x({kRows, kInner}, type, memory::format_tag::ab);
  const memory::desc any({kInner, kColumns}, type, memory::format_tag::any);
  const memory::desc y({kRows, kColumns}, memory::data_type::f32, memory::format_tag::ab);
#if DNNL_VERSION_MAJOR >= 3
  const dnnl::matmul::primitive_desc description(engine, x, any, y);
#else
  const dnnl::matmul::primitive_desc description(dnnl::matmul::desc(x, any, y), engine);
#endif
  const dnnl::matmul matmul(description);
  memory xs(x, engine);
  memory weights(description.weights_desc(), engine);
  memory ys(y, engine);
  std::fill_n(static_cast<char*>(xs.get_data_handle()), x.get_size(), 0);
  std::fill_n(static_cast<char*>(weights.get_data_handle()), weights.get_desc().get_size(), 0);
  const std::unordered_map<int, memory> arguments = {
      {DNNL_ARG_SRC, xs}, {DNNL_ARG_WEIGHTS, weights}, {DNNL_ARG_DST, ys}};
  for (int i = 0; i < 10; ++i) matmul.execute(stream, arguments);
  stream.wait();
  --*waiting;
  while (*waiting > 0) std::this_thread::yield();
  const auto start = std::chrono::steady_clock::now();
  int64_t runs = 0;
  double elapsed = 0;
  while (elapsed < seconds) {
    for (int i = 0; i < 20; ++i) matmul.execute(stream, arguments);
    stream.wait();
    runs += 20;
    elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  return static_cast<double>(runs) * kFlops / elapsed * 1e-9;
}

double OnAll(dnnl::memory::data_type type, int threads, double seconds) {
  std::vector<double> results(threads);
  std::vector<std::thread> workers;
  std::atomic<int> waiting = threads;
  for (int i = 0; i < threads; ++i)
    workers.emplace_back([&, i] { results[i] = Measure(type, seconds, &waiting); });
  for (auto& worker : workers) worker.join();
  double sum = 0;
  for (const double result : results) sum += result;
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1
                          ? std::atoi(argv[1])
                          : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  const double seconds = argc > 2 ? std::atof(argv[2]) : 2.0;
  const double float32 = OnAll(dnnl::memory::data_type::f32, threads, seconds);
  const bool has_bfloat16 = __builtin_cpu_supports("avx512bf16") != 0;
  const double bfloat16 = has_bfloat16 ? OnAll(dnnl::memory::data_type::bf16, threads, seconds) : 0;
  std::printf("{\"threads\": %d, \"float32_gflops\": %.1f, \"bfloat16_gflops\": %.1f}\n", threads,
              float32, bfloat16);
  return 0;
}
