// IPTC-IIM records and the Photoshop image resources that JPEG keeps them in. Internal to imaging.
#ifndef IMAGING_IPTC_H_
#define IMAGING_IPTC_H_

#include <string>

#include "absl/strings/string_view.h"

namespace hiif {

// The records in a block: bare ones as they are, those among Photoshop resources (with the heading
// "Photoshop 3.0" or without) taken out. Empty: none, or damaged.
std::string IptcRecords(absl::string_view block);

// Whether there are paths (of clipping, say) among Photoshop's resources.
bool HasPaths(absl::string_view block);

// The records as the one resource of a Photoshop block with its heading, as in JPEG's APP13.
std::string PhotoshopBlock(absl::string_view records);

}  // namespace hiif

#endif  // IMAGING_IPTC_H_
