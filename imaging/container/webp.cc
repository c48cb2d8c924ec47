#include <algorithm>

#include "base/status_macros.h"
#include "imaging/bytes.h"
#include "imaging/container/container.h"

namespace hiif {
namespace {

constexpr size_t kRiffHeader = 12;
constexpr size_t kChunkHeader = 8;
constexpr char kMetadataFlags = 0x20 | 0x08 | 0x04;  // profile, EXIF, XMP

}  // namespace

absl::StatusOr<Container> ReadWebp(absl::string_view bytes, std::optional<int> frame) {
  Container out;
  int frames = 0;
  int64_t canvas = 0;
  LeftOut left_out;
  out.made.emplace_back();
  out.pieces.emplace_back();  // the header, once the length is known
  uint64_t length = 4;        // of what follows the length itself
  for (size_t at = kRiffHeader; at + kChunkHeader <= bytes.size();) {
    const absl::string_view type = bytes.substr(at, 4);
    const uint64_t size = LittleEndian(bytes, at + 4, 4);
    const uint64_t padded = kChunkHeader + size + size % 2;
    const absl::string_view data = Slice(bytes, at + kChunkHeader, size);
    const size_t begin = at;
    at = static_cast<size_t>(std::min<uint64_t>(bytes.size(), at + padded));
    if (type == "EXIF") {
      if (out.metadata.exif.empty()) out.metadata.exif = std::string(data);
      continue;
    }
    if (type == "XMP ") {
      if (out.metadata.xmp.empty()) out.metadata.xmp = std::string(data);
      continue;
    }
    // Whether the header announces it or not.
    if (type == "ICCP") {
      if (out.metadata.icc.empty()) out.metadata.icc = std::string(data);
      continue;
    }
    if (type != "VP8X" && type != "VP8 " && type != "VP8L" && type != "ALPH" && type != "ANIM" &&
        type != "ANMF") {
      left_out.Add(type);
      continue;
    }
    length += padded;
    if (type == "VP8X" && data.size() >= 10) {
      canvas =
          static_cast<int64_t>((LittleEndian(data, 4, 3) + 1) * (LittleEndian(data, 7, 3) + 1));
      std::string chunk(bytes.substr(begin, at - begin));
      chunk[kChunkHeader] = static_cast<char>(chunk[kChunkHeader] & ~kMetadataFlags);
      out.made.push_back(std::move(chunk));
      out.pieces.emplace_back(out.made.back());
      continue;
    }
    if (type == "ANMF") {
      ++frames;
      out.durations_ms.push_back(static_cast<int>(LittleEndian(data, 12, 3)));
    }
    if (type == "ANIM") out.loops = static_cast<int>(LittleEndian(data, 4, 2));
    AddPiece(bytes, begin, at, &out);
  }
  std::string& header = out.made.front();
  header = "RIFF";
  AppendLittleEndian(std::min<uint64_t>(length, 0xfffffffe), 4, &header);
  header += "WEBP";
  out.pieces.front() = header;
  // Every frame before it is drawn on the canvas.
  out.work_pixels = frame ? canvas * (*frame + 1) : 0;
  if (frames > 1) HIIF_RETURN_IF_ERROR(CheckWork(out.work_pixels, "the frames up to this one"));
  left_out.Tell("WebP: chunks that are not known are left out", &out.warnings);
  UseExif(&out);
  return out;
}

}  // namespace hiif
