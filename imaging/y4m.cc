#include "imaging/y4m.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace hiif {
namespace {

constexpr int64_t kMaxSide = 32'768;
constexpr absl::string_view kMatrix = "XCOLORMATRIX=";

struct ChromaFormat {
  absl::string_view name;
  int step_x;
  int step_y;
  double offset_x;
  double offset_y;
};
// By the name's part before "p10". 4:2:0 of MPEG-2 and 4:2:2 have their chroma on every second luma
// sample of a line.
constexpr ChromaFormat kChroma[] = {
    {"420jpeg", 2, 2, 0.5, 0.5}, {"420mpeg2", 2, 2, 0, 0.5}, {"420paldv", 2, 2, 0, 0},
    {"420", 2, 2, 0.5, 0.5},     {"422", 2, 1, 0, 0},        {"444", 1, 1, 0, 0},
    {"mono", 1, 1, 0, 0},
};

absl::Status Bad(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("y4m: ", why));
}

absl::Status SetChroma(absl::string_view name, VideoFormat* format) {
  absl::string_view base = name;
  format->bits = absl::ConsumeSuffix(&base, "p10") || name == "mono10" ? 10 : 8;
  if (name == "mono10") base = "mono";
  for (const ChromaFormat& c : kChroma) {
    if (base != c.name) continue;
    format->mono = c.name == "mono";
    format->chroma_step_x = c.step_x;
    format->chroma_step_y = c.step_y;
    format->chroma_offset_x = c.offset_x;
    format->chroma_offset_y = c.offset_y;
    // 10 bits come without a siting; what has so many is not of the JPEG kind.
    if (c.name == "420" && format->bits == 10) format->chroma_offset_x = 0;
    return absl::OkStatus();
  }
  return Bad(absl::StrCat("the pixel format ", name,
                          " is not supported; 8 and 10 bits of 420, 422, 444 and mono are"));
}

// Of a header that names none, what players take: that of the size.
void SetMatrix(VideoFormat* format) {
  constexpr int64_t kHighDefinition = 720;
  absl::string_view name = format->size.height >= kHighDefinition ? "BT709" : "BT601";
  for (const absl::string_view parameter : format->parameters)
    if (absl::StartsWith(parameter, kMatrix)) name = parameter.substr(kMatrix.size());
  if (absl::EqualsIgnoreCase(name, "BT709")) {
    format->kr = 0.2126;
    format->kb = 0.0722;
  } else if (absl::StartsWithIgnoreCase(name, "BT2020")) {
    format->kr = 0.2627;
    format->kb = 0.0593;
  } else {
    format->kr = 0.299;
    format->kb = 0.114;
  }
}

// A plane of samples as numbers of [0,1] (luma) or [-1/2,1/2] (chroma), and back.
struct Scale {
  Scale(const VideoFormat& format, bool chroma) {
    const double unit = 1 << (format.bits - 8);
    const double all = (1 << format.bits) - 1;
    zero = chroma ? 128 * unit : format.full_range ? 0 : 16 * unit;
    one = format.full_range ? all : (chroma ? 224 : 219) * unit;
    most = all;
  }
  double zero;
  double one;
  double most;
};

int64_t ChromaSide(int64_t side, int step) { return (side + step - 1) / step; }

class Planes {
 public:
  explicit Planes(const VideoFormat& format)
      : wide_(format.bits > 8),
        width_(format.size.width),
        luma_(format.size.width * format.size.height),
        chroma_width_(ChromaSide(format.size.width, format.chroma_step_x)),
        chroma_height_(ChromaSide(format.size.height, format.chroma_step_y)) {}

  int64_t chroma_width() const { return chroma_width_; }
  int64_t chroma_height() const { return chroma_height_; }
  int64_t Luma(int64_t x, int64_t y) const { return y * width_ + x; }
  int64_t Chroma(int plane, int64_t x, int64_t y) const {
    return luma_ + (plane * chroma_height_ + y) * chroma_width_ + x;
  }
  double Get(absl::string_view frame, int64_t index) const {
    const auto byte = [&frame](int64_t i) { return static_cast<uint8_t>(frame[i]); };
    return wide_ ? byte(2 * index) | byte(2 * index + 1) << 8 : byte(index);
  }
  void Set(std::string* frame, int64_t index, double value, double most) const {
    const auto v = static_cast<int>(std::lround(std::clamp(value, 0.0, most)));
    if (wide_) {
      (*frame)[2 * index] = static_cast<char>(v & 0xff);
      (*frame)[2 * index + 1] = static_cast<char>(v >> 8);
    } else {
      (*frame)[index] = static_cast<char>(v);
    }
  }

