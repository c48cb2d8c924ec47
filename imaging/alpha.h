// What transparency asks for before and after the network. Internal to imaging.
#ifndef IMAGING_ALPHA_H_
#define IMAGING_ALPHA_H_

#include "absl/types/span.h"
#include "base/image.h"
#include "imaging/picture.h"

namespace hiif {

// Continues the visible colours under the transparent pixels. Whatever a file keeps there, nobody
// sees it, yet the network would draw it into the edges as a halo. Each pixel becomes
// w * itself + (1 - w) * surroundings, where w is its alpha by the largest of its 3 x 3
// neighbourhood and the surroundings are means weighted by alpha (premultiplied), of as wide a
// neighbourhood as is needed to see something. Evenly transparent parts keep their colour.
void ContinueColour(const Plane& alpha, RgbImage* colour);
// Most memory that it takes beside them.
int64_t ColourUnderAlphaBytes(Grid size);

// Alpha of a region of the output by Lanczos-2: output pixel X of N lies at (X + 1/2) n / N - 1/2
// of n, where the network's does; edges are repeated. Lanczos-2 has no second positive lobe, so
// edges get no ghost beside them. out: region.pixels() values in [0,1], which do not depend on the
// region they were asked in.
void ResampleAlpha(const Plane& alpha, Grid input, Grid grid, Region region, absl::Span<float> out);

}  // namespace hiif

#endif  // IMAGING_ALPHA_H_
