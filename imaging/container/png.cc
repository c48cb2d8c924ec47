#include "imaging/container/png.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/hex.h"
#include "imaging/bytes.h"
#include "imaging/container/container.h"
#include "imaging/iptc.h"

namespace hiif {
namespace {

// Of texts in all, and of one that is unpacked.
constexpr size_t kMaxTexts = size_t{4} << 20;
constexpr size_t kMaxUnpacked = size_t{8} << 20;
constexpr int kMaxUnpackings = 4;

// zlib's data unpacked; empty where they are damaged or more than is allowed.
std::string Unpack(absl::string_view packed) {
  z_stream stream = {};
  if (inflateInit(&stream) != Z_OK) return {};
  const absl::Cleanup end = [&stream] { inflateEnd(&stream); };
  std::string out;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  int result = Z_OK;
  while (result == Z_OK && out.size() < kMaxUnpacked) {
    const size_t before = out.size();
    out.resize(before + (size_t{1} << 16));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = static_cast<uInt>(out.size() - before);
    result = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
  }
  return result == Z_STREAM_END ? out : std::string();
}

// ImageMagick's "\nname\n  length\nhexadecimal digits".
std::string RawProfile(absl::string_view text) {
  text = absl::StripLeadingAsciiWhitespace(text);
  text = Slice(text, text.find('\n'));
  text = absl::StripLeadingAsciiWhitespace(text);
  text = Slice(text, text.find('\n'));
  std::string digits;
  for (const char c : text)
    if (absl::ascii_isxdigit(static_cast<unsigned char>(c))) digits.push_back(c);
  if (digits.size() % 2 != 0) digits.pop_back();
  return BytesOfHex(digits).value_or("");
}

class PngReader {
 public:
  explicit PngReader(absl::string_view bytes) : bytes_(bytes) {}

  Container Read() {
    size_t at = kPngSignatureBytes;
    AddPiece(bytes_, 0, at, &out_);
    bool ended = false;
    while (!ended) {
      const auto chunk = NextPngChunk(bytes_, at);
      if (!chunk) break;
      ended = chunk->type == "IEND";
      if (!Taken(*chunk)) AddPiece(bytes_, chunk->begin, chunk->end, &out_);
      at = chunk->end;
    }
    // A file that ends within a chunk is the decoder's to judge.
    if (ended)
      out_.WarnOfBytesBehind(Slice(bytes_, at));
    else
      AddPiece(bytes_, at, bytes_.size(), &out_);
    CountFrames();
    left_out_.Tell("PNG: chunks that are of the original, or not known, are left out",
                   &out_.warnings);
    UseExif(&out_);
    return std::move(out_);
  }

 private:
  // Whether a chunk is ours and not the decoder's.
  bool Taken(const PngChunk& chunk) {
    const absl::string_view data = chunk.data;
    if (chunk.type == "fcTL") ++controls_;
    if (chunk.type == "IDAT" || (chunk.type == "fdAT" && data.size() > kApngSequenceBytes))
      frames_ = controls_;
    if (chunk.type == "tEXt" || chunk.type == "zTXt" || chunk.type == "iTXt") {
      Text(chunk);
    } else if (chunk.type == "eXIf") {
      if (out_.metadata.exif.empty()) out_.metadata.exif = std::string(data);
    } else if (chunk.type == "acTL") {
      out_.frames = static_cast<int>(std::clamp<uint64_t>(BigEndian(data, 0, 4), 1, 1 << 20));
    } else if (chunk.type == "iCCP") {
      if (!std::exchange(profile_seen_, true)) Profile(data);
    } else if (chunk.type == "gAMA") {
      out_.colour.gamma = static_cast<double>(BigEndian(data, 0, 4)) / 1e5;
    } else if (chunk.type == "cHRM") {
      for (size_t i = 0; i < 8; ++i)
        out_.colour.chromaticity[i] = static_cast<double>(BigEndian(data, 4 * i, 4)) / 1e5;
    } else if (chunk.type == "sRGB") {
      out_.colour.srgb = true;
    } else if (chunk.type == "pHYs") {
      Resolution(data);
    } else if (chunk.type == "cICP") {
      out_.colour.code_points = {static_cast<int>(BigEndian(data, 0, 1)),
                                 static_cast<int>(BigEndian(data, 1, 1))};
    } else if (Needed(chunk.type)) {
      return false;
    } else if (!IsHint(chunk.type)) {
      left_out_.Add(chunk.type);
    }
    return true;
  }

  // Those that are there, at most as many as the file says: it may say a million.
  void CountFrames() {
    if (!out_.frames) return;
    if (frames_ < *out_.frames)
      out_.Warn(absl::StrFormat("the animation says it has %d frames; %d are there", *out_.frames,
                                frames_));
    out_.frames = std::clamp(frames_, 1, *out_.frames);
  }

  // Critical chunks and transparency.
  static bool Needed(absl::string_view type) {
    return absl::ascii_isupper(type[0]) || type == "tRNS";
  }