 private:
  bool wide_;
  int64_t width_;
  int64_t luma_;
  int64_t chroma_width_;
  int64_t chroma_height_;
};

// Between which two of `count` chroma samples luma sample `at` lies, and how near to the second.
struct Between {
  Between(int64_t at, int step, double offset, int64_t count) {
    const double u = (static_cast<double>(at) - offset) / step;
    const double floor = std::floor(u);
    first = std::clamp<int64_t>(static_cast<int64_t>(floor), 0, count - 1);
    second = std::clamp<int64_t>(static_cast<int64_t>(floor) + 1, 0, count - 1);
    weight = step == 1 ? 0 : u - floor;
  }
  int64_t first;
  int64_t second;
  double weight;
};

// The luma samples that chroma sample `at` is the mean of, with their weights.
struct Taps {
  Taps(int64_t at, int step, double offset, int64_t side) {
    const int64_t begin = at * step;
    if (step == 1) {
      positions = {begin};
      weights = {1};
    } else if (offset == 0.5) {
      positions = {begin, begin + 1};
      weights = {0.5, 0.5};
    } else {
      positions = {begin - 1, begin, begin + 1};
      weights = {0.25, 0.5, 0.25};
    }
    for (int64_t& p : positions) p = std::clamp<int64_t>(p, 0, side - 1);
  }
  std::vector<int64_t> positions;
  std::vector<double> weights;
};

uint16_t ToSample(double v) {
  return static_cast<uint16_t>(std::lround(std::clamp(v, 0.0, 1.0) * 65535));
}

// The pixels' own shape, so that the picture as a whole keeps its.
std::string Aspect(absl::string_view now, Grid from, Grid to) {
  const std::vector<absl::string_view> parts = absl::StrSplit(now, ':');
  int64_t across = 0;
  int64_t down = 0;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &across) ||
      !absl::SimpleAtoi(parts[1], &down) || across <= 0 || down <= 0 || across > 1'000'000 ||
      down > 1'000'000)
    return std::string(now);
  // Rounding of the sides is no other shape.
  const double x = static_cast<double>(to.width) / static_cast<double>(from.width);
  const double y = static_cast<double>(to.height) / static_cast<double>(from.height);
  const double half = 0.5 / static_cast<double>(std::min(from.width, from.height));
  if (std::abs(x - y) <= 2 * half) return std::string(now);
  const int64_t a = across * from.width * to.height;
  const int64_t b = down * from.height * to.width;
  const int64_t divisor = std::gcd(a, b);
  return absl::StrCat(a / divisor, ":", b / divisor);
}

}  // namespace

int64_t VideoFormat::FrameBytes() const {
  const int64_t luma = size.width * size.height;
  const int64_t chroma =
      mono ? 0 : 2 * ChromaSide(size.width, chroma_step_x) * ChromaSide(size.height, chroma_step_y);
  return (luma + chroma) * SampleBytes();
}

absl::StatusOr<VideoFormat> ParseY4mHeader(absl::string_view line) {
  if (!absl::ConsumePrefix(&line, "YUV4MPEG2"))
    return Bad("the stream does not begin with YUV4MPEG2 (ffmpeg: -f yuv4mpegpipe)");
  VideoFormat format;
  for (const absl::string_view word : absl::StrSplit(line, ' ', absl::SkipEmpty())) {
    format.parameters.emplace_back(word);
    const absl::string_view value = word.substr(1);
    absl::string_view text = value;
    switch (word[0]) {
      case 'W':
      case 'H': {
        int64_t side = 0;
        if (!absl::SimpleAtoi(value, &side) || side < 1 || side > kMaxSide)
          return Bad(absl::StrCat(word, ": a side of 1 to ", kMaxSide, " is allowed"));
        (word[0] == 'W' ? format.size.width : format.size.height) = side;
        break;
      }
      case 'C': {
        const absl::Status status = SetChroma(value, &format);
        if (!status.ok()) return status;
        break;
      }
      case 'I':
        if (value != "p" && value != "?")
          return Bad("interlaced video is not supported: deinterlace it first (ffmpeg: -vf bwdif)");
        break;
      case 'X':
        if (absl::ConsumePrefix(&text, "COLORRANGE=")) format.full_range = text == "FULL";
        break;
      default:
        break;
    }
  }
  if (format.size.width == 0 || format.size.height == 0) return Bad("the header names no size");
  SetMatrix(&format);
  return format;
}

