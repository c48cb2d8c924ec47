#include "eval/benchmark_set.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/bicubic.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "imaging/decode.h"

namespace hiif::eval {
namespace {

namespace fs = std::filesystem;

bool IsImage(const fs::path& path) {
  const std::string extension = absl::AsciiStrToLower(path.extension().string());
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg" ||
         extension == ".tif" || extension == ".tiff" || extension == ".ppm";
}

absl::StatusOr<std::vector<std::string>> Images(const std::string& folder) {
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& entry : ListFolder(folder, error)) {
    std::error_code unknown;  // a link that leads in a circle
    if (entry.is_regular_file(unknown) && IsImage(entry.path())) paths.push_back(entry.path());
  }
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot list ", folder));
  std::sort(paths.begin(), paths.end());
  return paths;
}

// image_SRF_N of the scale; where there is none, another's: the same originals, cropped to
// multiples of each factor, of which those for x2 lose the least. Empty: the folder has no such
// folders.
std::string FolderOfPairs(const std::string& folder, const EvalScale& scale) {
  for (const std::string& name :
       {scale.ToString(), std::string("2"), std::string("3"), std::string("4")}) {
    std::string pairs = absl::StrCat(folder, "/image_SRF_", name);
    if (IsFolder(pairs)) return pairs;
  }
  return "";
}

double Scaled(int64_t side, double factor) { return static_cast<double>(side) * factor; }

}  // namespace

Grid Enlarged(Grid low, const EvalScale& scale) {
  return {static_cast<int64_t>(std::floor(Scaled(low.height, scale.y) + 0.5)),
          static_cast<int64_t>(std::floor(Scaled(low.width, scale.x) + 0.5))};
}

std::string EvalScale::ToString() const {
  return uniform() ? absl::StrCat(x) : absl::StrCat(x, "x", y);
}

absl::StatusOr<std::vector<EvalScale>> ParseScales(const std::string& text) {
  std::vector<EvalScale> scales;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::vector<absl::string_view> factors = absl::StrSplit(part, 'x');
    EvalScale scale;
    if (factors.size() > 2 || !absl::SimpleAtod(factors[0], &scale.x) ||
        !absl::SimpleAtod(factors.back(), &scale.y) || !(scale.x >= 1 && scale.x <= 32) ||
        !(scale.y >= 1 && scale.y <= 32))
      return absl::InvalidArgumentError(absl::StrCat(
          "--scales: \"", part, "\" is not a factor of 1 to 32, nor two of them as in 2x3.1"));
    scales.push_back(scale);
  }
  return scales;
}

absl::StatusOr<RgbImage> ReadRgb(const std::string& path) {
  HIIF_ASSIGN_OR_RETURN(const std::string bytes,
                        ReadFile(path, std::numeric_limits<int64_t>::max()));
  const auto picture = Decode(bytes, {.limits = {.max_pixels = 400'000'000}});
  if (!picture.ok())
    return absl::Status(picture.status().code(),
                        absl::StrCat(path, ": ", picture.status().message()));
  // Of linear light the colours are floats, whatever the file has.
  if (picture->colour->type != SampleType::kU8)
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": an 8-bit image, not in linear light, is needed"));
  return *picture->colour;
}

absl::StatusOr<BenchmarkSet> BenchmarkSet::Open(const std::string& folder, const EvalScale& scale) {
  BenchmarkSet set;
  std::string path = folder;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  set.name_ = fs::path(path).filename();
  set.scale_ = scale;
  const std::string pairs = FolderOfPairs(path, scale);
  HIIF_ASSIGN_OR_RETURN(set.originals_, Images(pairs.empty() ? path : pairs));
  if (!pairs.empty()) {
    std::erase_if(set.originals_, [](const std::string& original) {
      return !absl::StrContains(fs::path(original).stem().string(), "_HR");
    });
    set.supplied_ = absl::StrCat(path, "/image_SRF_", scale.ToString());
    if (set.originals_.empty())
      return absl::NotFoundError(
          absl::StrCat(pairs, ": no original there, which is an image with _HR in its name"));
  }
  if (set.originals_.empty()) return absl::NotFoundError(absl::StrCat(path, ": no image there"));
  return set;
}

absl::StatusOr<std::vector<BenchmarkSet>> OpenSets(const std::vector<std::string>& folders,
                                                   const std::vector<EvalScale>& scales) {
  std::vector<BenchmarkSet> sets;
  for (const std::string& folder : folders) {
    for (const EvalScale& scale : scales) {
      HIIF_ASSIGN_OR_RETURN(BenchmarkSet set, BenchmarkSet::Open(folder, scale));
      sets.push_back(std::move(set));
    }
  }
  return sets;
}

absl::StatusOr<Pair> BenchmarkSet::Load(int64_t index) const {
  const std::string& path = originals_.at(index);
  Pair pair;
  pair.name = fs::path(path).stem();
  HIIF_ASSIGN_OR_RETURN(const RgbImage original, ReadRgb(path));
  const fs::path supplied =
      fs::path(supplied_) /
      absl::StrReplaceAll(fs::path(path).filename().string(), {{"_HR", "_LR"}});
  std::error_code error;
  if (!supplied_.empty() && fs::exists(supplied, error)) {
    HIIF_ASSIGN_OR_RETURN(RgbImage low, ReadRgb(supplied));
    const Grid size = {static_cast<int64_t>(std::nearbyint(Scaled(low.height, scale_.y))),
                       static_cast<int64_t>(std::nearbyint(Scaled(low.width, scale_.x)))};
    if (size.height > original.height || size.width > original.width)
      return absl::InvalidArgumentError(
          absl::StrCat(supplied.string(), ": does not fit its original"));
    pair.high = Crop(original, {0, 0, size.width, size.height});
    pair.low = std::make_shared<const RgbImage>(std::move(low));
    return pair;
  }
  const auto low_of = [](int64_t high, double factor) {
    return static_cast<int64_t>(std::floor(static_cast<double>(high) / factor + 1e-9));
  };
  const Grid low = {low_of(original.height, scale_.y), low_of(original.width, scale_.x)};
  if (low.height < 1 || low.width < 1)
    return absl::InvalidArgumentError(absl::StrCat(path, ": too small for ", scale_.ToString()));
  pair.high =
      Crop(original, {0, 0, static_cast<int64_t>(std::nearbyint(Scaled(low.width, scale_.x))),
                      static_cast<int64_t>(std::nearbyint(Scaled(low.height, scale_.y)))});
  pair.low = std::make_shared<const RgbImage>(ResizeBicubic(pair.high, low));
  return pair;
}

}  // namespace hiif::eval
