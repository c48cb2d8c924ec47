// Layers that work through an image in bands of rows.
#ifndef MODEL_ENCODERS_BANDS_H_
#define MODEL_ENCODERS_BANDS_H_

#include <cstdint>

namespace hiif {

// Rows of each band but the last, at most `most`: as even as can be, so that the tensors of a band
// fit where those of the one before it were.
inline int64_t EvenBand(int64_t rows, int64_t most) {
  const int64_t bands = (rows + most - 1) / most;
  return (rows + bands - 1) / bands;
}

}  // namespace hiif

#endif  // MODEL_ENCODERS_BANDS_H_