  // What says nothing of an enlarged picture: hints for displays of few colours, the time of the
  // file, where its parts lie; frames are counted.
  static bool IsHint(absl::string_view type) {
    for (const absl::string_view hint :
         {"bKGD", "hIST", "sBIT", "sPLT", "tIME", "fcTL", "fdAT", "iDOT"})
      if (type == hint) return true;
    return false;
  }

  // Read here, for libvips makes a resolution of what is none: the ratio of a pixel's sides alone.
  void Resolution(absl::string_view data) {
    constexpr double kMetresPerInch = 0.0254;
    constexpr uint64_t kMetre = 1;
    const uint64_t x = BigEndian(data, 0, 4);
    const uint64_t y = BigEndian(data, 4, 4);
    if (x == 0 || y == 0 || BigEndian(data, 8, 1) != kMetre) return;
    out_.metadata.ppi_x = static_cast<double>(x) * kMetresPerInch;
    out_.metadata.ppi_y = static_cast<double>(y) * kMetresPerInch;
  }

  // Read here, for libpng drops what it does not like without a word: a profile of RGB in a grey
  // picture, of other channels, of a length that is no multiple of 4.
  void Profile(absl::string_view data) {
    const size_t name = data.find('\0');
    if (name != absl::string_view::npos) out_.metadata.icc = Unpack(Slice(data, name + 2));
    if (out_.metadata.icc.empty()) out_.Warn("the colour profile is damaged and left out");
  }

  void Text(const PngChunk& chunk) {
    const absl::string_view key = chunk.data.substr(0, chunk.data.find('\0'));
    Metadata& m = out_.metadata;
    if (key == "XML:com.adobe.xmp") {
      if (m.xmp.empty()) m.xmp = Value(chunk, key.size());
      if (m.xmp.empty()) out_.Warn("the XMP data are damaged and left out");
      return;
    }
    if (absl::StartsWith(key, "Raw profile type ")) {
      const absl::string_view kind = key.substr(17);
      const std::string block = RawProfile(Value(chunk, key.size()));
      std::string* to = kind == "exif" || kind == "APP1"   ? &m.exif
                        : kind == "xmp"                    ? &m.xmp
                        : kind == "iptc" || kind == "8bim" ? &m.iptc
                                                           : nullptr;
      if (to == &m.exif && !absl::StartsWith(block, "Exif")) to = nullptr;
      if (to == nullptr || block.empty())
        out_.Warn(absl::StrCat("PNG: \"", Printable(key), "\" is left out"));
      else if (to->empty())
        *to = to == &m.iptc ? IptcRecords(block) : block;
      return;
    }
    const size_t bytes = sizeof(PngText) + chunk.data.size();  // one of none takes room, too
    if (texts_ + bytes > kMaxTexts) {
      if (!full_)
        out_.Warn(absl::StrFormat("PNG: texts above %d MiB are left out", kMaxTexts >> 20));
      full_ = true;
      return;
    }
    texts_ += bytes;
    m.png_texts.push_back({std::string(chunk.type), std::string(key), std::string(chunk.data)});
  }

  // Of a text chunk whose key has so many bytes.
  std::string Value(const PngChunk& chunk, size_t key) {
    absl::string_view rest = Slice(chunk.data, key + 1);
    bool packed = chunk.type == "zTXt";
    if (packed) rest = Slice(rest, 1);  // the method
    if (chunk.type == "iTXt") {
      packed = BigEndian(rest, 0, 1) != 0;
      rest = Slice(rest, 2);
      for (int i = 0; i < 2; ++i)  // language, and the key in it
        rest = rest.find('\0') == absl::string_view::npos ? absl::string_view()
                                                          : rest.substr(rest.find('\0') + 1);
    }
    if (!packed) return std::string(rest);
    return ++unpackings_ <= kMaxUnpackings ? Unpack(rest) : std::string();
  }

  const absl::string_view bytes_;
  Container out_;
  size_t texts_ = 0;
  bool full_ = false;
  int controls_ = 0;  // of frames
  int frames_ = 0;    // up to the last one that has data
  int unpackings_ = 0;
  bool profile_seen_ = false;  // a damaged one is not unpacked for each that follows
  LeftOut left_out_;
};

}  // namespace

std::optional<PngChunk> NextPngChunk(absl::string_view bytes, size_t at) {
  constexpr size_t kAround = 12;  // length, type, check sum
  if (at > bytes.size() || bytes.size() - at < kAround) return std::nullopt;
  const size_t length = BigEndian(bytes, at, 4);
  if (length > bytes.size() - at - kAround) return std::nullopt;
  return PngChunk{bytes.substr(at + 4, 4), bytes.substr(at + 8, length), at, at + kAround + length};
}

std::string MakePngChunk(absl::string_view type, absl::string_view data) {
  std::string out;
  AppendBigEndian(data.size(), 4, &out);
  out.append(type.data(), type.size());
  out.append(data.data(), data.size());
  AppendBigEndian(
      crc32(0, reinterpret_cast<const Bytef*>(out.data() + 4), static_cast<uInt>(out.size() - 4)),
      4, &out);
  return out;
}

absl::StatusOr<Container> ReadPng(absl::string_view bytes) { return PngReader(bytes).Read(); }

}  // namespace hiif
