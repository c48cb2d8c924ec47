#include "train/cached_sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/bicubic.h"
#include "train/augment.h"
#include "train/patterns.h"
#include "train/random.h"
#include "train/recolour.h"

namespace hiif::train {
namespace {

constexpr uint64_t kOrderStream = ~uint64_t{0};

RgbImage Square(absl::Span<const uint8_t> samples, int64_t side, const Augmentation& turn) {
  return CropSquare(samples.data(), side, 0, 0, side, turn);
}

// Side of a patch made `scale` times larger.
int64_t SideAt(int64_t patch, double scale) {
  return static_cast<int64_t>(std::nearbyint(static_cast<double>(patch) * scale));
}

std::vector<float> Levels(const RgbImage& image) {
  return {image.samples.begin(), image.samples.end()};
}

bool IsTaught(const CacheSettings& settings, const CachedSamplerOptions& options) {
  return !settings.scales.empty() && options.teacher_weight > 0;
}

// Those of the teachers in [min_scale, max_scale].
absl::Span<const int64_t> WholeScales(const CacheSettings& settings,
                                      const CachedSamplerOptions& options) {
  const auto first = absl::c_lower_bound(settings.scales, options.min_scale);
  const auto last = absl::c_upper_bound(settings.scales, options.max_scale);
  return absl::MakeConstSpan(settings.scales)
      .subspan(first - settings.scales.begin(), last - first);
}

}  // namespace

absl::StatusOr<CachedSampler> CachedSampler::Create(std::shared_ptr<const LatentCache> cache,
                                                    const CachedSamplerOptions& options) {
  const int64_t inside = cache->settings().patch - 2 * options.margin;
  if (options.batch < 1 || options.margin < 0 || inside < 1) {
    return absl::InvalidArgumentError("batch must be at least 1, margin less than half a patch");
  }
  if (options.queries < 1 || options.queries > inside * inside) {
    return absl::InvalidArgumentError(
        absl::StrCat("queries must lie in [1,", inside * inside, "] for this cache"));
  }
  if (!(options.min_scale >= 1.0) || !(options.max_scale >= options.min_scale) ||
      !(options.max_scale <= static_cast<double>(kDetail))) {
    return absl::InvalidArgumentError(
        "a cache serves scales that satisfy 1 <= min-scale <= max-scale <= 4");
  }
  if (!(options.teacher_weight >= 0 && options.teacher_weight <= 1)) {
    return absl::InvalidArgumentError("teacher-weight must lie in [0,1]");
  }
  const std::vector<int64_t>& scales = cache->settings().scales;
  const bool taught = IsTaught(cache->settings(), options);
  if (taught && static_cast<double>(scales.back()) < options.max_scale) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the teachers of this cache end at ", scales.back(), ": give --max-scale ", scales.back()));
  }
  if (!(options.whole_scales >= 0 && options.whole_scales <= 1)) {
    return absl::InvalidArgumentError("whole-scales must lie in [0,1]");
  }
  if (!(options.recolour >= 0 && options.recolour <= 1)) {
    return absl::InvalidArgumentError("recolour must lie in [0,1]");
  }
  if (options.whole_scales > 0 && (!taught || WholeScales(cache->settings(), options).empty())) {
    return absl::InvalidArgumentError(
        "whole-scales: no teacher of this cache has a scale from min-scale to max-scale");
  }
  for (int64_t i = 0; i < cache->records(); ++i) {
    const CacheRecord record = cache->Record(i);
    if (record.kind != CacheRecord::kPhotograph || taught) continue;
    if (record.original_side == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "record ", i, " of ", cache->path(), " has no original: teacher-weight must be above 0"));
    }
    if (record.original_side < SideAt(cache->settings().patch, options.min_scale)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "record ", i, " of ", cache->path(), " has an original of ", record.original_side,
          " pixels a side, for scales up to ",
          static_cast<double>(record.original_side) / static_cast<double>(cache->settings().patch),
          ": lower --min-scale, or take a cache with teachers"));
    }
  }
  return CachedSampler(std::move(cache), options);
}

