#include "train/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/bicubic.h"
#include "train/augment.h"
#include "train/degrade.h"
#include "train/patterns.h"
#include "train/random.h"
#include "train/recolour.h"

namespace hiif::train {
namespace {

// Streams of random numbers beside those of the samples, which use items from 0.
constexpr uint64_t kOrderStream = ~uint64_t{0};
constexpr uint64_t kDegradeStream = uint64_t{1} << 63;  // and the item
constexpr uint64_t kPatternStream = uint64_t{1} << 62;  // and the item

int64_t CropSide(int64_t patch, double scale) {
  return static_cast<int64_t>(std::nearbyint(static_cast<double>(patch) * scale));
}

}  // namespace

absl::StatusOr<Sampler> Sampler::Create(std::shared_ptr<const PackedDataset> dataset,
                                        const SamplerOptions& options) {
  if (options.batch < 1 || options.patch < 1) {
    return absl::InvalidArgumentError("batch and patch must be at least 1");
  }
  if (options.queries < 1 || options.queries > options.patch * options.patch) {
    return absl::InvalidArgumentError(
        absl::StrCat("queries must lie in [1, patch * patch], here [1, ",
                     options.patch * options.patch, "]; it is ", options.queries));
  }
  if (!(options.min_scale >= 1.0) || !(options.max_scale >= options.min_scale) ||
      !(options.max_scale <= 16.0)) {
    return absl::InvalidArgumentError("scales must satisfy 1 <= min_scale <= max_scale <= 16");
  }
  if (!(options.patterns >= 0.0 && options.patterns <= 1.0)) {
    return absl::InvalidArgumentError("patterns must lie in [0,1]");
  }
  if (!(options.recolour >= 0.0 && options.recolour <= 1.0)) {
    return absl::InvalidArgumentError("recolour must lie in [0,1]");
  }
  const int64_t smallest = CropSide(options.patch, options.min_scale);
  for (const PackedImage& image : dataset->images()) {
    if (std::min(image.height, image.width) < smallest) {
      return absl::InvalidArgumentError(
          absl::StrCat("image ", image.name, " of ", dataset->path(), " has ", image.width, "x",
                       image.height, " pixels, a patch needs ", smallest, "x", smallest,
                       ": pack without it (hiif-data pack --min-side ", smallest,
                       ") or choose a smaller patch"));
    }
  }
  return Sampler(std::move(dataset), options);
}

void Sampler::DrawPhotograph(int64_t step, int64_t item, Random& random, RgbImage& crop,
                             RgbImage& patch) const {
  const uint64_t images = dataset_->images().size();
  const uint64_t place = static_cast<uint64_t>(step) * options_.batch + item;
  const uint64_t order = Random(options_.seed, place / images, kOrderStream).Next();
  const PackedImage& image = dataset_->images()[Shuffled(place % images, images, order)];

  const int64_t shorter = std::min(image.height, image.width);
  const double largest = static_cast<double>(shorter) / static_cast<double>(options_.patch);
  const double scale = random.Uniform(
      options_.min_scale, std::max(options_.min_scale, std::min(options_.max_scale, largest)));
  const int64_t side = std::min(CropSide(options_.patch, scale), shorter);
  const int64_t row = random.Below(image.height - side + 1);
  const int64_t column = random.Below(image.width - side + 1);
  Augmentation augmentation;
  if (options_.augment) augmentation = Augmentation::Draw(random);
  crop = CropSquare(image, row, column, side, augmentation);
  patch = ResizeBicubic(crop, {options_.patch, options_.patch});
  if (options_.degrade) {
    Random damage(options_.seed, step, kDegradeStream | static_cast<uint64_t>(item));
    const Degradation degradation = DrawDegradation(damage);
    patch = Degrade(patch, degradation, damage);
  }
}

Sample Sampler::Draw(int64_t step, int64_t item) const {
  Random random(options_.seed, step, item);
  Random drawing(options_.seed, step, kPatternStream | static_cast<uint64_t>(item));
  Sample sample;
  RgbImage crop;
  RgbImage patch;
  if (options_.patterns > 0 && drawing.Uniform() < options_.patterns) {
    Pattern pattern = DrawPattern(options_.patch, drawing);
    const double largest = std::min(options_.max_scale, static_cast<double>(kDetail));
    const double scale = drawing.Uniform(options_.min_scale, std::max(options_.min_scale, largest));
    crop = EnlargedPattern(pattern, CropSide(options_.patch, scale));
    patch = std::move(pattern.patch);
    sample.final_colours = true;
  } else {
    DrawPhotograph(step, item, random, crop, patch);
  }
  sample.side = crop.height;
  sample.patch = std::move(patch.samples);

  // The first `queries` places of a Fisher-Yates shuffle: without replacement.
  std::vector<int32_t> places(sample.side * sample.side);
  std::iota(places.begin(), places.end(), 0);
  sample.rows.resize(options_.queries);
  sample.columns.resize(options_.queries);
  sample.colours.resize(options_.queries * 3);
  for (int64_t q = 0; q < options_.queries; ++q) {
    std::swap(places[q], places[q + random.Below(places.size() - q)]);
    sample.rows[q] = places[q] / static_cast<int32_t>(sample.side);
    sample.columns[q] = places[q] % static_cast<int32_t>(sample.side);
    std::copy_n(&crop.samples[int64_t{places[q]} * 3], 3, &sample.colours[q * 3]);
  }
  Recolour(DrawRecolouring(options_.recolour, options_.seed, step, item), sample);
  return sample;
}

}  // namespace hiif::train
