// AVIF and HEIC: boxes of an ISO base media file (ISO/IEC 14496-12, 23008-12).
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "imaging/bytes.h"
#include "imaging/container/boxes.h"
#include "imaging/container/container.h"
#include "imaging/exif.h"

namespace hiif {
namespace {

constexpr int kMaxDepth = 8;  // of boxes, and of images made of images
constexpr size_t kMaxReferences = 1 << 16;
constexpr size_t kMaxProperties = 1 << 16;  // and as many that items have
constexpr int64_t kMaxDerivedParts = 4096;  // images that one is made of, all levels together
constexpr uint64_t kMaxExtents = 1 << 16;   // of all items together
constexpr size_t kMaxAuxiliaryName = 64;

// Of C2PA, for a "uuid" box.
constexpr absl::string_view kCredentials(
    "\xd8\xfe\xc3\xd6\x1b\x0e\x48\x3c\x92\x97\x58\x28\x87\x7e\xc4\x81", 16);

absl::Status Damaged(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrFormat("the AVIF or HEIC data are damaged (%s)", why));
}

// What a picture is made of, and room between.
bool IsOfTheStructure(absl::string_view box) {
  for (const absl::string_view known :
       {"ftyp", "mdat", "moov", "free", "skip", "wide", "meta", "hdlr", "dinf", "ipro", "pitm",
        "iinf", "iloc", "iref", "iprp", "ipco", "ipma", "idat", "grpl"})
    if (box == known) return true;
  return false;
}

bool IsPicture(absl::string_view item) {
  for (const absl::string_view known :
       {"av01", "hvc1", "hev1", "lhv1", "hvt1", "avc1", "vvc1", "evc1", "jpeg", "j2k1", "unci",
        "mski", "grid", "iovl", "iden", "tmap", "sato"})
    if (item == known) return true;
  return false;
}

class HeifReader {
 public:
  explicit HeifReader(absl::string_view bytes) : bytes_(bytes) {}

  absl::StatusOr<Container> Read() {
    out_.turned = true;
    HIIF_RETURN_IF_ERROR(Walk(bytes_, 0));
    for (const auto& [item, parts] : derived_) HIIF_RETURN_IF_ERROR(Parts(item, 0).status());
    if (is_sequence_)
      out_.Warn("an image sequence: its still picture alone is taken, not the frames");
    for (const absl::string_view locations : locations_) HIIF_RETURN_IF_ERROR(FindExif(locations));
    UseProperties();
    TellPictures();
    out_.xmp = std::any_of(xmp_items_.begin(), xmp_items_.end(), [this](uint32_t item) {
      return described_.contains({item, primary_});
    });
    left_out_.Tell("AVIF or HEIC: boxes and items are left out", &out_.warnings);
    UseExif(&out_);
    return std::move(out_);
  }

 private:
  absl::Status Walk(absl::string_view boxes, int depth) {
    if (depth > kMaxDepth) return Damaged("boxes within boxes");
    size_t at = 0;
    while (const auto box = NextBox(boxes, at)) {
      const bool known = IsOfTheStructure(box->type);
      // Noise: no box is called so, and none is longer than the file. One of a picture that is cut
      // is the decoder's to judge.
      if (box->type == absl::string_view("\0\0\0\0", 4) || (!known && !box->whole)) break;
      const bool credentials = box->type == "uuid" && absl::StartsWith(box->body, kCredentials);
      if (credentials)
        out_.WarnOfCredentials();
      else if (!known)
        left_out_.Add(box->type);
      HIIF_RETURN_IF_ERROR(Visit(*box, depth));
      at = box->end;
    }
    if (depth == 0) out_.WarnOfBytesBehind(Slice(boxes, at));
    return absl::OkStatus();
  }

  absl::Status Visit(const Box& box, int depth) {
    const absl::string_view rest = Slice(box.body, 4);  // behind version and flags
    if (box.type == "meta") return Walk(rest, depth + 1);
    if (box.type == "iprp") return Walk(box.body, depth + 1);
    if (box.type == "ipco") {
      size_t at = 0;
      while (const auto property = NextBox(box.body, at)) {
        properties_.push_back(*property);
        if (properties_.size() > kMaxProperties) return Damaged("properties");
        at = property->end;
      }
    }
    if (box.type == "ipma") return Associations(box.body);
    if (box.type == "pitm")
      primary_ =
          static_cast<uint32_t>(BigEndian(box.body, 4, BigEndian(box.body, 0, 1) == 0 ? 2 : 4));
    if (box.type == "moov") is_sequence_ = true;
    if (box.type == "iref") return References(box);
    if (box.type == "iinf") return Items(box);
    if (box.type == "iloc") locations_.push_back(box.body);
    if (box.type == "idat") data_ = box.body;
    return absl::OkStatus();
  }

