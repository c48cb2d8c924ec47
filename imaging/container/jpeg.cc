#include <algorithm>
#include <array>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "imaging/bytes.h"
#include "imaging/container/container.h"
#include "imaging/iptc.h"

namespace hiif {
namespace {

constexpr int kMaxScans = 100;
// Each scan of a progressive file is a pass over its pixels; usual files have ten.
constexpr int64_t kUsualScans = 12;

enum Marker : uint8_t {
  kSof0 = 0xc0,
  kDht = 0xc4,
  kJpg = 0xc8,
  kDac = 0xcc,
  kSof15 = 0xcf,
  kRst0 = 0xd0,
  kEoi = 0xd9,
  kSos = 0xda,
  kApp0 = 0xe0,
  kApp1 = 0xe1,
  kApp2 = 0xe2,
  kApp11 = 0xeb,
  kApp13 = 0xed,
  kApp14 = 0xee,
  kApp15 = 0xef,
  kComment = 0xfe,
};

bool IsFrame(uint8_t marker) {
  return marker >= kSof0 && marker <= kSof15 && marker != kDht && marker != kJpg && marker != kDac;
}

// Without a length behind it.
bool IsLone(uint8_t marker) { return marker == 0x01 || (marker >= kRst0 && marker < kEoi); }

// How far the scans have come: of each component's coefficients, the bits still due.
class Coverage {
 public:
  // Of a frame's components; two may have one number.
  void Begin(absl::string_view components) {
    constexpr size_t kEach = 3;
    ids_.clear();
    for (size_t i = 0; i + kEach <= components.size(); i += kEach) ids_ += components[i];
    due_.assign(ids_.size(), {});
  }
  void Scan(absl::string_view header, bool progressive) {
    const size_t count = BigEndian(header, 0, 1);
    const auto first = static_cast<size_t>(progressive ? BigEndian(header, 1 + 2 * count, 1) : 0);
    const size_t last = progressive ? BigEndian(header, 2 + 2 * count, 1) : 63;
    const int due = progressive ? static_cast<int>(BigEndian(header, 3 + 2 * count, 1) & 15) : 0;
    std::vector<bool> taken(ids_.size());
    for (size_t i = 0; i < count; ++i) {
      size_t at = 0;
      while (at < ids_.size() && (taken[at] || Slice(header, 1 + 2 * i, 1) != Slice(ids_, at, 1)))
        ++at;
      if (at == ids_.size()) continue;
      taken[at] = true;
      for (size_t k = first; k <= std::min<size_t>(last, 63); ++k) due_[at][k] = due + 1;
    }
  }
  bool Complete() const {
    return !due_.empty() && std::all_of(due_.begin(), due_.end(), [](const auto& component) {
      return std::all_of(component.begin(), component.end(), [](int due) { return due == 1; });
    });
  }

 private:
  std::string ids_;
  std::vector<std::array<int, 64>> due_;  // 1 + bits; 0: has not come
};

// A colour profile in numbered parts, in any order (ICC.1, B.4).
class ProfileParts {
 public:
  void Add(absl::string_view part) {
    const size_t number = BigEndian(part, 0, 1);
    const size_t count = BigEndian(part, 1, 1);
    if (empty()) parts_.resize(count);
    seen_ = true;
    if (number < 1 || number > count || count != parts_.size() || !parts_[number - 1].empty())
      damaged_ = true;
    else
      parts_[number - 1] = Slice(part, 2);
  }
  bool empty() const { return !seen_; }
  // Empty where a part is missing, or there twice.
  std::string Whole() const {
    std::string whole;
    for (const absl::string_view part : parts_) {
      if (part.empty()) return {};
      absl::StrAppend(&whole, part);
    }
    return damaged_ ? std::string() : whole;
  }

 private:
  std::vector<absl::string_view> parts_;
  bool seen_ = false;
  bool damaged_ = false;
};

class JpegReader {
 public:
  explicit JpegReader(absl::string_view bytes) : bytes_(bytes) {}

