#include "imaging/iptc.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "absl/strings/match.h"
#include "imaging/bytes.h"

namespace hiif {
namespace {

constexpr absl::string_view kHeading("Photoshop 3.0\0", 14);
constexpr absl::string_view kResource("8BIM");
constexpr uint64_t kIptcId = 0x0404;

size_t Even(size_t n) { return n + (n & 1); }

// The resources of a Photoshop block, with its heading or without, in order, until one is wanted;
// its data. Each: "8BIM", id (2), name (its length in 1 byte, padded to even), length (4), data
// (padded to even); numbers are big-endian.
template <typename Wanted>
std::optional<absl::string_view> FindResource(absl::string_view block, Wanted wanted) {
  if (absl::StartsWith(block, kHeading)) block.remove_prefix(kHeading.size());
  while (absl::StartsWith(block, kResource) && block.size() >= 7) {
    const size_t at = 6 + Even(1 + static_cast<uint8_t>(block[6]));
    if (at + 4 > block.size()) break;
    const uint64_t length = BigEndian(block, at, 4);
    if (length > block.size() - at - 4) break;
    if (wanted(BigEndian(block, 4, 2))) return block.substr(at + 4, length);
    block.remove_prefix(std::min(block.size(), at + 4 + Even(length)));
  }
  return std::nullopt;
}

}  // namespace

std::string IptcRecords(absl::string_view block) {
  if (absl::StartsWith(block, "\x1c")) return std::string(block);
  return std::string(
      FindResource(block, [](uint64_t id) { return id == kIptcId; }).value_or(absl::string_view()));
}

bool HasPaths(absl::string_view block) {
  return FindResource(block, [](uint64_t id) { return id >= 2000 && id <= 2997; }).has_value();
}

std::string PhotoshopBlock(absl::string_view records) {
  std::string out(kHeading);
  out.append(kResource.data(), kResource.size());
  out.push_back(static_cast<char>(kIptcId >> 8));
  out.push_back(static_cast<char>(kIptcId & 0xff));
  out.append(2, '\0');  // no name
  for (int shift = 24; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(records.size() >> shift & 0xff));
  out.append(records.data(), records.size());
  if (records.size() % 2 != 0) out.push_back('\0');
  return out;
}

}  // namespace hiif
