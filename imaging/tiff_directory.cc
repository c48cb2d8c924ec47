#include "imaging/tiff_directory.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "imaging/bytes.h"

namespace hiif {
namespace {

constexpr uint16_t kInteroperabilityTag = 0xa005;  // a position, which would be wrong elsewhere
constexpr uint16_t kTextTags[] = {
    0x010d,  // name of the document
    0x010e,  // description
    0x010f,  // make
    0x0110,  // model
    0x011d,  // name of the page
    0x0131,  // software
    0x0132,  // date and time
    0x013b,  // artist
    0x013c,  // host computer
    0x4746,  // rating
    0x4749,  // rating, in percent
    0x8298,  // copyright
    0x9c9b,  // of Windows, UTF-16: title
    0x9c9c,  // comment
    0x9c9d,  // author
    0x9c9e,  // key words
    0x9c9f,  // subject
};

bool IsText(uint16_t tag) {
  return std::find(std::begin(kTextTags), std::end(kTextTags), tag) != std::end(kTextTags);
}

// What a camera says of the colours of its samples, beside a profile.
bool IsColour(uint16_t tag) {
  constexpr uint16_t kTransferFunction = 301, kWhitePoint = 318, kPrimaryChromaticities = 319;
  return tag == kTransferFunction || tag == kWhitePoint || tag == kPrimaryChromaticities;
}

constexpr size_t kMaxCopied = size_t{16} << 20;  // of metadata

// A rational is swapped as two numbers.
int SwapUnit(uint16_t type) {
  const int bytes = TiffTypeBytes(type);
  return type == 5 || type == 10 ? bytes / 2 : bytes;
}

// For writing: little-endian, and of types that a classic file has.
TiffEntry Copy(const TiffField& field) {
  TiffEntry e{field.tag, field.type, field.count, {}};
  if (field.type >= static_cast<uint16_t>(TiffType::kLong8) &&
      field.type <= static_cast<uint16_t>(TiffType::kIfd8)) {
    std::vector<uint64_t> values;
    for (uint64_t i = 0; i < field.count; ++i) values.push_back(field.Integer(i));
    return MakeTiffEntry(field.tag, TiffType::kLong, values);
  }
  e.value = std::string(field.value);
  if (field.big_endian)
    for (size_t unit = SwapUnit(e.type), j = 0; j + unit <= e.value.size(); j += unit)
      std::reverse(e.value.begin() + j, e.value.begin() + j + unit);
  return e;
}

}  // namespace

int TiffTypeBytes(uint16_t type) {
  constexpr int kBytes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8};
  if (type == static_cast<uint16_t>(TiffType::kUtf8)) return 1;
  return type < std::size(kBytes) ? kBytes[type] : 0;
}

uint64_t TiffField::Integer(uint64_t index) const {
  const size_t bytes = TiffTypeBytes(type);
  if (index >= count || (index + 1) * bytes > value.size()) return 0;
  return big_endian ? BigEndian(value, index * bytes, bytes)
                    : LittleEndian(value, index * bytes, bytes);
}

const TiffField* TiffFields::Find(uint16_t tag) const {
  for (const TiffField& f : fields)
    if (f.tag == tag) return &f;
  return nullptr;
}

uint64_t TiffFields::Integer(uint16_t tag, uint64_t missing) const {
  const TiffField* field = Find(tag);
  return field == nullptr || field->value.empty() ? missing : field->Integer();
}

namespace {

// How the numbers of a block are written.
struct Layout {
  explicit Layout(absl::string_view block)
      : big_endian(absl::StartsWith(block, "MM")),
        version(big_endian ? BigEndian(block, 2, 2) : LittleEndian(block, 2, 2)) {}
  uint64_t Get(absl::string_view block, size_t at, size_t bytes) const {
    return big_endian ? BigEndian(block, at, bytes) : LittleEndian(block, at, bytes);
  }
  bool big_endian;
  uint64_t version;  // 42: classic, 43: BigTIFF
  bool big() const { return version == 43; }
  size_t word() const { return big() ? 8 : 4; }
};

}  // namespace

uint64_t FirstTiffDirectory(absl::string_view block) {
  const Layout layout(block);
  const bool tiff = absl::StartsWith(block, "II") || absl::StartsWith(block, "MM");
  if (!tiff || (layout.version != 42 && layout.version != 43)) return 0;
  return layout.Get(block, layout.word(), layout.word());
}