  absl::Status References(const Box& box) {
    const size_t id = BigEndian(box.body, 0, 1) == 0 ? 2 : 4;
    const absl::string_view all = Slice(box.body, 4);
    for (size_t at = 0; at + 8 <= all.size();) {
      const size_t size = BigEndian(all, at, 4);
      if (size < 8 || size > all.size() - at) return Damaged("references");
      const absl::string_view one = all.substr(at, size);
      const auto from = static_cast<uint32_t>(BigEndian(one, 8, id));
      const size_t count = BigEndian(one, 8 + id, 2);
      // One to nothing is remembered too.
      if (count * id > one.size() || (references_ += 1 + count) > kMaxReferences)
        return Damaged("references");
      const absl::string_view type = one.substr(4, 4);
      for (size_t i = 0; i < count; ++i) {
        const auto to = static_cast<uint32_t>(BigEndian(one, 10 + id + i * id, id));
        if (type == "dimg") derived_[from].push_back(to);
        if (type == "cdsc") described_.insert({from, to});
      }
      if (type == "auxl") auxiliary_.insert(from);
      if (type == "prem") premultiplied_.insert(from);
      at += size;
    }
    return absl::OkStatus();
  }

  absl::Status Items(const Box& box) {
    const size_t count = BigEndian(box.body, 0, 1) == 0 ? 2 : 4;
    const absl::string_view all = Slice(box.body, 4 + count);
    for (size_t at = 0; at + 8 <= all.size();) {
      const size_t size = BigEndian(all, at, 4);
      if (size < 8 || size > all.size() - at) break;
      const absl::string_view entry = all.substr(at, size);  // "infe" of version 2 or 3
      const uint64_t version = BigEndian(entry, 8, 1);
      const size_t id = version == 2 ? 2 : 4;
      const absl::string_view type = Slice(entry, 12 + id + 2, 4);
      const auto item = static_cast<uint32_t>(BigEndian(entry, 12, id));
      if (version >= 2 && type == "Exif") exif_items_.insert(item);
      if (version >= 2 && type == "tmap") gain_map_ = true;
      if (version >= 2 && type != "Exif" && !IsPicture(type))
        NoteData(item, type, Slice(entry, 12 + id + 6));
      at += size;
    }
    return absl::OkStatus();
  }

  // An item that is no picture. words: its name and what it is, as it says itself.
  void NoteData(uint32_t item, absl::string_view type, absl::string_view words) {
    const std::vector<absl::string_view> parts = absl::StrSplit(words, absl::MaxSplits('\0', 2));
    const absl::string_view kind = parts.size() > 1 ? parts[1] : absl::string_view();
    if (type == "mime" && kind == "application/rdf+xml")
      xmp_items_.insert(item);
    else
      left_out_.Add((type == "mime" || type == "uri ") && !kind.empty() ? kind : type);
  }

  // Which of the properties an item has.
  absl::Status Associations(absl::string_view b) {
    const size_t id = BigEndian(b, 0, 1) == 0 ? 2 : 4;
    const size_t each = (BigEndian(b, 3, 1) & 1) == 0 ? 1 : 2;
    const uint64_t items = BigEndian(b, 4, 4);
    size_t at = 8;
    for (uint64_t i = 0; i < items && at < b.size(); ++i) {
      auto& of_item = properties_of_[static_cast<uint32_t>(BigEndian(b, at, id))];
      const uint64_t count = BigEndian(b, at + id, 1);
      // An item without any costs as well.
      if ((associations_ += 1 + count) > kMaxProperties) return Damaged("properties");
      at += id + 1;
      for (uint64_t k = 0; k < count && at < b.size(); ++k, at += each)
        of_item.push_back(BigEndian(b, at, each) & (each == 1 ? 0x7f : 0x7fff));
    }
    return absl::OkStatus();
  }

  template <typename Visit>
  void ForProperties(uint32_t item, Visit visit) const {
    const auto found = properties_of_.find(item);
    if (found == properties_of_.end()) return;
    for (const uint64_t index : found->second)  // from 1; 0: none
      if (index > 0 && index <= properties_.size()) visit(properties_[index - 1]);
  }

  // What the properties of the picture say of its colours.
  void UseProperties() {
    out_.associated = premultiplied_.count(primary_) != 0;
    LeftOut left_out;
    ForProperties(primary_, [&](const Box& p) {
      const absl::string_view kind = p.body.substr(0, 4);
      if (p.type == "colr" && kind == "nclx" && !out_.colour.code_points)
        out_.colour.code_points = {static_cast<int>(BigEndian(p.body, 4, 2)),
                                   static_cast<int>(BigEndian(p.body, 6, 2))};
      if (p.type == "colr" && (kind == "prof" || kind == "rICC") && out_.metadata.icc.empty())
        out_.metadata.icc = std::string(Slice(p.body, 4));
      if (p.type == "pixi" && BigEndian(p.body, 4, 1) == 1) out_.grey = true;
      if (p.type == "clli" || p.type == "mdcv" || p.type == "cclv" || p.type == "amve")
        left_out.Add(p.type);
    });
    left_out.Tell("AVIF or HEIC: what it says of the brightness of its display is left out",
                  &out_.warnings);
  }