std::vector<float> CachedSampler::Wanted(const CacheRecord& record, int64_t side,
                                         const Augmentation& turn) const {
  const CacheSettings& settings = cache_->settings();
  const Grid size = {side, side};
  if (record.kind != CacheRecord::kPhotograph) {
    Pattern pattern{Square(record.patch, settings.patch, turn), {}};
    if (record.original_side > 0) {
      pattern.detail = Square(record.original, record.original_side, turn);
    }
    return Levels(EnlargedPattern(pattern, side));
  }
  const bool has_original = record.original_side >= side;
  std::vector<float> original;
  if (has_original) {
    original = Levels(ResizeBicubic(Square(record.original, record.original_side, turn), size));
  }
  if (!IsTaught(settings, options_)) return original;
  size_t i = 0;
  while (i + 1 < settings.scales.size() && settings.scales[i] * settings.patch < side) ++i;
  std::vector<float> out = Levels(
      ResizeBicubic(Square(record.outputs[i], settings.scales[i] * settings.patch, turn), size));
  if (has_original) {
    const auto own = static_cast<float>(1.0 - options_.teacher_weight);
    for (size_t k = 0; k < out.size(); ++k) out[k] += own * (original[k] - out[k]);
  }
  return out;
}

double CachedSampler::DrawScale(Random& random, const CacheRecord& record) const {
  const CacheSettings& settings = cache_->settings();
  if (options_.whole_scales > 0 && random.Uniform() < options_.whole_scales) {
    const absl::Span<const int64_t> whole = WholeScales(settings, options_);
    return static_cast<double>(whole[random.Below(whole.size())]);
  }
  double largest = options_.max_scale;
  if (record.kind == CacheRecord::kPhotograph && !IsTaught(settings, options_)) {
    largest = std::min(
        largest, static_cast<double>(record.original_side) / static_cast<double>(settings.patch));
  }
  return random.Uniform(options_.min_scale, std::max(options_.min_scale, largest));
}

Sample CachedSampler::Draw(int64_t step, int64_t item) const {
  Random random(options_.seed, step, item);
  const auto records = static_cast<uint64_t>(cache_->records());
  const uint64_t place = static_cast<uint64_t>(step) * options_.batch + item;
  const uint64_t order = Random(options_.seed, place / records, kOrderStream).Next();
  const CacheRecord record =
      cache_->Record(static_cast<int64_t>(Shuffled(place % records, records, order)));
  const int64_t patch = cache_->settings().patch;

  const double scale = DrawScale(random, record);
  Sample sample;
  sample.side = SideAt(patch, scale);
  Augmentation turn;
  if (options_.augment) {
    turn = Augmentation::Draw(random);
  } else {
    sample.latents = record.latents;
  }
  sample.patch = Square(record.patch, patch, turn).samples;
  sample.final_colours = true;
  const std::vector<float> wanted = Wanted(record, sample.side, turn);

  const auto edge = static_cast<int64_t>(std::ceil(static_cast<double>(options_.margin) * scale));
  const int64_t inside = std::max<int64_t>(sample.side - 2 * edge, 1);
  const int64_t queries = std::min(options_.queries, inside * inside);
  std::vector<int32_t> places(inside * inside);
  std::iota(places.begin(), places.end(), 0);
  for (int64_t q = 0; q < options_.queries; ++q) {
    // Without replacement; at the smallest scales rounding may leave one row fewer.
    const int64_t own = q % queries;
    if (q < queries) std::swap(places[q], places[q + random.Below(places.size() - q)]);
    const auto row = static_cast<int32_t>(edge + places[own] / inside);
    const auto column = static_cast<int32_t>(edge + places[own] % inside);
    sample.rows.push_back(row);
    sample.columns.push_back(column);
    const float* colour = &wanted[(int64_t{row} * sample.side + column) * 3];
    sample.colours.insert(sample.colours.end(), colour, colour + 3);
  }
  Recolour(DrawRecolouring(options_.recolour, options_.seed, step, item), sample);
  return sample;
}

}  // namespace hiif::train
