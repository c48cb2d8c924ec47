#include "imaging/tiff_directory.h"

#include <algorithm>

#include "absl/strings/match.h"

namespace hiif {
namespace {

constexpr uint16_t kInteroperabilityTag = 0xa005;  // a position, which would be wrong elsewhere
constexpr uint16_t kTextTags[] = {
    0x010e,  // description
    0x010f,  // make
    0x0110,  // model
    0x0131,  // software
    0x0132,  // date and time
    0x013b,  // artist
    0x8298,  // copyright
};

uint64_t Number(absl::string_view bytes, bool big_endian) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size(); ++i)
    value |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[i]))
             << 8 * (big_endian ? bytes.size() - 1 - i : i);
  return value;
}

void AppendNumber(uint64_t value, int bytes, std::string* out) {
  for (int i = 0; i < bytes; ++i) out->push_back(static_cast<char>(value >> 8 * i & 0xff));
}

bool BigEndian(absl::string_view block) { return absl::StartsWith(block, "MM"); }

// A rational is swapped as two numbers.
int SwapUnit(uint16_t type) {
  const int bytes = TiffTypeBytes(type);
  return type == 5 || type == 10 ? bytes / 2 : bytes;
}

TiffDirectory Without(TiffDirectory directory, uint16_t tag) {
  directory.erase(std::remove_if(directory.begin(), directory.end(),
                                 [tag](const TiffEntry& e) { return e.tag == tag; }),
                  directory.end());
  return directory;
}

}  // namespace

int TiffTypeBytes(uint16_t type) {
  constexpr int kBytes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8};
  if (type == static_cast<uint16_t>(TiffType::kLong8)) return 8;
  return type < std::size(kBytes) ? kBytes[type] : 0;
}

uint32_t FirstTiffDirectory(absl::string_view block) {
  const bool tiff = absl::StartsWith(block, absl::string_view("II*\0", 4)) ||
                    absl::StartsWith(block, absl::string_view("MM\0*", 4));
  if (!tiff || block.size() < 8) return 0;
  return static_cast<uint32_t>(Number(block.substr(4, 4), BigEndian(block)));
}

TiffDirectory ReadTiffDirectory(absl::string_view block, uint32_t at) {
  const bool big_endian = BigEndian(block);
  const auto number = [&](size_t from, size_t bytes) {
    return Number(block.substr(from, bytes), big_endian);
  };
  TiffDirectory directory;
  if (at < 8 || at > block.size() || block.size() - at < 2) return directory;
  const size_t entries = number(at, 2);
  for (size_t i = 0; i < entries; ++i) {
    const size_t entry = at + 2 + i * 12;
    if (entry + 12 > block.size()) break;
    TiffEntry e;
    e.tag = static_cast<uint16_t>(number(entry, 2));
    e.type = static_cast<uint16_t>(number(entry + 2, 2));
    e.count = number(entry + 4, 4);
    const uint64_t bytes = e.count * TiffTypeBytes(e.type);
    const uint64_t value = bytes <= 4 ? entry + 8 : number(entry + 8, 4);
    if (bytes == 0 || value > block.size() || block.size() - value < bytes) continue;
    e.value = std::string(block.substr(value, bytes));
    if (big_endian)
      for (size_t unit = SwapUnit(e.type), j = 0; j < bytes; j += unit)
        std::reverse(e.value.begin() + j, e.value.begin() + j + unit);
    directory.push_back(std::move(e));
  }
  return directory;
}

uint64_t TiffInteger(const TiffDirectory& directory, uint16_t tag) {
  for (const TiffEntry& e : directory)
    if (e.tag == tag)
      return Number(absl::string_view(e.value).substr(0, TiffTypeBytes(e.type)), false);
  return 0;
}

TiffEntry MakeTiffEntry(uint16_t tag, TiffType type, const std::vector<uint64_t>& values) {
  TiffEntry e{tag, static_cast<uint16_t>(type), values.size(), {}};
  for (const uint64_t v : values) AppendNumber(v, TiffTypeBytes(e.type), &e.value);
  return e;
}

TiffEntry MakeTiffEntry(uint16_t tag, TiffType type, absl::string_view bytes) {
  const auto id = static_cast<uint16_t>(type);
  return {tag, id, bytes.size() / TiffTypeBytes(id), std::string(bytes)};
}

std::string TiffDirectoryBytes(TiffDirectory directory, uint64_t at, bool big) {
  std::sort(directory.begin(), directory.end(),
            [](const TiffEntry& a, const TiffEntry& b) { return a.tag < b.tag; });
  const int word = big ? 8 : 4;
  const size_t length = (big ? 8 : 2) + directory.size() * (big ? 20 : 12) + word;
  std::string out;
  std::string values;
  AppendNumber(directory.size(), big ? 8 : 2, &out);
  for (const TiffEntry& e : directory) {
    AppendNumber(e.tag, 2, &out);
    AppendNumber(e.type, 2, &out);
    AppendNumber(e.count, word, &out);
    if (e.value.size() <= word) {
      out += e.value;
      out.append(word - e.value.size(), '\0');
      continue;
    }
    AppendNumber(at + length + values.size(), word, &out);
    values += e.value;
    if (values.size() % 2 != 0) values.push_back('\0');
  }
  AppendNumber(0, word, &out);  // no further directory
  out += values;
  if (out.size() % 2 != 0) out.push_back('\0');
  return out;
}

ExifParts SplitExif(absl::string_view block) {
  ExifParts parts;
  const TiffDirectory first = ReadTiffDirectory(block, FirstTiffDirectory(block));
  for (const TiffEntry& e : first)
    if (e.type == static_cast<uint16_t>(TiffType::kAscii) &&
        std::find(std::begin(kTextTags), std::end(kTextTags), e.tag) != std::end(kTextTags))
      parts.texts.push_back(e);
  const auto sub = [&](uint16_t tag) {
    return ReadTiffDirectory(block, static_cast<uint32_t>(TiffInteger(first, tag)));
  };
  parts.details = Without(sub(kExifDirectoryTag), kInteroperabilityTag);
  parts.gps = sub(kGpsDirectoryTag);
  return parts;
}

std::string JoinExif(const ExifParts& parts) {
  if (parts.texts.empty() && parts.details.empty() && parts.gps.empty()) return {};
  constexpr size_t kHeader = 8;
  const auto with_links = [&](uint64_t details, uint64_t gps) {
    TiffDirectory first = parts.texts;
    if (!parts.details.empty())
      first.push_back(MakeTiffEntry(kExifDirectoryTag, TiffType::kLong, {details}));
    if (!parts.gps.empty())
      first.push_back(MakeTiffEntry(kGpsDirectoryTag, TiffType::kLong, {gps}));
    return TiffDirectoryBytes(std::move(first), kHeader, false);
  };
  const uint64_t details_at = kHeader + with_links(0, 0).size();
  const std::string details = TiffDirectoryBytes(parts.details, details_at, false);
  const uint64_t gps_at = details_at + details.size();
  std::string out("II*\0\x08\0\0\0", kHeader);
  out += with_links(details_at, gps_at);
  out += details;
  if (!parts.gps.empty()) out += TiffDirectoryBytes(parts.gps, gps_at, false);
  return out;
}

}  // namespace hiif
