// The one door to libvips: its start and what of it may be used. Internal to imaging.
#ifndef IMAGING_LIBRARY_H_
#define IMAGING_LIBRARY_H_

namespace hiif {

// Starts libvips with threads workers a picture (0: one a core), no operation cache, and only the
// loaders and savers of format.h; once, later calls do nothing. Aborts when libvips does not start.
void StartLibrary(int threads = 0);

// Whether libvips has an operation of that nickname ("pngload_buffer"). Starts the library.
bool HasOperation(const char* nickname);

}  // namespace hiif

#endif  // IMAGING_LIBRARY_H_
