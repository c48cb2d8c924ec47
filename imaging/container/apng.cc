#include "imaging/container/apng.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "imaging/bytes.h"
#include "imaging/container/png.h"

namespace hiif {
namespace {

constexpr size_t kMaxFrames = 100'000;
constexpr size_t kHeaderBytes = 13;
constexpr size_t kControlBytes = 26;
constexpr size_t kMaxShared = 12 + 768 + 12 + 256;  // chunks of a palette and its transparency

// Durations are fractions of seconds: each is rounded so that their sum is right.
class Milliseconds {
 public:
  int Next(uint64_t numerator, uint64_t denominator) {
    exact_ += 1000.0 * static_cast<double>(numerator) /
              static_cast<double>(denominator == 0 ? 100 : denominator);
    const auto rounded = static_cast<int64_t>(std::llround(exact_)) - told_;
    told_ += rounded;
    return static_cast<int>(rounded);
  }

 private:
  double exact_ = 0;
  int64_t told_ = 0;
};

absl::Status Damaged(absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("the animation in the PNG is damaged (", why, ")"));
}

}  // namespace

absl::StatusOr<Apng> ReadApng(absl::string_view bytes) {
  Apng out;
  Milliseconds durations;
  for (size_t at = kPngSignatureBytes; const auto chunk = NextPngChunk(bytes, at);) {
    at = chunk->end;
    const absl::string_view data = chunk->data;
    if (chunk->type == "IHDR" && data.size() == kHeaderBytes) {
      out.header = std::string(data);
      out.canvas = {static_cast<int64_t>(BigEndian(data, 4, 4)),
                    static_cast<int64_t>(BigEndian(data, 0, 4))};
    } else if (chunk->type == "PLTE" || chunk->type == "tRNS") {
      // Every frame gets them again: no more than one palette has.
      const absl::string_view whole = bytes.substr(chunk->begin, chunk->end - chunk->begin);
      if (out.shared.size() + whole.size() <= kMaxShared) absl::StrAppend(&out.shared, whole);
    } else if (chunk->type == "acTL") {
      out.loops = static_cast<int>(BigEndian(data, 4, 4) & 0x7fffffff);
    } else if (chunk->type == "fcTL") {
      if (data.size() < kControlBytes) return Damaged("a short frame control");
      if (out.frames.size() == kMaxFrames)
        return absl::InvalidArgumentError(
            absl::StrFormat("an animation of more than %d frames is refused", kMaxFrames));
      ApngFrame frame;
      const auto number = [data](size_t offset) {
        return static_cast<int64_t>(BigEndian(data, offset, 4));
      };
      frame.place = {number(12), number(16), number(4), number(8)};
      if (frame.place.width < 1 || frame.place.height < 1 ||
          frame.place.x + frame.place.width > out.canvas.width ||
          frame.place.y + frame.place.height > out.canvas.height)
        return Damaged(absl::StrCat("frame ", out.frames.size() + 1, " is not on the canvas"));
      frame.duration_ms = durations.Next(BigEndian(data, 20, 2), BigEndian(data, 22, 2));
      const uint64_t dispose = BigEndian(data, 24, 1);
      frame.dispose = dispose > 2 ? ApngDispose::kNone : static_cast<ApngDispose>(dispose);
      frame.over = BigEndian(data, 25, 1) == 1;
      out.frames.push_back(std::move(frame));
    } else if (chunk->type == "IDAT" && !out.frames.empty()) {
      // Without a frame control before it, it is the picture for those who know no animations.
      out.frames.back().data.push_back(data);
    } else if (chunk->type == "fdAT" && !out.frames.empty() && data.size() > kApngSequenceBytes) {
      out.frames.back().data.push_back(data.substr(kApngSequenceBytes));
    }
  }
  while (!out.frames.empty() && out.frames.back().data.empty()) out.frames.pop_back();
  if (out.frames.empty() || out.header.empty()) return Damaged("no frame is there");
  return out;
}

std::string ApngFrameFile(const Apng& apng, const ApngFrame& frame) {
  std::string header;
  AppendBigEndian(frame.place.width, 4, &header);
  AppendBigEndian(frame.place.height, 4, &header);
  header += apng.header.substr(8);
  std::string data;
  for (const absl::string_view piece : frame.data) data.append(piece.data(), piece.size());
  return absl::StrCat("\x89PNG\r\n\x1a\n", MakePngChunk("IHDR", header), apng.shared,
                      MakePngChunk("IDAT", data), MakePngChunk("IEND", ""));
}

}  // namespace hiif
