// What the decoder of decoder.h reads, as plain structs of pointers that live where it runs.
// `void`: of the Value it runs with, float, bfloat16 or float16.
#ifndef MODEL_KERNELS_CUDA_DECODER_DATA_H_
#define MODEL_KERNELS_CUDA_DECODER_DATA_H_

#include <cstdint>

namespace hiif::kernels {

// Side of a tile of sums.
inline constexpr int kTile = 16;
// Rows of a packed tile of weights: what the tensor cores multiply at once.
constexpr int TileDepth(int value_bytes) { return value_bytes == 4 ? 8 : 16; }

// A packed matrix of `inputs` x width, for x * matrix, has tiles of TileDepth() inputs x 16
// outputs: tile (k, n) is number k * (width / 16) + n. In a tile values lie as the 32 lanes of a
// warp take them, 16 bytes each (PTX, mma.m16n8k16 and m16n8k8).
constexpr int PlaceInTile(int input, int output, int depth) {
  const int each = depth / 8;  // inputs next to each other
  const int lane = output % 8 * 4 + input % (4 * each) / each;
  return ((lane * 2 + output / 8) * 2 + input / (4 * each)) * each + input % each;
}

inline constexpr int kMaxLevels = 8;
inline constexpr int kMaxAttention = 4;

struct DecoderQuery {
  int32_t pixel[4];  // of the group's pixels
  float weight[4];
  uint32_t row_bits;  // bit l: of level l
  uint32_t column_bits;
};

// An entry of a table of rows or columns, for a rectangle of queries.
struct DecoderAxis {
  // Of the neighbours below and above: rows and columns add up to a place among the group's pixels.
  int32_t place[2];
  float part[2];  // rows' times columns', and DecoderGroup::added: an ensemble weight, or its area
  uint32_t bits;  // bit l: of level l
};

struct DecoderLevel {
  const void* fc1 = nullptr;        // packed; of level 0 none
  const float* extra = nullptr;     // 5 x width: what the row bit, the column bit, the cell's row
                                    // and column, and 1 add to fc1
  const void* fc2 = nullptr;        // packed; of the last level none
  const float* fc2_bias = nullptr;  // width
};

struct DecoderWeights {
  // Of the projection of a low-resolution pixel: its 3 x 3 neighbourhood of latent codes (ky, kx,
  // channel), filled up to whole tiles, to features, and these to level 0's sums for each of the
  // four slots that a neighbour may have.
  int channels = 0;
  int patch_inputs = 0;              // 9 channels or more, a multiple of TileDepth()
  const void* freq = nullptr;        // packed, patch_inputs x width
  const float* freq_bias = nullptr;  // width
  // The width. A count that the compiler does not know: of one that it knows it makes straight
  // code, for which there are too few registers.
  int features = 0;
  const void* slots[4] = {};  // packed
  int levels = 0;
  int attention_blocks = 0;
  DecoderLevel level[kMaxLevels];
  const void* proj2[kMaxAttention] = {};  // packed
  const float* proj2_bias[kMaxAttention] = {};
  const float* rgb = nullptr;       // the last fc2, 3 x width
  const float* rgb_bias = nullptr;  // 3
};

// Queries of one image and context.
struct DecoderGroup {
  const void* codes = nullptr;  // height x width x channels, of the image
  int32_t height = 0;
  int32_t width = 0;
  const int32_t* pixels = nullptr;  // row * width + column of those that queries ask for
  int64_t pixel_count = 0;          // at least 1
  void* slots = nullptr;            // pixel_count * 4 x width: features times fc_0 for each slot
  float* sum = nullptr;             // of a pixel's features
  float* sum_squares = nullptr;     // likewise
  const DecoderQuery* queries = nullptr;  // null: a rectangle of them, row after row
  const DecoderAxis* rows = nullptr;
  const DecoderAxis* columns = nullptr;
  uint32_t row_length = 0;
  float added = 0.0f;  // not 0: to each area, and the weight is its part of the four's sum
  int64_t count = 0;   // of queries, at least 1; of a rectangle below 2^32
  float cell[2] = {};
  const void* projection[kMaxAttention] = {};  // packed
  const float* bias[kMaxAttention] = {};
  float* rgb = nullptr;      // 3 values a query
  void* rows_out = nullptr;  // instead: level 0 alone, width values a query
};

}  // namespace hiif::kernels

#endif  // MODEL_KERNELS_CUDA_DECODER_DATA_H_