  absl::StatusOr<Container> Read() {
    AddPiece(bytes_, 0, 2, &out_);
    size_t at = 2;
    while (at < bytes_.size() && !ended_) {
      const size_t mark = bytes_.find('\xff', at);
      size_t code = mark;
      while (code < bytes_.size() && bytes_[code] == '\xff') ++code;
      if (mark == absl::string_view::npos || code >= bytes_.size()) break;
      const auto marker = static_cast<uint8_t>(bytes_[code]);
      if (marker == 0 || IsLone(marker)) {  // of entropy-coded data, or noise
        AddPiece(bytes_, at, code + 1, &out_);
        at = code + 1;
        continue;
      }
      AddPiece(bytes_, at, mark, &out_);
      HIIF_ASSIGN_OR_RETURN(at, Segment(marker, mark, code + 1));
    }
    // A structure that ends within a segment is the decoder's to judge.
    if (!ended_) AddPiece(bytes_, at, EndOfData(), &out_);
    HIIF_RETURN_IF_ERROR(End(at));
    if (!profile_.empty()) {
      out_.metadata.icc = profile_.Whole();
      if (out_.metadata.icc.empty())
        out_.Warn("the colour profile is damaged (a part of it is missing) and left out");
    }
    left_out_.Tell("JPEG: data of applications are left out", &out_.warnings);
    out_.metadata.iptc = IptcRecords(photoshop_);
    if (HasPaths(photoshop_)) out_.Warn("Photoshop's paths are left out: they are of the original");
    UseExif(&out_);
    return std::move(out_);
  }

 private:
  // Before the zeros that file systems and cameras fill up with, where there is no end marker. One
  // zero may be of the picture, and the one behind FF is.
  size_t EndOfData() const {
    const size_t end = bytes_.find_last_not_of('\0') + 1;
    if (bytes_.size() - end < 2) return bytes_.size();
    return end + (bytes_[end - 1] == '\xff' ? 1 : 0);
  }

  // Of a marker at [mark, body); returns where it goes on.
  absl::StatusOr<size_t> Segment(uint8_t marker, size_t mark, size_t body) {
    if (marker == kEoi) {
      ended_ = true;
      AddPiece(bytes_, mark, body, &out_);
      return body;
    }
    const size_t length = BigEndian(bytes_, body, 2);
    if (length < 2 || body + length > bytes_.size()) {
      cut_ = true;
      AddPiece(bytes_, mark, bytes_.size(), &out_);
      return bytes_.size();
    }
    const size_t end = body + length;
    const absl::string_view data = bytes_.substr(body + 2, length - 2);
    if (IsFrame(marker)) HIIF_RETURN_IF_ERROR(Frame(marker, data));
    if (marker == kSos) HIIF_RETURN_IF_ERROR(Scan(data));
    if (!Taken(marker, data)) AddPiece(bytes_, mark, end, &out_);
    return end;
  }

  absl::Status Frame(uint8_t marker, absl::string_view data) {
    const uint64_t bits = BigEndian(data, 0, 1);
    if (bits != 8)
      return absl::InvalidArgumentError(
          absl::StrFormat("a JPEG of %d bits a sample is not supported; 8 bits are", bits));
    if (marker != kSof0 && marker != kSof0 + 1 && marker != kSof0 + 2 && marker != kSof0 + 9 &&
        marker != kSof0 + 10)
      return absl::InvalidArgumentError(
          "a lossless or hierarchical JPEG is not supported; baseline and progressive ones are");
    progressive_ = marker == kSof0 + 2 || marker == kSof0 + 10;
    pixels_ = static_cast<int64_t>(BigEndian(data, 1, 2) * BigEndian(data, 3, 2));
    coverage_.Begin(Slice(data, 6, 3 * BigEndian(data, 5, 1)));
    return absl::OkStatus();
  }

  absl::Status Scan(absl::string_view data) {
    coverage_.Scan(data, progressive_);
    if (++scans_ > kMaxScans)
      return absl::InvalidArgumentError(
          absl::StrFormat("a JPEG of more than %d scans is refused", kMaxScans));
    if (scans_ > kUsualScans && scans_ * pixels_ > kMaxWorkPixels)
      return CheckWork(scans_ * pixels_, "the scans of this JPEG");
    return absl::OkStatus();
  }

