// From the network's output to the client's samples. A pixel depends on the picture, the grid and
// its network output alone, not on the region it is made in.
#ifndef IMAGING_TILE_H_
#define IMAGING_TILE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/image.h"
#include "imaging/picture.h"

namespace hiif {

// Bytes of the client samples of `pixels` pixels of the picture.
int64_t TileBytes(const Picture& picture, SampleType type, int64_t pixels);

// Client samples of a region of the output, interleaved, little-endian, straight alpha.
//
// network: region.pixels() * 3 finite values of the normalised range, where [-1,1] is [0,1] of the
// image (ToUnit of model/upscaler/upscaler.h). type: u8 and u16 are round(v * 255) and
// round(v * 65535), half up, clamped; f32 is clamped to [0,1]. Grey is the mean of the three
// values. Alpha is enlarged by Lanczos-2 on the network's pixel centres. out: TileBytes().
// InvalidArgument where the sizes do not fit.
absl::Status ComposeTile(const Picture& picture, Grid grid, Region region,
                         absl::Span<const float> network, SampleType type, absl::Span<uint8_t> out);

}  // namespace hiif

#endif  // IMAGING_TILE_H_
