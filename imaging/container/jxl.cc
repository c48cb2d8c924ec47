#include <brotli/decode.h>

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "imaging/bytes.h"
#include "imaging/container/boxes.h"
#include "imaging/container/container.h"
#include "imaging/container/jxl_header.h"

namespace hiif {
namespace {

constexpr int kMaxBoxes = 65536;
// Of what a box holds once it is unpacked, and how many are.
constexpr size_t kMaxUnpacked = size_t{8} << 20;
constexpr int kMaxUnpackings = 4;

// Brotli's data (RFC 7932) unpacked; empty where they are damaged or more than is allowed. Windows
// are of 16 MiB at most.
std::string Unpack(absl::string_view packed) {
  BrotliDecoderState* const state = BrotliDecoderCreateInstance(nullptr, nullptr, nullptr);
  if (state == nullptr) return {};
  const absl::Cleanup end = [state] { BrotliDecoderDestroyInstance(state); };
  std::string out;
  size_t left = packed.size();
  auto next = reinterpret_cast<const uint8_t*>(packed.data());
  BrotliDecoderResult result = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
  while (result == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT && out.size() < kMaxUnpacked) {
    const size_t before = out.size();
    out.resize(before + (size_t{1} << 16));
    auto at = reinterpret_cast<uint8_t*>(out.data() + before);
    size_t room = out.size() - before;
    result = BrotliDecoderDecompressStream(state, &left, &next, &room, &at, nullptr);
    out.resize(out.size() - room);
  }
  return result == BROTLI_DECODER_RESULT_SUCCESS ? out : std::string();
}

// Of the codestream: names of channels may make its header long.
constexpr size_t kMaxHeader = 1 << 16;

// Frames, and channels that are neither colour nor transparency: decoders pass over them.
absl::Status UseHeader(absl::string_view codestream, Container* out) {
  const auto header = ReadJxlHeader(codestream);
  if (!header) return absl::OkStatus();  // the decoder says what is wrong
  out->animation = header->animation;
  out->associated = header->associated;
  const auto& extra = header->extra;
  const auto count = [&extra](JxlChannel kind) {
    return std::count(extra.begin(), extra.end(), kind);
  };
  if (count(JxlChannel::kBlack) > 0)
    return absl::InvalidArgumentError("a JPEG XL of CMYK is not supported");
  const int64_t alpha = count(JxlChannel::kAlpha);
  const int64_t spots = count(JxlChannel::kSpotColour);
  // libvips asks for as many channels as the file has, and libjxl takes their number for what is
  // wanted: 1 or 2 for grey, 3 or 4 for RGB (grey three times), an even one for transparency too,
  // which is opaque where the file has none.
  const int64_t channels = (header->grey ? 1 : 3) + std::ssize(extra);
  if (channels > 4 || (header->grey && channels == 3 && alpha > 0))
    return absl::InvalidArgumentError(absl::StrFormat(
        "a JPEG XL of %s and %d extra channels is not supported: its decoder hands on no more than "
        "transparency; write it without the others (djxl FILE.jxl FILE.png)",
        header->grey ? "grey" : "RGB", extra.size()));
  out->grey = header->grey && extra.size() > 1;
  out->opaque = alpha == 0 && !extra.empty();
  if (spots > 0)
    out->Warn("the spot colours of the JPEG XL are drawn into its picture, not kept apart");
  const int64_t left_out = std::ssize(extra) - std::min<int64_t>(alpha, 1) - spots;
  if (left_out > 0)
    out->Warn(absl::StrFormat("%d extra channel%s of the JPEG XL (%s) %s left out", left_out,
                              left_out == 1 ? "" : "s",
                              count(JxlChannel::kDepth) > 0 ? "a depth map" : "not transparency",
                              left_out == 1 ? "is" : "are"));
  return absl::OkStatus();
}

// The picture, and how it was packed; what restores the bytes of a JPEG is of no use without them.
bool IsOfTheCodestream(absl::string_view type) {
  for (const absl::string_view known : {"JXL ", "ftyp", "jxlc", "jxlp", "jxll", "jxli", "jbrd"})
    if (type == known) return true;
  return false;
}

}  // namespace

absl::StatusOr<Container> ReadJxl(absl::string_view bytes) {
  Container out;
  out.turned = true;
  if (absl::StartsWith(bytes, "\xff\x0a")) {  // a bare codestream
    if (const absl::Status status = UseHeader(bytes, &out); !status.ok()) return status;
    return out;
  }
  LeftOut left_out;
  std::string start;  // of the codestream, which may lie in many parts
  int unpackings = 0;
  // Boxes as of ISO base media files. The decoder gets those of the codestream alone: libvips 8.16
  // refuses a picture for EXIF data that it does not like.
  size_t begin = 0;
  int boxes = 0;
  for (auto box = NextBox(bytes, 0); box; begin = box->end, box = NextBox(bytes, begin)) {
    const absl::string_view type = box->type;
    if (++boxes > kMaxBoxes)
      return absl::InvalidArgumentError(
          absl::StrFormat("a JPEG XL of more than %d boxes is not read", kMaxBoxes));
    const absl::string_view data = box->body;
    if (type == "jxlc" || type == "jxlp")
      absl::StrAppend(&start, Slice(data, type == "jxlp" ? 4 : 0, kMaxHeader - start.size()));
    if (!box->whole) break;
    if (IsOfTheCodestream(type)) AddPiece(bytes, begin, box->end, &out);
    std::string unpacked;  // what a packed box of four letters and Brotli holds
    if (type == "brob" && ++unpackings <= kMaxUnpackings) unpacked = Unpack(Slice(data, 4));
    const absl::string_view kind = unpacked.empty() ? type : data.substr(0, 4);
    const absl::string_view held = unpacked.empty() ? data : absl::string_view(unpacked);
    if (kind == "Exif") {
      TakeBoxedExif(held, &out);
    } else if (kind == "xml ") {
      if (out.metadata.xmp.empty()) out.metadata.xmp = std::string(held);
    } else if (kind == "jumb") {
      out.WarnOfCredentials();
    } else if (type == "brob") {
      left_out.Add(absl::StrFormat("%s (packed)", data.substr(0, 4)));
    } else if (!IsOfTheCodestream(type)) {
      left_out.Add(type);
    }
  }
  if (const absl::Status status = UseHeader(start, &out); !status.ok()) return status;
  // A box that is cut is the decoder's to judge.
  AddPiece(bytes, begin, bytes.size(), &out);
  if (!NextBox(bytes, begin)) out.WarnOfBytesBehind(Slice(bytes, begin));
  left_out.Tell("JPEG XL: boxes are left out", &out.warnings);
  UseExif(&out);
  return out;
}

}  // namespace hiif
