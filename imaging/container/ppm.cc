#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "imaging/container/container.h"

namespace hiif {
namespace {

// Words of a header or of a file in ASCII: separated by white space, and by comments to the end of
// the line.
class Words {
 public:
  explicit Words(absl::string_view text) : text_(text) {}

  absl::string_view Next(size_t most = absl::string_view::npos) {
    while (at_ < text_.size() &&
           (absl::ascii_isspace(static_cast<unsigned char>(text_[at_])) || text_[at_] == '#'))
      at_ = text_[at_] == '#' ? std::min(text_.find('\n', at_), text_.size()) : at_ + 1;
    const size_t begin = at_;
    while (at_ < text_.size() && at_ - begin < most &&
           !absl::ascii_isspace(static_cast<unsigned char>(text_[at_])) && text_[at_] != '#')
      ++at_;
    return text_.substr(begin, at_ - begin);
  }
  size_t at() const { return at_; }

 private:
  absl::string_view text_;
  size_t at_ = 2;  // behind "P6"
};

absl::Status Damaged(absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrFormat("the PPM data are damaged or truncated (%s)", why));
}

bool IsSide(absl::string_view word, int64_t* side) {
  // Digits alone: a sign, or letters behind them, are no number of pixels.
  return !word.empty() && word.size() < 10 &&
         std::all_of(word.begin(), word.end(),
                     [](unsigned char c) { return absl::ascii_isdigit(c); }) &&
         absl::SimpleAtoi(word, side) && *side > 0;
}

// P1 to P3: a word for each sample (a digit for P1), which libvips makes zeros of where they are
// missing.
absl::Status CheckWords(Words words, bool bits, int64_t samples, int64_t most) {
  for (int64_t i = 0; i < samples; ++i) {
    const absl::string_view word = words.Next(bits ? 1 : 12);
    if (word.empty()) return Damaged(absl::StrFormat("%d samples of %d", i, samples));
    int64_t value = 0;
    const bool digits = std::all_of(word.begin(), word.end(),
                                    [](unsigned char c) { return absl::ascii_isdigit(c); });
    if (!digits || !absl::SimpleAtoi(word, &value) || value > most)
      return Damaged(absl::StrFormat("sample %d is \"%s\"", i, Printable(word, 12)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Container> ReadPpm(absl::string_view bytes, const ImageLimits& limits) {
  const char kind = bytes[1];
  Words words(bytes);
  int64_t width = 0;
  int64_t height = 0;
  if (!IsSide(words.Next(), &width) || !IsSide(words.Next(), &height))
    return Damaged("width and height are no numbers above 0");
  // Too large a picture is refused as any other is.
  if (width > limits.max_pixels / height) return Container();
  const bool is_float = kind == 'f' || kind == 'F';
  const int64_t samples = width * height * (kind == '3' || kind == '6' || kind == 'F' ? 3 : 1);
  int64_t most = 1;
  if (is_float) {
    double scale = 0;
    if (!absl::SimpleAtod(words.Next(), &scale)) return Damaged("the scale is no number");
  } else if (kind != '1' && kind != '4') {
    if (!IsSide(words.Next(), &most) || most > 65535)
      return Damaged("the largest value is no number of 1 to 65535");
  }
  if (kind >= '1' && kind <= '3') {
    HIIF_RETURN_IF_ERROR(CheckWords(words, kind == '1', samples, most));
    return Container();
  }
  const int64_t needed = is_float      ? samples * 4
                         : kind == '4' ? (width + 7) / 8 * height
                                       : samples * (most > 255 ? 2 : 1);
  const auto there = static_cast<int64_t>(bytes.size()) - static_cast<int64_t>(words.at()) - 1;
  if (there < needed)
    return Damaged(absl::StrFormat("%d bytes of %d", std::max<int64_t>(there, 0), needed));
  return Container();
}

}  // namespace hiif
