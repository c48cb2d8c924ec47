#include "imaging/iptc.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/match.h"

namespace hiif {
namespace {

constexpr absl::string_view kHeading("Photoshop 3.0\0", 14);
constexpr absl::string_view kResource("8BIM");
constexpr absl::string_view kIptcId("\x04\x04", 2);

size_t Even(size_t n) { return n + (n & 1); }

}  // namespace

std::string IptcRecords(absl::string_view block) {
  if (absl::StartsWith(block, "\x1c")) return std::string(block);
  if (absl::StartsWith(block, kHeading)) block.remove_prefix(kHeading.size());
  // Each resource: "8BIM", id (2), name (its length in 1 byte, padded to even), length (4), data
  // (padded to even); numbers are big-endian.
  while (absl::StartsWith(block, kResource) && block.size() >= 7) {
    const absl::string_view id = block.substr(4, 2);
    const size_t name = Even(1 + static_cast<uint8_t>(block[6]));
    const size_t at = 6 + name;
    if (at + 4 > block.size()) break;
    size_t length = 0;
    for (int i = 0; i < 4; ++i) length = length << 8 | static_cast<uint8_t>(block[at + i]);
    if (length > block.size() - at - 4) break;
    if (id == kIptcId) return std::string(block.substr(at + 4, length));
    block.remove_prefix(std::min(block.size(), at + 4 + Even(length)));
  }
  return {};
}

std::string PhotoshopBlock(absl::string_view records) {
  std::string out(kHeading);
  out.append(kResource.data(), kResource.size());
  out.append(kIptcId.data(), kIptcId.size());
  out.append(2, '\0');  // no name
  for (int shift = 24; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(records.size() >> shift & 0xff));
  out.append(records.data(), records.size());
  if (records.size() % 2 != 0) out.push_back('\0');
  return out;
}

}  // namespace hiif
