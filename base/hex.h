// Bytes from hexadecimal digits. Abseil's own decoder differs between Debian 12 and 13.
#ifndef BASE_HEX_H_
#define BASE_HEX_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace hiif {

// Two digits a byte, in either case; nullopt where anything else stands in `digits` or one has no
// partner.
std::optional<std::string> BytesOfHex(absl::string_view digits);

}  // namespace hiif

#endif  // BASE_HEX_H_
