// What this server takes of a request.
#ifndef SERVER_CORE_LIMITS_H_
#define SERVER_CORE_LIMITS_H_

#include <cstdint>

namespace hiif::server {

struct Limits {
  int64_t max_input_pixels = 50'000'000;
  int64_t max_output_pixels = 400'000'000;
  int64_t max_query_coordinates = 1 << 18;
  int tile_size = 256;  // where none is asked for
  int tiles_ahead = 4;  // of one request, computed before they are taken
};

}  // namespace hiif::server

#endif  // SERVER_CORE_LIMITS_H_
