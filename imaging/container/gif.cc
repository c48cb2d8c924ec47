#include "imaging/container/gif.h"

#include <algorithm>
#include <array>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "imaging/bytes.h"
#include "imaging/container/container.h"

namespace hiif {
namespace {

size_t ColourTable(uint64_t flags) { return (flags & 0x80) != 0 ? size_t{6} << (flags & 7) : 0; }

// Behind a chain of sub-blocks; collects them where asked.
size_t SkipSubBlocks(absl::string_view bytes, size_t at, std::string* data = nullptr) {
  while (at < bytes.size()) {
    const size_t size = BigEndian(bytes, at, 1);
    if (size == 0) return at + 1;
    if (data != nullptr) absl::StrAppend(data, Slice(bytes, at + 1, size));
    at += 1 + size;
  }
  return bytes.size();
}

// Whether the LZW data of a frame (GIF89a, appendix F) break off before its pixels are there; bits:
// of a pixel. Data that say themselves that they end are as their writer wanted them.
bool BreaksOff(absl::string_view data, int bits, int64_t pixels) {
  constexpr int kMostBits = 12;
  if (bits < 1 || bits >= kMostBits) return false;  // the decoder refuses it
  const int clear = 1 << bits;
  std::array<int64_t, 1 << kMostBits> lengths;  // of the strings that the codes stand for
  lengths.fill(1);
  int next = clear + 2;
  int width = bits + 1;
  int before = -1;
  uint32_t buffer = 0;
  int held = 0;
  for (const char byte : data) {
    buffer |= uint32_t{static_cast<uint8_t>(byte)} << held;
    for (held += 8; held >= width;) {
      const int code = static_cast<int>(buffer & ((1U << width) - 1));
      buffer >>= width;
      held -= width;
      if (code == clear) {
        next = clear + 2;
        width = bits + 1;
        before = -1;
        continue;
      }
      if (code == clear + 1 || code > next) return false;  // its end, or damage: the decoder's
      if (before >= 0 && next < 1 << kMostBits) {
        lengths[next++] = lengths[before] + 1;
        if (next == 1 << width && width < kMostBits) ++width;
      }
      pixels -= lengths[code];
      if (pixels <= 0) return false;
      before = code;
    }
  }
  return true;
}

constexpr size_t kHeader = 13;
constexpr size_t kApplication = 11;  // bytes of its name
constexpr int kMaxFrames = 4096;     // libvips drops further ones without a word

}  // namespace

std::optional<GifStill> ReadGifStill(absl::string_view bytes) {
  GifStill out;
  const uint64_t flags = BigEndian(bytes, 10, 1);
  out.table = Slice(bytes, kHeader, ColourTable(flags));
  out.table_bits = static_cast<int>(flags & 7);
  for (size_t at = kHeader + ColourTable(flags); at < bytes.size();) {
    const uint64_t kind = BigEndian(bytes, at, 1);
    if (kind == 0x21) {  // extension
      if (BigEndian(bytes, at + 1, 1) == 0xf9 && (BigEndian(bytes, at + 3, 1) & 1) != 0)
        out.transparent = static_cast<int>(BigEndian(bytes, at + 6, 1));
      at = SkipSubBlocks(bytes, at + 2);
      continue;
    }
    if (kind != 0x2c) break;
    const uint64_t own = BigEndian(bytes, at + 9, 1);
    out.flags = static_cast<int>(own);
    at += 10;
    if (ColourTable(own) != 0) {
      out.table = Slice(bytes, at, ColourTable(own));
      out.table_bits = static_cast<int>(own & 7);
    }
    at += ColourTable(own);
    const size_t end = SkipSubBlocks(bytes, at + 1);
    out.data = Slice(bytes, at, end - std::min(at, end));
    if (out.table.size() != size_t{6} << out.table_bits || out.data.size() < 2) break;
    return out;
  }
  return std::nullopt;
}

absl::StatusOr<Container> ReadGif(absl::string_view bytes, std::optional<int> frame) {
  Container out;
  int frames = 0;
  int delay_ms = 0;
  LeftOut left_out;
  const auto canvas = static_cast<int64_t>(LittleEndian(bytes, 6, 2) * LittleEndian(bytes, 8, 2));
  size_t at = kHeader + ColourTable(BigEndian(bytes, 10, 1));
  while (at < bytes.size()) {
    const uint64_t kind = BigEndian(bytes, at, 1);
    if (kind == 0x21) {  // extension
      const uint64_t label = BigEndian(bytes, at + 1, 1);
      if (label == 0xf9) delay_ms = static_cast<int>(10 * LittleEndian(bytes, at + 4, 2));
      // It counts the times after the first one.
      if (label == 0xff && absl::StartsWith(Slice(bytes, at + 3), "NETSCAPE2.0")) {
        const auto more = static_cast<int>(LittleEndian(bytes, at + 16, 2));
        out.loops = more == 0 ? 0 : more + 1;
      }
      if (label == 0x01) out.Warn("GIF: a text that is drawn over the picture is left out");
      std::string data;
      const size_t end = SkipSubBlocks(bytes, at + 2, label == 0xf9 ? nullptr : &data);
      if (label == 0xfe) AddComment(data, &out.metadata.comment);
      if (label == 0xff) {
        const absl::string_view application = absl::string_view(data).substr(0, kApplication);
        if (application == "ICCRGBG1012")
          out.metadata.icc = data.substr(std::min(data.size(), kApplication));
        else if (application != "NETSCAPE2.0" && application != "ANIMEXTS1.0")
          left_out.Add(application);
      }
      at = end;
    } else if (kind == 0x2c) {  // image
      ++frames;
      out.durations_ms.push_back(delay_ms);
      delay_ms = 0;
      const auto pixels =
          static_cast<int64_t>(LittleEndian(bytes, at + 5, 2) * LittleEndian(bytes, at + 7, 2));
      // A decoder draws each frame up to the one asked for, and may go over the canvas for it.
      if (frame && frames <= *frame + 1) {
        out.work_pixels += std::max(pixels, canvas);
      }
      const size_t start = at + 10 + ColourTable(BigEndian(bytes, at + 9, 1));
      // Those beyond the limit are refused below, and may be millions.
      const bool asked = frames <= kMaxFrames && frame.value_or(frames - 1) == frames - 1;
      std::string data;
      at = SkipSubBlocks(bytes, start + 1, asked ? &data : nullptr);
      // A decoder takes what is missing for transparent, without a word.
      if (asked && BreaksOff(data, static_cast<int>(BigEndian(bytes, start, 1)), pixels))
        return absl::InvalidArgumentError(
            "the GIF data are damaged or truncated (a frame ends in the middle)");
    } else {  // the trailer, or noise
      constexpr uint64_t kTrailer = 0x3b;
      out.WarnOfBytesBehind(Slice(bytes, kind == kTrailer ? at + 1 : at));
      break;
    }
  }
  if (frames > kMaxFrames)
    return absl::InvalidArgumentError(
        absl::StrFormat("a GIF of %d frames is not supported, at most %d are; make a WebP of it "
                        "(ffmpeg -i FILE.gif FILE.webp)",
                        frames, kMaxFrames));
  left_out.Tell("GIF: data of applications are left out", &out.warnings);
  if (frames > 1) HIIF_RETURN_IF_ERROR(CheckWork(out.work_pixels, "the frames up to this one"));
  return out;
}

}  // namespace hiif
