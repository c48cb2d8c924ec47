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

std::vector<std::string> Images(const std::string& folder) {
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& entry : ListFolder(folder, error)) {
    std::error_code unknown;  // a link that leads in a circle
    if (entry.is_regular_file(unknown) && IsImage(entry.path())) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::string FolderOf(const std::string& folder, const EvalScale& scale) {
  return absl::StrCat(folder, "/image_SRF_", scale.ToString());
}

double Scaled(int64_t side, double factor) { return static_cast<double>(side) * factor; }

bool HasPairs(const std::string& folder) {
  for (const int n : {2, 3, 4})
    if (IsFolder(absl::StrCat(folder, "/image_SRF_", n))) return true;
  return false;
}

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

absl::StatusOr<BenchmarkSet> BenchmarkSet::Open(const std::string& folder) {
  BenchmarkSet set;
  set.folder_ = folder;
  while (set.folder_.size() > 1 && set.folder_.back() == '/') set.folder_.pop_back();
  set.name_ = fs::path(set.folder_).filename();
  if (!HasPairs(set.folder_) && Images(set.folder_).empty())
    return absl::NotFoundError(absl::StrCat(folder, ": no image there"));
  return set;
}

std::vector<std::string> BenchmarkSet::Originals(const EvalScale& scale) const {
  if (!HasPairs(folder_)) return Images(folder_);
  // The same originals, cropped to multiples of each factor: those for x2 lose the least.
  std::string pairs = FolderOf(folder_, scale);
  for (const int n : {2, 3, 4})
    if (!IsFolder(pairs)) pairs = absl::StrCat(folder_, "/image_SRF_", n);
  std::vector<std::string> paths = Images(pairs);
  paths.erase(std::remove_if(paths.begin(), paths.end(),
                             [](const std::string& path) {
                               return !absl::StrContains(fs::path(path).stem().string(), "_HR");
                             }),
              paths.end());
  return paths;
}

int64_t BenchmarkSet::images(const EvalScale& scale) const {
  return static_cast<int64_t>(Originals(scale).size());
}

absl::StatusOr<Pair> BenchmarkSet::Load(const EvalScale& scale, int64_t index) const {
  const std::string path = Originals(scale)[index];
  Pair pair;
  pair.name = fs::path(path).stem();
  HIIF_ASSIGN_OR_RETURN(const RgbImage original, ReadRgb(path));
  const fs::path supplied =
      fs::path(FolderOf(folder_, scale)) /
      absl::StrReplaceAll(fs::path(path).filename().string(), {{"_HR", "_LR"}});
  std::error_code error;
  if (HasPairs(folder_) && fs::exists(supplied, error)) {
    HIIF_ASSIGN_OR_RETURN(RgbImage low, ReadRgb(supplied));
    const Grid size = {static_cast<int64_t>(std::nearbyint(Scaled(low.height, scale.y))),
                       static_cast<int64_t>(std::nearbyint(Scaled(low.width, scale.x)))};
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
  const Grid low = {low_of(original.height, scale.y), low_of(original.width, scale.x)};
  if (low.height < 1 || low.width < 1)
    return absl::InvalidArgumentError(absl::StrCat(path, ": too small for ", scale.ToString()));
  pair.high =
      Crop(original, {0, 0, static_cast<int64_t>(std::nearbyint(Scaled(low.width, scale.x))),
                      static_cast<int64_t>(std::nearbyint(Scaled(low.height, scale.y)))});
  pair.low = std::make_shared<const RgbImage>(ResizeBicubic(pair.high, low));
  return pair;
}

}  // namespace hiif::eval
