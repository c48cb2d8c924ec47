#ifndef JAIL_WARM_UP_H_
#define JAIL_WARM_UP_H_

namespace hiif {

// Lets the libraries that load their codecs from files (libvips, libheif) do it while files can be
// opened.
void WarmUpCodecs();

}  // namespace hiif

#endif  // JAIL_WARM_UP_H_
