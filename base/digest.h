// CRC-32C for what travels, SHA-256 for what is named by its content.
#ifndef BASE_DIGEST_H_
#define BASE_DIGEST_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace hiif {

// CRC-32C (Castagnoli, RFC 3720) of `bytes` appended to data whose CRC is `crc` (0: none).
uint32_t Crc32c(absl::string_view bytes, uint32_t crc = 0);

// 32 bytes.
std::string Sha256(absl::string_view bytes);

// 64 lower-case hexadecimal digits.
std::string Sha256Hex(absl::string_view bytes);

// The same of parts that stand behind each other.
std::string Sha256Hex(absl::Span<const absl::string_view> parts);

}  // namespace hiif

#endif  // BASE_DIGEST_H_
