#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "imaging/bytes.h"
#include "imaging/container/container.h"

namespace hiif {
namespace {

// Words of a header or of a file in ASCII: separated by white space, and by comments to the end of
// the line, which are kept.
class Words {
 public:
  explicit Words(absl::string_view text) : text_(text) {}

  absl::string_view Next(size_t most = absl::string_view::npos) {
    while (at_ < text_.size() &&
           (absl::ascii_isspace(static_cast<unsigned char>(text_[at_])) || text_[at_] == '#')) {
      if (text_[at_] == '#')
        TakeComment();
      else
        ++at_;
    }
    const size_t begin = at_;
    while (at_ < text_.size() && at_ - begin < most &&
           !absl::ascii_isspace(static_cast<unsigned char>(text_[at_])) && text_[at_] != '#')
      ++at_;
    return text_.substr(begin, at_ - begin);
  }
  // Leaves out what words there still are, but not the comments.
  void SkipToEnd() {
    while ((at_ = std::min(text_.find('#', at_), text_.size())) < text_.size()) TakeComment();
  }
  size_t at() const { return at_; }
  const std::string& comments() const { return comments_; }

 private:
  // To the end of its line.
  void TakeComment() {
    const size_t from = at_ + 1;
    at_ = std::min(text_.find('\n', at_), text_.size());
    const absl::string_view comment = absl::StripAsciiWhitespace(text_.substr(from, at_ - from));
    if (!comment.empty()) AddComment(comment, &comments_);
  }

  absl::string_view text_;
  std::string comments_;
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

// Of 0 to `most`, as 8 or 16 bits of the whole range, big-endian.
void AppendSample(int64_t value, int64_t most, std::string* out) {
  const int64_t full = most > 255 ? 65535 : 255;
  AppendBigEndian((std::min(value, most) * full + most / 2) / most, most > 255 ? 2 : 1, out);
}

// P1 to P3: a word for each sample (a digit for P1, where 1 is black).
absl::Status ReadWords(Words& words, bool bits, int64_t samples, int64_t most, std::string* out) {
  for (int64_t i = 0; i < samples; ++i) {
    const absl::string_view word = words.Next(bits ? 1 : 12);
    if (word.empty()) return Damaged(absl::StrFormat("%d samples of %d", i, samples));
    int64_t value = 0;
    const bool digits = std::all_of(word.begin(), word.end(),
                                    [](unsigned char c) { return absl::ascii_isdigit(c); });
    if (!digits || !absl::SimpleAtoi(word, &value) || value > most)
      return Damaged(absl::StrFormat("sample %d is \"%s\"", i, Printable(word, 12)));
    AppendSample(bits ? 1 - value : value, most, out);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Container> ReadPpm(absl::string_view bytes, const ImageLimits& limits,
                                  Purpose purpose) {
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
  absl::string_view scale_word;
  if (is_float) {
    double scale = 0;
    scale_word = words.Next();
    if (!absl::SimpleAtod(scale_word, &scale)) return Damaged("the scale is no number");
  } else if (kind != '1' && kind != '4') {
    if (!IsSide(words.Next(), &most) || most > 65535)
      return Damaged("the largest value is no number of 1 to 65535");
  }
  // libvips takes comments for numbers, wants blanks between bits, and knows no largest values but
  // two: it gets a plain header, and samples of the whole range.
  Container out;
  // PFM has its rows from the bottom up (netpbm, pfm(5)); libvips takes them as they come.
  if (is_float) out.orientation = 4;
  std::string& made = out.made.emplace_back();
  const auto header = [&](const char* magic, absl::string_view last) {
    made = absl::StrFormat("%s\n%d %d\n%s", magic, width, height, last);
  };
  const char* plain = samples == width * height ? "P5" : "P6";
  const char* largest = most > 255 ? "65535\n" : "255\n";
  const int64_t each = is_float ? 4 : most > 255 ? 2 : 1;
  const auto left = static_cast<int64_t>(bytes.size() - words.at());
  if (kind >= '1' && kind <= '3') {
    // A word each, and blanks between them: less is not read at all.
    const int64_t least = kind == '1' ? samples : 2 * samples - 1;
    if (left < least) return Damaged(absl::StrFormat("%d bytes for %d samples", left, samples));
    header(plain, largest);
    if (purpose == Purpose::kPixels) {
      made.reserve(made.size() + samples * each);
      HIIF_RETURN_IF_ERROR(ReadWords(words, kind == '1', samples, most, &made));
      if (const absl::string_view more = words.Next(1); !more.empty())
        out.WarnOfBytesBehind(Slice(bytes, words.at() - more.size()));
    }
    words.SkipToEnd();
    out.metadata.comment = words.comments();
    out.pieces.emplace_back(made);
    return out;
  }
  const int64_t needed = kind == '4' ? (width + 7) / 8 * height : samples * each;
  const int64_t there = left - 1;
  if (there < needed)
    return Damaged(absl::StrFormat("%d bytes of %d", std::max<int64_t>(there, 0), needed));
  const absl::string_view raster = bytes.substr(words.at() + 1, needed);
  out.WarnOfBytesBehind(Slice(bytes, words.at() + 1 + needed));
  const bool converted =
      purpose == Purpose::kPixels && kind != '4' && !is_float && most != 255 && most != 65535;
  if (is_float)
    header(kind == 'F' ? "PF" : "Pf", absl::StrCat(scale_word, "\n"));
  else
    header(kind == '4' ? "P4" : plain, kind == '4' ? "" : largest);
  if (converted) {
    made.reserve(made.size() + needed);
    for (size_t at = 0; at < raster.size(); at += each)
      AppendSample(static_cast<int64_t>(BigEndian(raster, at, each)), most, &made);
  }
  out.metadata.comment = words.comments();
  out.pieces.emplace_back(made);
  if (!converted) out.pieces.push_back(raster);
  return out;
}

}  // namespace hiif
