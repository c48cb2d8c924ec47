#include "imaging/container/container.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "imaging/bytes.h"
#include "imaging/exif.h"
#include "imaging/tiff_directory.h"

namespace hiif {
namespace {

constexpr size_t kNamed = 6;  // of what is left out

// What a reader of a container may look at.
struct Input {
  absl::string_view bytes;
  const ImageLimits& limits;
  std::optional<int> frame;
  Purpose purpose;
};
struct ReaderOfFormat {
  ImageFormat format;
  absl::StatusOr<Container> (*read)(const Input& in);
};
constexpr ReaderOfFormat kReaders[] = {
    {ImageFormat::kPng, [](const Input& in) { return ReadPng(in.bytes); }},
    {ImageFormat::kJpeg, [](const Input& in) { return ReadJpeg(in.bytes); }},
    {ImageFormat::kWebp, [](const Input& in) { return ReadWebp(in.bytes, in.frame); }},
    {ImageFormat::kTiff, [](const Input& in) { return ReadTiff(in.bytes, in.frame); }},
    {ImageFormat::kAvif, [](const Input& in) { return ReadHeif(in.bytes); }},
    {ImageFormat::kHeic, [](const Input& in) { return ReadHeif(in.bytes); }},
    {ImageFormat::kJxl, [](const Input& in) { return ReadJxl(in.bytes); }},
    {ImageFormat::kGif, [](const Input& in) { return ReadGif(in.bytes, in.frame); }},
    {ImageFormat::kPpm, [](const Input& in) { return ReadPpm(in.bytes, in.limits, in.purpose); }},
};
static_assert(InOrderOfFormats(kReaders));

}  // namespace

absl::StatusOr<Container> ReadContainer(ImageFormat format, absl::string_view bytes,
                                        const ImageLimits& limits, std::optional<int> frame,
                                        Purpose purpose) {
  return kReaders[static_cast<size_t>(format)].read({bytes, limits, frame, purpose});
}

void AddPiece(absl::string_view bytes, size_t begin, size_t end, Container* container) {
  if (begin >= end || begin >= bytes.size()) return;
  const absl::string_view piece = bytes.substr(begin, end - begin);
  auto& pieces = container->pieces;
  if (!pieces.empty() && pieces.back().data() + pieces.back().size() == piece.data())
    pieces.back() = {pieces.back().data(), pieces.back().size() + piece.size()};
  else
    pieces.push_back(piece);
}

void Container::Warn(std::string text) {
  constexpr size_t kMost = 31;
  if (warnings.size() > kMost ||
      std::find(warnings.begin(), warnings.end(), text) != warnings.end())
    return;
  warnings.push_back(warnings.size() < kMost ? std::move(text) : "more is left out");
}

void Container::WarnOfCredentials() {
  Warn("content credentials (C2PA) are left out: they are of the original");
}

void Container::WarnOfBytesBehind(absl::string_view rest) {
  if (rest.find_first_not_of(absl::string_view("\0 \t\r\n", 5)) != absl::string_view::npos)
    Warn(absl::StrFormat("%d bytes behind the picture (another picture, a video) are left out",
                         rest.size()));
}

absl::string_view BoxedExif(absl::string_view block) {
  const bool bare = FirstTiffDirectory(block) != 0;
  return WithoutExifPrefix(bare ? block : Slice(block, 4 + BigEndian(block, 0, 4)));
}

void TakeBoxedExif(absl::string_view block, Container* container) {
  if (!container->metadata.exif.empty()) return;
  container->metadata.exif = std::string(BoxedExif(block));
  if (container->metadata.exif.empty()) container->Warn("the EXIF data are damaged and left out");
}

absl::string_view WithoutExifPrefix(absl::string_view exif) {
  return absl::StripPrefix(exif, absl::string_view("Exif\0\0", 6));
}

void UseExif(Container* container) {
  Metadata& metadata = container->metadata;
  metadata.exif.erase(0, metadata.exif.size() - WithoutExifPrefix(metadata.exif).size());
  const ExifFacts facts = ReadExif(metadata.exif);
  if (!facts.valid && !metadata.exif.empty()) {
    container->Warn("the EXIF data are damaged and left out");
    metadata.exif.clear();
  }
  if (container->turned)
    container->sideways = facts.orientation > 4;
  else
    container->orientation = facts.orientation;
  if (facts.ppi_x > 0 && facts.ppi_y > 0) {
    metadata.ppi_x = facts.ppi_x;
    metadata.ppi_y = facts.ppi_y;
  }
}

void LeftOut::Add(absl::string_view name) {
  std::string text = Printable(name, 24);
  if (std::find(names_.begin(), names_.end(), text) == names_.end() && names_.size() <= kNamed)
    names_.push_back(std::move(text));
}

void LeftOut::Tell(absl::string_view what, std::vector<std::string>* warnings) const {
  if (names_.empty()) return;
  warnings->push_back(absl::StrCat(
      what, ": ",
      absl::StrJoin(names_.begin(), names_.begin() + std::min(names_.size(), kNamed), ", "),
      names_.size() > kNamed ? ", ..." : ""));
}

void AddComment(absl::string_view comment, std::string* comments) {
  absl::StrAppend(comments, comments->empty() ? "" : "\n", comment);
}

std::string Printable(absl::string_view text, size_t most) {
  std::string out(text.substr(0, most));
  for (char& c : out)
    if (!absl::ascii_isprint(c)) c = '?';
  if (text.size() > most) out += "...";
  return out;
}

absl::Status CheckWork(int64_t pixels, absl::string_view what) {
  if (pixels <= kMaxWorkPixels) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("%s take %d million pixels to decode; at most %d million are allowed", what,
                      pixels / 1'000'000, kMaxWorkPixels / 1'000'000));
}

}  // namespace hiif
