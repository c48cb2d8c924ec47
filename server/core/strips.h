// The pieces of work of a plan: its tiles, each cut into strips of about half a second of one core.
#ifndef SERVER_CORE_STRIPS_H_
#define SERVER_CORE_STRIPS_H_

#include <cstdint>

#include "base/image.h"
#include "server/core/plan.h"

namespace hiif::server {

struct Strip {
  int64_t tile = 0;
  Region region;       // empty: the tile is lower than others
  int64_t offset = 0;  // of its first byte in the tile's samples
  int64_t bytes = 0;
};

// Strips of the tiles from plan.first_tile on. Holds nothing a strip: clients choose how many there
// are.
class Strips {
 public:
  static constexpr int64_t kPixels = 16384;

  // variants: how often each pixel is computed, ModelUse::variants().
  Strips(const Plan& plan, int64_t variants);

  int64_t per_tile() const { return per_tile_; }
  int64_t count() const { return (plan_.tiles() - plan_.first_tile) * per_tile_; }
  Strip operator[](int64_t index) const;
  // Its pixels times variants, at least 1.
  int64_t Cost(int64_t index) const;
  int64_t TotalCost() const;  // the sum, without a look at each

 private:
  const Plan plan_;
  const int64_t variants_;
  int64_t per_tile_ = 1;
  int64_t rows_ = 1;  // of a strip
};

}  // namespace hiif::server

#endif  // SERVER_CORE_STRIPS_H_