  // Whether a segment is ours and not the decoder's.
  bool Taken(uint8_t marker, absl::string_view data) {
    constexpr absl::string_view kXmp("http://ns.adobe.com/xap/1.0/\0", 29);
    constexpr absl::string_view kMoreXmp("http://ns.adobe.com/xmp/extension/\0", 35);
    constexpr absl::string_view kIcc("ICC_PROFILE\0", 12);
    Metadata& m = out_.metadata;
    switch (marker) {
      case kApp1:
        if (absl::StartsWith(data, absl::string_view("Exif\0", 5))) {
          if (m.exif.empty()) m.exif = std::string(data.substr(std::min<size_t>(6, data.size())));
        } else if (absl::StartsWith(data, kXmp)) {
          if (m.xmp.empty()) m.xmp = std::string(data.substr(kXmp.size()));
        } else if (absl::StartsWith(data, kMoreXmp)) {
          out_.Warn("extended XMP data (above 64 KiB) are left out");
        } else {
          NoteApplication(marker, data);
        }
        return true;
      case kApp2:
        if (absl::StartsWith(data, kIcc)) {
          profile_.Add(data.substr(kIcc.size()));
        } else if (absl::StartsWith(data, absl::string_view("MPF\0", 4))) {
          out_.Warn(
              "the further pictures of the file (MPF: a gain map, a preview, a second view) are "
              "left out");
        } else {
          NoteApplication(marker, data);
        }
        return true;
      case kApp11:
        if (absl::StrContains(data, "jumb"))
          out_.WarnOfCredentials();
        else
          NoteApplication(marker, data);
        return true;
      case kApp13:
        if (!absl::StartsWith(data, "Photoshop 3.0")) {
          NoteApplication(marker, data);
          return true;
        }
        absl::StrAppend(&photoshop_,
                        photoshop_.empty()
                            ? data
                            : absl::StripPrefix(data, absl::string_view("Photoshop 3.0\0", 14)));
        return true;
      case kComment:
        AddComment(data, &m.comment);
        return true;
      default:
        if (marker <= kApp2 || marker > kApp15 || marker == kApp14) return false;
        NoteApplication(marker, data);
        return true;
    }
  }

  // "APP5 RMETA": data of a camera's maker or a program, by the name that they begin with.
  void NoteApplication(uint8_t marker, absl::string_view data) {
    // Photoshop's words on the quality and the colours of this very file.
    if (absl::StartsWith(data, "Ducky") || absl::StartsWith(data, "Adobe_CM")) return;
    size_t name = 0;
    while (name < std::min<size_t>(data.size(), 16) &&
           absl::ascii_isgraph(static_cast<unsigned char>(data[name])))
      ++name;
    left_out_.Add(absl::StrCat("APP", marker - kApp0, name == 0 ? "" : " ", data.substr(0, name)));
  }

  // at: behind the last segment.
  absl::Status End(size_t at) {
    // Whether the last scan is whole, the decoder says.
    if (scans_ == 0 || cut_ || !coverage_.Complete())
      return absl::InvalidArgumentError(
          absl::StrCat("the JPEG data are damaged or truncated (",
                       ended_ ? "scans are missing" : "the file ends in the middle", ")"));
    if (ended_) {
      out_.WarnOfBytesBehind(Slice(bytes_, at));
      return absl::OkStatus();
    }
    out_.pieces.push_back("\xff\xd9");
    out_.Warn("the JPEG has no end marker; everything before it is there");
    return absl::OkStatus();
  }

  const absl::string_view bytes_;
  Container out_;
  std::string photoshop_;
  ProfileParts profile_;
  LeftOut left_out_;
  Coverage coverage_;
  bool progressive_ = false;
  bool ended_ = false;
  bool cut_ = false;
  int64_t pixels_ = 0;
  int scans_ = 0;
};

}  // namespace

absl::StatusOr<Container> ReadJpeg(absl::string_view bytes) { return JpegReader(bytes).Read(); }

}  // namespace hiif
