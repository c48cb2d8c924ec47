// The one door to libvips: its start and what of it may be used. Internal to imaging.
#ifndef IMAGING_LIBRARY_H_
#define IMAGING_LIBRARY_H_

#include "absl/status/status.h"
#include "imaging/format.h"

namespace hiif {

// Starts libvips with `threads` workers a picture (0: one a core), no operation cache, and only the
// loaders and savers of format.h. Only the first call starts; all return how that went. It sets an
// environment variable: call it before there are threads that read the environment. Internal where
// libvips refuses.
absl::Status StartLibrary(int threads = 0);

// Whether libvips has an operation of that nickname ("pngload_source"); starts it.
bool HasOperation(const char* nickname);

// The operations that read and write a format; for writing "" where we have our own, null where
// none.
const char* LoaderOperation(ImageFormat format);
const char* SaverOperation(ImageFormat format);

}  // namespace hiif

#endif  // IMAGING_LIBRARY_H_