  // Pictures beside the one that is taken; its transparency is none of them.
  void TellPictures() {
    bool others = gain_map_;
    for (const uint32_t item : auxiliary_) {
      bool is_alpha = false;
      ForProperties(item, [&](const Box& p) {
        if (p.type != "auxC") return;
        // Its name alone: many items may have one property, and it may be as long as the file.
        const absl::string_view kind = Slice(p.body, 4, kMaxAuxiliaryName);
        is_alpha = absl::StrContains(kind, "auxid:1") || absl::StrContains(kind, "alpha");
      });
      others = others || !is_alpha;
    }
    if (others)
      out_.Warn("the further pictures of the file (a gain map, a depth map, a matte) are left out");
  }

  // The EXIF data, wherever an "iloc" says that they lie. The decoder reads them too, so they are
  // looked through.
  absl::Status FindExif(absl::string_view b) {
    const uint64_t version = BigEndian(b, 0, 1);
    const size_t offset = BigEndian(b, 4, 1) >> 4;
    const size_t length = BigEndian(b, 4, 1) & 15;
    const size_t base = BigEndian(b, 5, 1) >> 4;
    const size_t index = version == 0 ? 0 : BigEndian(b, 5, 1) & 15;
    const size_t id = version < 2 ? 2 : 4;
    if (offset > 8 || length > 8 || base > 8 || index > 8 || version > 2)
      return Damaged("where its items lie");
    const uint64_t items = BigEndian(b, 6, id);
    size_t at = 6 + id;
    for (uint64_t i = 0; i < items && at < b.size(); ++i) {
      const auto item = static_cast<uint32_t>(BigEndian(b, at, id));
      at += id;
      const bool inside = version > 0 && (BigEndian(b, at, 2) & 15) == 1;
      at += version > 0 ? 4 : 2;  // the data's file too
      const uint64_t origin = BigEndian(b, at, base);
      const uint64_t extents = BigEndian(b, at + base, 2);
      at += base + 2;
      const size_t each = index + offset + length;
      // Fields of no width cost a file nothing, however many there are.
      if ((each == 0 && extents > 1) || (extents_ += extents) > kMaxExtents)
        return Damaged("where its items lie");
      if (exif_items_.contains(item)) {
        std::string block;
        for (uint64_t e = 0; e < extents && at + (e + 1) * each <= b.size(); ++e) {
          const size_t entry = at + e * each + index;
          absl::StrAppend(&block,
                          Slice(inside ? data_ : bytes_, origin + BigEndian(b, entry, offset),
                                BigEndian(b, entry + offset, length)));
          if ((copied_ += BigEndian(b, entry + offset, length)) > bytes_.size())
            return Damaged("its EXIF data");
        }
        TakeBoxedExif(block, &out_);
        // A decoder begins behind the first four bytes whatever these say, and may take any block.
        for (const absl::string_view exif : {BoxedExif(block), WithoutExifPrefix(Slice(block, 4))})
          HIIF_RETURN_IF_ERROR(CheckExif(exif));
      }
      at += extents * each;
    }
    return absl::OkStatus();
  }

  // The parts of an image, all levels together. No image is made of itself, and none of more parts
  // than a decoder may be asked for.
  absl::StatusOr<int64_t> Parts(uint32_t item, int depth) {
    if (depth > kMaxDepth)
      return Damaged("an image is made of itself, or of too many levels of images");
    const auto found = derived_.find(item);
    if (found == derived_.end()) return 0;
    if (const auto known = parts_.find(item); known != parts_.end()) return known->second;
    int64_t parts = 0;
    for (const uint32_t part : found->second) {
      HIIF_ASSIGN_OR_RETURN(const int64_t below, Parts(part, depth + 1));
      parts += 1 + below;
      if (parts > kMaxDerivedParts)
        return absl::InvalidArgumentError(
            absl::StrFormat("an AVIF or HEIC of more than %d parts is refused", kMaxDerivedParts));
    }
    return parts_[item] = parts;
  }

  const absl::string_view bytes_;
  Container out_;
  bool is_sequence_ = false;
  bool gain_map_ = false;
  uint32_t primary_ = 0;
  std::vector<Box> properties_;
  std::map<uint32_t, std::vector<uint64_t>> properties_of_;  // indices, from 1
  std::set<uint32_t> auxiliary_;
  std::set<uint32_t> premultiplied_;
  size_t references_ = 0;
  size_t associations_ = 0;
  uint64_t copied_ = 0;  // of EXIF data: the file holds no more than its bytes
  uint64_t extents_ = 0;
  std::map<uint32_t, std::vector<uint32_t>> derived_;
  std::set<uint32_t> exif_items_;
  std::set<uint32_t> xmp_items_;
  std::set<std::pair<uint32_t, uint32_t>> described_;  // the data, and of which picture they are
  LeftOut left_out_;
  std::vector<absl::string_view> locations_;  // bodies of "iloc"
  absl::string_view data_;                    // of "idat"
  std::map<uint32_t, int64_t> parts_;
};

}  // namespace

absl::StatusOr<Container> ReadHeif(absl::string_view bytes) { return HeifReader(bytes).Read(); }

}  // namespace hiif