TiffFields ReadTiffDirectory(absl::string_view block, uint64_t at) {
  const Layout layout(block);
  const size_t word = layout.word();
  const size_t head = layout.big() ? 8 : 2;
  const size_t entry_bytes = 4 + 2 * word;
  TiffFields out;
  if (at < 8 || at > block.size() || block.size() - at < head) return out;
  const uint64_t most = (block.size() - at - head) / entry_bytes;
  const uint64_t declared = layout.Get(block, at, head);
  const uint64_t entries = out.entries = std::min(declared, most);
  for (uint64_t i = 0; i < entries; ++i) {
    const size_t entry = at + head + i * entry_bytes;
    TiffField f;
    f.tag = static_cast<uint16_t>(layout.Get(block, entry, 2));
    f.type = static_cast<uint16_t>(layout.Get(block, entry + 2, 2));
    f.count = layout.Get(block, entry + 4, word);
    f.big_endian = layout.big_endian;
    f.entry = block.substr(entry, entry_bytes);
    const int unit = TiffTypeBytes(f.type);
    if (unit == 0) continue;
    if (f.count <= block.size() / unit) {
      const uint64_t bytes = f.count * unit;
      const uint64_t value =
          bytes <= word ? entry + 4 + word : layout.Get(block, entry + 4 + word, word);
      if (value <= block.size() && block.size() - value >= bytes)
        f.value = block.substr(value, bytes);
    }
    out.fields.push_back(f);
  }
  const uint64_t end = at + head + entries * entry_bytes;
  if (entries == declared && block.size() - end >= word) {
    out.next_at = end;
    out.next = layout.Get(block, end, word);
  }
  return out;
}

TiffEntry MakeTiffEntry(uint16_t tag, TiffType type, const std::vector<uint64_t>& values) {
  TiffEntry e{tag, static_cast<uint16_t>(type), values.size(), {}};
  for (const uint64_t v : values) AppendLittleEndian(v, TiffTypeBytes(e.type), &e.value);
  return e;
}

TiffEntry MakeTiffEntry(uint16_t tag, TiffType type, absl::string_view bytes) {
  const auto id = static_cast<uint16_t>(type);
  return {tag, id, bytes.size() / std::max(1, TiffTypeBytes(id)), std::string(bytes)};
}

std::string TiffDirectoryBytes(TiffDirectory directory, uint64_t at, bool big) {
  std::sort(directory.begin(), directory.end(),
            [](const TiffEntry& a, const TiffEntry& b) { return a.tag < b.tag; });
  const int word = big ? 8 : 4;
  const size_t length = (big ? 8 : 2) + directory.size() * (big ? 20 : 12) + word;
  std::string out;
  std::string values;
  AppendLittleEndian(directory.size(), big ? 8 : 2, &out);
  for (const TiffEntry& e : directory) {
    AppendLittleEndian(e.tag, 2, &out);
    AppendLittleEndian(e.type, 2, &out);
    AppendLittleEndian(e.count, word, &out);
    if (e.value.size() <= word) {
      out += e.value;
      out.append(word - e.value.size(), '\0');
      continue;
    }
    AppendLittleEndian(at + length + values.size(), word, &out);
    values += e.value;
    if (values.size() % 2 != 0) values.push_back('\0');
  }
  AppendLittleEndian(0, word, &out);  // no further directory
  out += values;
  if (out.size() % 2 != 0) out.push_back('\0');
  return out;
}

bool IsKnownTiffTag(uint16_t tag) {
  constexpr struct {
    uint16_t first, last;
  } kKnown[] = {{254, 301}, {305, 306}, {315, 347}, {512, 532}, {700, 700}};
  for (const auto& range : kKnown)
    if (tag >= range.first && tag <= range.last) return true;
  constexpr uint16_t kOthers[] = {
      33550,  // georeference: scale
      33723,  // IPTC
      33922,  // georeference: points
      34264,  // matrix
      34377,  // Photoshop's resources
      34675,  // colour profile
      34735,  // georeference: keys
      34736,  // numbers
      34737,  // texts
      37724,  // Photoshop's layers
      50341,  // PrintIM
      59932,  // padding
  };
  for (const uint16_t known : kOthers)
    if (tag == known) return true;
  return tag == kExifDirectoryTag || tag == kGpsDirectoryTag || IsText(tag);
}

ExifParts SplitExif(absl::string_view block) {
  return SplitExif(block, ReadTiffDirectory(block, FirstTiffDirectory(block)));
}

ExifParts SplitExif(absl::string_view block, const TiffFields& directory) {
  constexpr size_t kMostEntries = 0xfff0;  // a directory of 16-bit numbers, with what is added
  ExifParts parts;
  size_t left = std::min(block.size(), kMaxCopied);
  const auto add = [&](const TiffField& field, TiffDirectory* to) {
    if (field.value.empty()) return;
    if (field.value.size() > left || to->size() == kMostEntries) {
      parts.left_out.push_back(field.tag);
      return;
    }
    left -= field.value.size();
    to->push_back(Copy(field));
  };
  for (const TiffField& f : directory.fields) {
    if (IsText(f.tag))
      add(f, &parts.texts);
    else if (IsColour(f.tag) || !IsKnownTiffTag(f.tag))
      parts.left_out.push_back(f.tag);
  }
  // Readers of TIFF know no type of UTF-8, but take the bytes of a text for it.
  for (TiffEntry& text : parts.texts)
    if (text.type == static_cast<uint16_t>(TiffType::kUtf8))
      text.type = static_cast<uint16_t>(TiffType::kAscii);
  for (const TiffField& f : ReadTiffDirectory(block, directory.Integer(kExifDirectoryTag)).fields)
    if (f.tag != kInteroperabilityTag) add(f, &parts.details);
  for (const TiffField& f : ReadTiffDirectory(block, directory.Integer(kGpsDirectoryTag)).fields)
    add(f, &parts.gps);
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
