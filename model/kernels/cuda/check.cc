// hiif-cuda-check: the kernels for a GPU against the same code in plain loops, on random weights,
// without LibTorch: for compute-sanitizer, and to see at once whether a card computes. Exit 0: they
// agree.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "model/kernels/cuda/host_block.h"
#include "model/kernels/cuda/launch.h"

namespace hiif::kernels {
namespace {

void Check(cudaError_t error) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "hiif-cuda-check: %s\n", cudaGetErrorString(error));
  std::exit(1);
}

// Memory of the host, and of the device at the same distances.
class Arena {
 public:
  Arena() : host_(kBytes) { Check(cudaMalloc(&device_, kBytes)); }
  ~Arena() { cudaFree(device_); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  template <class T>
  T* Room(size_t count) {
    T* room = reinterpret_cast<T*>(host_.data() + used_);
    used_ += (count * sizeof(T) + 255) / 256 * 256;
    if (used_ > kBytes) std::abort();
    return room;
  }
  // Of uniform random values in [-scale, scale].
  template <class T>
  T* Random(size_t count, float scale) {
    T* room = Room<T>(count);
    std::uniform_real_distribution<float> value(-scale, scale);
    std::generate_n(room, count, [&] { return T(value(random_)); });
    return room;
  }
  // A pointer into the host's memory as one into the device's.
  template <class T>
  void Move(T*& pointer) const {
    if (pointer == nullptr) return;
    const auto at = reinterpret_cast<const unsigned char*>(pointer) - host_.data();
    pointer = reinterpret_cast<T*>(static_cast<unsigned char*>(device_) + at);
  }
  void Send() { Check(cudaMemcpy(device_, host_.data(), used_, cudaMemcpyHostToDevice)); }
  template <class T>
  std::vector<T> Fetch(const T* room, size_t count) const {
    const T* there = room;
    Move(there);
    std::vector<T> values(count);
    Check(cudaMemcpy(values.data(), there, count * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
  }
  int Below(int bound) { return static_cast<int>(random_() % bound); }

 private:
  static constexpr size_t kBytes = size_t{64} << 20;
  std::vector<unsigned char> host_;
  void* device_ = nullptr;
  size_t used_ = 0;
  std::mt19937 random_{1};
};

constexpr int kChannels = 60;  // so that patches are filled up
constexpr int kHeight = 9, kWidthOfImage = 11, kPixels = kHeight * kWidthOfImage;

template <class T, int width>
DecoderWeights Weights(Arena& arena) {
  const int depth = TileDepth(sizeof(T));
  const float scale = 1.0f / std::sqrt(static_cast<float>(width));
  const auto matrix = [&](int inputs) { return arena.Random<T>(inputs * width, scale); };
  const auto vector = [&](int count) { return arena.Random<float>(count, 0.5f); };
  DecoderWeights weights;
  weights.channels = kChannels;
  weights.patch_inputs = (9 * kChannels + depth - 1) / depth * depth;
  weights.features = width;
  weights.freq = matrix(weights.patch_inputs);
  weights.freq_bias = vector(width);
  for (auto& slot : weights.slots) slot = matrix(width);
  weights.levels = 6;
  weights.attention_blocks = 2;
  for (int i = 0; i < weights.levels; ++i) {
    weights.level[i].extra = vector(5 * width);
    if (i > 0) weights.level[i].fc1 = matrix(width);
    weights.level[i].fc2 = matrix(width);
    weights.level[i].fc2_bias = vector(width);
  }
  for (int i = 0; i < weights.attention_blocks; ++i) {
    weights.proj2[i] = matrix(width);
    weights.proj2_bias[i] = vector(width);
  }
  weights.rgb = arena.Random<float>(3 * width, scale);
  weights.rgb_bias = vector(3);
  return weights;
}

template <class T, int width>
DecoderGroup Group(Arena& arena, const DecoderWeights& weights, int64_t count) {
  DecoderGroup group;
  group.codes = arena.Random<T>(kPixels * kChannels, 1.0f);
  group.height = kHeight;
  group.width = kWidthOfImage;
  auto* pixels = arena.Room<int32_t>(kPixels);
  for (int i = 0; i < kPixels; ++i) pixels[i] = i;
  group.pixels = pixels;
  group.pixel_count = kPixels;
  group.slots = arena.Room<T>(kPixels * 4 * width);
  group.sum = arena.Room<float>(kPixels);
  group.sum_squares = arena.Room<float>(kPixels);
  group.count = count;
  group.cell[0] = group.cell[1] = 0.5f;
  for (int i = 0; i < weights.attention_blocks; ++i) {
    group.projection[i] = arena.Random<T>(width * width, 1.0f / std::sqrt(float{width}));
    group.bias[i] = arena.Random<float>(width, 0.5f);
  }
  group.rgb = arena.Room<float>(count * 3);
  return group;
}

void Scatter(Arena& arena, DecoderGroup& group) {
  auto* queries = arena.Room<DecoderQuery>(group.count);
  for (int64_t i = 0; i < group.count; ++i) {
    for (int k = 0; k < 4; ++k) {
      queries[i].pixel[k] = arena.Below(kPixels);
      queries[i].weight[k] = 0.25f;
    }
    queries[i].row_bits = arena.Below(64);
    queries[i].column_bits = arena.Below(64);
  }
  group.queries = queries;
}

void Tabulate(Arena& arena, DecoderGroup& group, uint32_t row_length) {
  const auto axis = [&](int64_t count, int pixels, int step) {
    auto* entries = arena.Room<DecoderAxis>(count);
    for (int64_t i = 0; i < count; ++i) {
      for (int side = 0; side < 2; ++side) {
        entries[i].place[side] = arena.Below(pixels) * step;
        entries[i].part[side] = 0.5f;
      }
      entries[i].bits = arena.Below(64);
    }
    return entries;
  };
  group.row_length = row_length;
  group.rows = axis(group.count / row_length, kHeight, kWidthOfImage);
  group.columns = axis(row_length, kWidthOfImage, 1);
}

// Largest difference between host and device, of results of about 1.
template <class T, int width, int row_tiles>
double Difference(DecoderValue value) {
  Arena arena;
  DecoderLaunch launch;
  launch.value = value;
  launch.width = width;
  launch.weights = Weights<T, width>(arena);
  constexpr int kGroups = 2;
  auto* groups = arena.Room<DecoderGroup>(kGroups);
  groups[0] = Group<T, width>(arena, launch.weights, 77);
  Scatter(arena, groups[0]);
  groups[1] = Group<T, width>(arena, launch.weights, 20 * 21);
  Tabulate(arena, groups[1], 21);
  ProjectOnHost<HostBlock<T, width, row_tiles / 2>>(launch.weights, groups, kGroups);
  DecodeOnHost<HostBlock<T, width, row_tiles>>(launch.weights, groups, kGroups);
  std::vector<DecoderGroup> host(groups, groups + kGroups);
  std::vector<std::vector<float>> expected;
  for (DecoderGroup& group : host) {
    expected.emplace_back(group.rgb, group.rgb + group.count * 3);
    std::fill_n(group.rgb, group.count * 3, NAN);
    launch.largest_group = std::max(launch.largest_group, group.count);
    launch.largest_pixels = std::max(launch.largest_pixels, group.pixel_count);
  }
  for (int i = 0; i < kGroups; ++i) {
    arena.Move(groups[i].codes), arena.Move(groups[i].pixels), arena.Move(groups[i].slots);
    arena.Move(groups[i].sum), arena.Move(groups[i].sum_squares), arena.Move(groups[i].rgb);
    arena.Move(groups[i].queries), arena.Move(groups[i].rows), arena.Move(groups[i].columns);
    for (auto& projection : groups[i].projection) arena.Move(projection);
    for (auto& bias : groups[i].bias) arena.Move(bias);
  }
  arena.Move(launch.weights.freq), arena.Move(launch.weights.freq_bias);
  for (auto& slot : launch.weights.slots) arena.Move(slot);
  for (DecoderLevel& level : launch.weights.level) {
    arena.Move(level.fc1), arena.Move(level.extra), arena.Move(level.fc2);
    arena.Move(level.fc2_bias);
  }
  for (auto& matrix : launch.weights.proj2) arena.Move(matrix);
  for (auto& bias : launch.weights.proj2_bias) arena.Move(bias);
  arena.Move(launch.weights.rgb), arena.Move(launch.weights.rgb_bias);
  arena.Send();
  const DecoderGroup* there = groups;
  arena.Move(there);
  launch.groups = there;
  launch.group_count = kGroups;
  const std::string error = LaunchDecoder(launch);
  if (!error.empty()) {
    std::fprintf(stderr, "hiif-cuda-check: %s\n", error.c_str());
    std::exit(1);
  }
  Check(cudaDeviceSynchronize());
  double largest = 0;
  for (int i = 0; i < kGroups; ++i) {
    const std::vector<float> got = arena.Fetch(host[i].rgb, expected[i].size());
    for (size_t k = 0; k < got.size(); ++k) {
      const double difference = std::fabs(double{got[k]} - expected[i][k]);
      largest = difference <= largest ? largest : difference;  // not a number stays
    }
  }
  return largest;
}

bool Within(const char* name, int width, double difference, double bound) {
  std::printf("%s, width %d: %.2g of at most %.2g\n", name, width, difference, bound);
  return difference <= bound;
}

int Main() {
  using enum DecoderValue;
  bool good = Within("float32", 256, Difference<float, 256, 2>(kFloat32), 1e-4);
  good &= Within("float32", 96, Difference<float, 96, 2>(kFloat32), 1e-4);
  good &= Within("bfloat16", 256, Difference<__nv_bfloat16, 256, 4>(kBFloat16), 0.1);
  good &= Within("bfloat16", 96, Difference<__nv_bfloat16, 96, 4>(kBFloat16), 0.1);
  good &= Within("float16", 256, Difference<__half, 256, 4>(kFloat16), 0.02);
  return good ? 0 : 1;
}

}  // namespace
}  // namespace hiif::kernels

int main() { return hiif::kernels::Main(); }
