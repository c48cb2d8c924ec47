#include "imaging/container/jxl_header.h"

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/strings/match.h"

namespace hiif {
namespace {

// Bits, the lowest of each byte first; 0 behind the end.
class Bits {
 public:
  explicit Bits(absl::string_view bytes) : bytes_(bytes) {}

  uint32_t Get(int count) {
    uint32_t value = 0;
    for (int i = 0; i < count; ++i, ++at_)
      if (at_ / 8 < bytes_.size())
        value |= (static_cast<uint8_t>(bytes_[at_ / 8]) >> at_ % 8 & 1U) << i;
    return value;
  }
  bool Flag() { return Get(1) != 0; }

  // One of four: an offset and so many bits more.
  struct Choice {
    uint32_t offset;
    int bits;
  };
  uint32_t Pick(const std::array<Choice, 4>& choices) {
    const Choice& choice = choices[Get(2)];
    return choice.offset + Get(choice.bits);
  }
  uint32_t Enum() { return Pick({{{0, 0}, {1, 0}, {2, 4}, {18, 6}}}); }

  bool whole() const { return at_ <= 8 * bytes_.size(); }

 private:
  absl::string_view bytes_;
  size_t at_ = 0;
};

void SkipSize(Bits& bits) {
  const bool small = bits.Flag();
  const auto side = [&] {
    if (small)
      bits.Get(5);
    else
      bits.Pick({{{1, 9}, {1, 13}, {1, 18}, {1, 30}}});
  };
  side();
  if (bits.Get(3) == 0) side();
}

void SkipPreview(Bits& bits) {
  const bool small = bits.Flag();
  const auto side = [&] {
    if (small)
      bits.Pick({{{16, 0}, {32, 0}, {1, 5}, {33, 9}}});
    else
      bits.Pick({{{1, 6}, {65, 8}, {321, 10}, {1345, 12}}});
  };
  side();
  if (bits.Get(3) == 0) side();
}

void SkipAnimation(Bits& bits) {
  bits.Pick({{{100, 0}, {1000, 0}, {1, 10}, {1, 30}}});
  bits.Pick({{{1, 0}, {1001, 0}, {1, 8}, {1, 10}}});
  bits.Pick({{{0, 0}, {0, 3}, {0, 16}, {0, 32}}});
  bits.Flag();
}

void SkipDepth(Bits& bits) {
  if (bits.Flag()) {  // float
    bits.Pick({{{32, 0}, {16, 0}, {24, 0}, {1, 6}}});
    bits.Get(4);
  } else {
    bits.Pick({{{8, 0}, {10, 0}, {12, 0}, {1, 6}}});
  }
}

void ReadExtraChannel(Bits& bits, JxlHeader* out) {
  if (bits.Flag()) {  // 8 bits of straight alpha
    out->extra.push_back(JxlChannel::kAlpha);
    return;
  }
  const auto kind = static_cast<JxlChannel>(bits.Enum());
  SkipDepth(bits);
  bits.Pick({{{0, 0}, {3, 0}, {4, 0}, {1, 3}}});
  const uint32_t name = bits.Pick({{{0, 0}, {0, 4}, {16, 5}, {48, 10}}});
  for (uint32_t i = 0; i < name; ++i) bits.Get(8);
  if (kind == JxlChannel::kAlpha && bits.Flag() && !out->Has(kind)) out->associated = true;
  if (kind == JxlChannel::kSpotColour)
    for (int i = 0; i < 4; ++i) bits.Get(16);
  constexpr auto kFilterArray = static_cast<JxlChannel>(5);
  if (kind == kFilterArray) bits.Pick({{{1, 0}, {0, 2}, {3, 4}, {19, 8}}});
  out->extra.push_back(kind);
}

}  // namespace

std::optional<JxlHeader> ReadJxlHeader(absl::string_view codestream) {
  constexpr absl::string_view kSignature = "\xff\x0a";
  if (!absl::StartsWith(codestream, kSignature)) return std::nullopt;
  JxlHeader out;
  Bits bits(codestream.substr(kSignature.size()));
  SkipSize(bits);
  if (bits.Flag()) return out;  // all as usual
  if (bits.Flag()) {            // more than usual
    bits.Get(3);                // orientation
    if (bits.Flag()) SkipSize(bits);
    if (bits.Flag()) SkipPreview(bits);
    out.animation = bits.Flag();
    if (out.animation) SkipAnimation(bits);
  }
  SkipDepth(bits);
  bits.Flag();  // 16 bits are enough for what is computed
  const uint32_t extra = bits.Pick({{{0, 0}, {1, 0}, {2, 4}, {1, 12}}});
  for (uint32_t i = 0; i < extra && bits.whole(); ++i) ReadExtraChannel(bits, &out);
  bits.Flag();         // XYB
  if (!bits.Flag()) {  // other colours than usual
    constexpr uint32_t kGrey = 1;
    bits.Flag();  // a profile
    out.grey = bits.Enum() == kGrey;
  }
  if (!bits.whole()) return std::nullopt;
  return out;
}

}  // namespace hiif
