// Google Benchmark of the fused decoder's products: GFLOP/s of one core, of the sizes that the
// decoder uses, of float32 factors (0), bfloat16 (1) and by AMX (2) where there is any.
// `hiif-bench-kernels --benchmark_filter=...`.
#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "model/kernels/gemm.h"

namespace hiif::kernels {
namespace {

constexpr Number kNumbers[] = {Number::kFloat32, Number::kBFloat16, Number::kAmxBFloat16};

AlignedVector<float> Random(int64_t count) {
  std::mt19937 engine(1);
  std::uniform_real_distribution<float> distribution(-0.5f, 0.5f);
  AlignedVector<float> values(count);
  for (float& value : values) value = distribution(engine);
  return values;
}

// Rows, inputs, outputs and number are the arguments; what `multiply` does after the product is in
// the time, so is packing: of inputs, and by AMX of the result.
template <typename Multiply>
void Run(benchmark::State& state, const Multiply& multiply) {
  const int64_t rows = PadRows(state.range(0));
  const int inputs = static_cast<int>(state.range(1));
  const int outputs = static_cast<int>(state.range(2));
  const Number number = kNumbers[state.range(3)];
  const bool amx = number.layout == Layout::kTiles;
  if (amx && !HasAmx()) {
    state.SkipWithError("no AMX");
    return;
  }
  const PackedMatrix weights(Random(int64_t{inputs} * outputs), outputs, inputs, inputs, number);
  const AlignedVector<float> x = Random(rows * inputs);
  const AlignedVector<float> bias = Random(weights.padded_outputs());
  AlignedVector<float> y(rows * weights.padded_outputs());
  AlignedVector<uint32_t> packed(PackedRows(number, rows) * inputs);
  AlignedVector<uint32_t> packed_y(rows * outputs);
  PackRows(x.data(), inputs, rows, inputs, number, packed.data());
  const Product product = {&weights,
                           rows,
                           packed.data(),
                           amx ? nullptr : y.data(),
                           weights.padded_outputs(),
                           amx ? packed_y.data() : nullptr};
  for (auto _ : state) {
    if (!amx) PackRows(x.data(), inputs, rows, inputs, number, packed.data());
    multiply(product, bias.data());
    benchmark::DoNotOptimize(y.data());
    benchmark::DoNotOptimize(packed_y.data());
    benchmark::ClobberMemory();
  }
  state.SetLabel(NumberName(number));
  state.counters["GFLOP/s"] =
      benchmark::Counter(2e-9 * static_cast<double>(rows * inputs * outputs),
                         benchmark::Counter::kIsIterationInvariantRate);
}

void Bias(benchmark::State& state) {
  Run(state, [](const Product& product, const float* bias) { MultiplyBias(product, bias, {}); });
}

void Gelu(benchmark::State& state) {
  Run(state, [](const Product& product, const float* bias) { MultiplyGelu(product, bias); });
}

// As a level of the decoder does: LayerNorm folded in, GELU after it.
void NormGelu(benchmark::State& state) {
  const int64_t rows = PadRows(state.range(0));
  const std::vector<float> ones(rows, 1.0f);
  const AlignedVector<float> column_sum = Random(state.range(2) + 2 * kPanelColumns);
  const std::vector<float> zeros(state.range(2) + 2 * kPanelColumns, 0.0f);
  const std::vector<const float*> extra(rows, zeros.data());
  Run(state, [&](const Product& product, const float* bias) {
    MultiplyNormGelu(product, {ones.data(), ones.data(), extra.data(), column_sum.data(), bias});
  });
}

// Half of the multiplications; counted as all of them.
void Triangle(benchmark::State& state) {
  std::vector<float> squares(PadRows(state.range(0)));
  Run(state, [&](const Product& product, const float* bias) {
    TriangleSquares(product, bias, squares.data());
  });
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  for (const int64_t number : {0, 1, 2})
    for (const int64_t rows : {96, 384})
      for (const int64_t columns : {128, 256}) benchmark->Args({rows, columns, columns, number});
}

BENCHMARK(Bias)->Apply(Sizes);
BENCHMARK(Gelu)->Apply(Sizes);
BENCHMARK(NormGelu)->Apply(Sizes);
BENCHMARK(Triangle)->Apply(Sizes);

}  // namespace
}  // namespace hiif::kernels

BENCHMARK_MAIN();
