#include "imaging/container/container.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "imaging/exif.h"

namespace hiif {

absl::StatusOr<Container> ReadContainer(ImageFormat format, absl::string_view bytes,
                                        const ImageLimits& limits, std::optional<int> frame) {
  switch (format) {
    case ImageFormat::kJpeg:
      return ReadJpeg(bytes);
    case ImageFormat::kPng:
      return ReadPng(bytes);
    case ImageFormat::kWebp:
      return ReadWebp(bytes, frame);
    case ImageFormat::kGif:
      return ReadGif(bytes, frame);
    case ImageFormat::kTiff:
      return ReadTiff(bytes, frame);
    case ImageFormat::kAvif:
    case ImageFormat::kHeic:
      return ReadHeif(bytes);
    case ImageFormat::kJxl:
      return ReadJxl(bytes);
    case ImageFormat::kPpm:
      return ReadPpm(bytes, limits);
  }
  return Container();
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

void UseExif(Container* container) {
  Metadata& metadata = container->metadata;
  constexpr absl::string_view kPrefix("Exif\0\0", 6);
  if (absl::string_view(metadata.exif).substr(0, kPrefix.size()) == kPrefix)
    metadata.exif.erase(0, kPrefix.size());
  const ExifFacts facts = ReadExif(metadata.exif);
  if (!facts.valid && !metadata.exif.empty()) {
    container->warnings.emplace_back("the EXIF data are damaged and left out");
    metadata.exif.clear();
  }
  if (!container->turned) container->orientation = facts.orientation;
  if (facts.ppi_x > 0 && facts.ppi_y > 0) {
    metadata.ppi_x = facts.ppi_x;
    metadata.ppi_y = facts.ppi_y;
  }
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