VideoFormat Resized(const VideoFormat& format, Grid part, Grid size) {
  VideoFormat out = format;
  out.size = size;
  for (std::string& parameter : out.parameters) {
    const absl::string_view value = absl::string_view(parameter).substr(1);
    if (parameter[0] == 'W')
      parameter = absl::StrCat("W", size.width);
    else if (parameter[0] == 'H')
      parameter = absl::StrCat("H", size.height);
    else if (parameter[0] == 'A')
      parameter = absl::StrCat("A", Aspect(value, part, size));
  }
  SetMatrix(&out);
  return out;
}

std::string Y4mHeader(const VideoFormat& format) {
  std::string out = "YUV4MPEG2";
  for (const std::string& parameter : format.parameters) absl::StrAppend(&out, " ", parameter);
  return out;
}

std::vector<uint16_t> FrameToRgb(const VideoFormat& format, absl::string_view frame) {
  const Planes planes(format);
  const Scale luma(format, false);
  const Scale chroma(format, true);
  const double kg = 1 - format.kr - format.kb;
  std::vector<uint16_t> out(format.size.width * format.size.height * format.channels());
  uint16_t* pixel = out.data();
  for (int64_t y = 0; y < format.size.height; ++y) {
    const Between down(y, format.chroma_step_y, format.chroma_offset_y, planes.chroma_height());
    for (int64_t x = 0; x < format.size.width; ++x) {
      const double light = (planes.Get(frame, planes.Luma(x, y)) - luma.zero) / luma.one;
      if (format.mono) {
        *pixel++ = ToSample(light);
        continue;
      }
      const Between across(x, format.chroma_step_x, format.chroma_offset_x, planes.chroma_width());
      double c[2];
      for (int p = 0; p < 2; ++p) {
        const auto row = [&](int64_t j) {
          const double a = planes.Get(frame, planes.Chroma(p, across.first, j));
          const double b = planes.Get(frame, planes.Chroma(p, across.second, j));
          return a + (b - a) * across.weight;
        };
        const double top = row(down.first);
        const double value = down.weight == 0 ? top : top + (row(down.second) - top) * down.weight;
        c[p] = (value - chroma.zero) / chroma.one;
      }
      const double red = light + 2 * (1 - format.kr) * c[1];
      const double blue = light + 2 * (1 - format.kb) * c[0];
      *pixel++ = ToSample(red);
      *pixel++ = ToSample((light - format.kr * red - format.kb * blue) / kg);
      *pixel++ = ToSample(blue);
    }
  }
  return out;
}

std::string FrameFromRgb(const VideoFormat& format, absl::Span<const uint16_t> rgb) {
  const Planes planes(format);
  const Scale luma(format, false);
  const Scale chroma(format, true);
  const double kg = 1 - format.kr - format.kb;
  std::string out(format.FrameBytes(), '\0');
  const auto sample = [&rgb](int64_t index) { return rgb[index] / 65535.0; };
  for (int64_t i = 0; i < format.size.width * format.size.height; ++i) {
    const double light = format.mono ? sample(i)
                                     : format.kr * sample(3 * i) + kg * sample(3 * i + 1) +
                                           format.kb * sample(3 * i + 2);
    planes.Set(&out, i, light * luma.one + luma.zero, luma.most);
  }
  if (format.mono) return out;
  for (int64_t y = 0; y < planes.chroma_height(); ++y) {
    const Taps down(y, format.chroma_step_y, format.chroma_offset_y, format.size.height);
    for (int64_t x = 0; x < planes.chroma_width(); ++x) {
      const Taps across(x, format.chroma_step_x, format.chroma_offset_x, format.size.width);
      double red = 0;
      double green = 0;
      double blue = 0;
      for (size_t j = 0; j < down.positions.size(); ++j)
        for (size_t i = 0; i < across.positions.size(); ++i) {
          const double weight = down.weights[j] * across.weights[i];
          const int64_t at = 3 * (down.positions[j] * format.size.width + across.positions[i]);
          red += weight * sample(at);
          green += weight * sample(at + 1);
          blue += weight * sample(at + 2);
        }
      const double light = format.kr * red + kg * green + format.kb * blue;
      const double cb = (blue - light) / (2 * (1 - format.kb));
      const double cr = (red - light) / (2 * (1 - format.kr));
      planes.Set(&out, planes.Chroma(0, x, y), cb * chroma.one + chroma.zero, chroma.most);
      planes.Set(&out, planes.Chroma(1, x, y), cr * chroma.one + chroma.zero, chroma.most);
    }
  }
  return out;
}

}  // namespace hiif
