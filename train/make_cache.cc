#include "train/make_cache.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/bicubic.h"
#include "base/status_macros.h"
#include "model/checkpoint/network.h"
#include "model/upscaler/guard.h"
#include "train/augment.h"
#include "train/degrade.h"
#include "train/fixed_scale.h"
#include "train/initial_weights.h"
#include "train/latent_cache.h"
#include "train/packed_dataset.h"
#include "train/patterns.h"
#include "train/random.h"
#include "train/recolour.h"

namespace hiif::train {
namespace {

// Streams of random numbers beside those of the records.
constexpr uint64_t kOrderStream = ~uint64_t{0};
constexpr uint64_t kDegradeStream = uint64_t{1} << 63;

// (1,3,h,w) in [-1,1].
at::Tensor ToTensor(const RgbImage& image) {
  const at::Tensor bytes = at::from_blob(const_cast<uint8_t*>(image.samples.data()),
                                         {1, image.height, image.width, 3}, at::kByte);
  return ((bytes.to(at::kFloat) / 255.0 - 0.5) / 0.5).permute({0, 3, 1, 2}).contiguous();
}

std::vector<uint8_t> ToBytes(const at::Tensor& image) {  // (1,3,h,w) in [0,1]
  const at::Tensor bytes = (image * 255.0).round().to(at::kByte).permute({0, 2, 3, 1}).contiguous();
  const auto* first = bytes.const_data_ptr<uint8_t>();
  return {first, first + bytes.numel()};
}

class Maker {
 public:
  static absl::StatusOr<Maker> Create(const MakeCacheOptions& options);
  int64_t records() const {
    if (from_ == nullptr) return options_.records.value_or(kDefaultRecords);
    return std::min(options_.records.value_or(from_->records()), from_->records());
  }
  const CacheSettings& settings() const { return settings_; }
  absl::Status Append(int64_t i, LatentCacheWriter& writer) const;

 private:
  static absl::StatusOr<Maker> From(const MakeCacheOptions& options);
  explicit Maker(const MakeCacheOptions& options) : options_(options) {}
  absl::Status AppendFrom(int64_t i, LatentCacheWriter& writer) const;
  void DrawPhotograph(int64_t i, Random& random, RgbImage& original, RgbImage& patch) const;

  MakeCacheOptions options_;
  CacheSettings settings_;
  std::shared_ptr<const PackedDataset> data_;
  std::shared_ptr<const LatentCache> from_;
  Network encoder_;
  std::vector<FixedScaleNetwork> teachers_;  // rising scales
  std::vector<bool> shares_encoder_;
};

absl::StatusOr<Maker> Maker::From(const MakeCacheOptions& options) {
  Maker maker(options);
  HIIF_ASSIGN_OR_RETURN(maker.from_, LatentCache::Open(options.from));
  HIIF_RETURN_IF_ERROR(maker.from_->Verify());
  HIIF_ASSIGN_OR_RETURN(InitialWeights encoder, LoadAny(options.encoder));
  maker.encoder_ = std::move(encoder.network);
  maker.settings_ = maker.from_->settings();
  maker.settings_.channels = EncoderFeatures(maker.encoder_.config.encoder);
  maker.settings_.encoder = EncoderDigest(maker.encoder_);
  absl::StrAppend(&maker.settings_.origin, "; then the encoder of ", encoder.origin);
  if (options.recolour > 0) {
    absl::StrAppend(&maker.settings_.origin, "; ", options.recolour, " recoloured, seed ",
                    options.seed);
  }
  return maker;
}

absl::StatusOr<Maker> Maker::Create(const MakeCacheOptions& options) {
  if (options.records.value_or(kDefaultRecords) < 1) {
    return absl::InvalidArgumentError("--records must be at least 1");
  }
  if (!(options.recolour >= 0 && options.recolour <= 1)) {
    return absl::InvalidArgumentError("--recolour must lie in [0,1]");
  }
  if (!options.from.empty()) return From(options);
  if (options.recolour > 0) {
    return absl::InvalidArgumentError(
        "--recolour needs --from: what teachers say of a patch is recoloured with it");
  }
  if (options.patch < 16 || options.patch > 1024) {
    return absl::InvalidArgumentError("--patch must lie in [16,1024]");
  }
  if (!(options.patterns >= 0 && options.patterns <= 1) ||
      (options.data.empty() && options.patterns < 1)) {
    return absl::InvalidArgumentError(
        "--patterns must lie in [0,1]; below 1 the photographs of --data are needed");
  }
  if (!(options.degrade >= 0 && options.degrade <= 1)) {
    return absl::InvalidArgumentError("--degrade must lie in [0,1]");
  }
  if (!(options.min_factor >= 1 && options.max_factor >= options.min_factor &&
        options.max_factor <= kDetail)) {
    return absl::InvalidArgumentError("1 <= --min-factor <= --max-factor <= 4 must hold");
  }
  Maker maker(options);
  std::string data_name = "no photographs";
  if (!options.data.empty()) {
    HIIF_ASSIGN_OR_RETURN(maker.data_, PackedDataset::Open(options.data));
    HIIF_RETURN_IF_ERROR(maker.data_->Verify());
    data_name = absl::StrCat(maker.data_->images().size(), " images, packed as ",
                             maker.data_->fingerprint());
    const auto least =
        static_cast<int64_t>(std::ceil(options.min_factor * static_cast<double>(options.patch)));
    for (const PackedImage& image : maker.data_->images()) {
      if (std::min(image.height, image.width) < least) {
        return absl::InvalidArgumentError(
            absl::StrCat("image ", image.name, " of ", options.data, " has sides below ", least,
                         ": pack without it (hiif-data pack --min-side ", least, ")"));
      }
    }
  }
  HIIF_ASSIGN_OR_RETURN(InitialWeights encoder, LoadAny(options.encoder));
  maker.encoder_ = std::move(encoder.network);
  const std::string digest = EncoderDigest(maker.encoder_);
  for (const std::string& path : options.teachers) {
    HIIF_ASSIGN_OR_RETURN(FixedScaleNetwork teacher, FixedScaleNetwork::Load(path));
    maker.teachers_.push_back(std::move(teacher));
  }
  std::sort(maker.teachers_.begin(), maker.teachers_.end(),
            [](const auto& a, const auto& b) { return a.scale() < b.scale(); });
  std::vector<std::string> scales;
  for (const FixedScaleNetwork& teacher : maker.teachers_) {
    if (!maker.settings_.scales.empty() && maker.settings_.scales.back() == teacher.scale()) {
      return absl::InvalidArgumentError(
          absl::StrCat("two teachers enlarge by ", teacher.scale(), ": give one"));
    }
    maker.settings_.scales.push_back(teacher.scale());
    maker.shares_encoder_.push_back(teacher.digest() == digest);
    scales.push_back(absl::StrCat("x", teacher.scale(), " ", teacher.digest().substr(0, 8)));
  }
  maker.settings_.patch = options.patch;
  maker.settings_.channels = EncoderFeatures(maker.encoder_.config.encoder);
  maker.settings_.encoder = digest;
  maker.settings_.origin =
      absl::StrCat(data_name, "; encoder of ", encoder.origin, "; teachers ",
                   absl::StrJoin(scales, ", "), "; ", options.patterns, " patterns; factors ",
                   options.min_factor, " to ", options.max_factor, "; seed ", options.seed);
  if (options.degrade > 0) {
    absl::StrAppend(&maker.settings_.origin, "; ", options.degrade, " of the photographs damaged");
  }
  return maker;
}

void Maker::DrawPhotograph(int64_t i, Random& random, RgbImage& original, RgbImage& patch) const {
  const uint64_t images = data_->images().size();
  const auto place = static_cast<uint64_t>(i);
  const uint64_t order = Random(options_.seed, place / images, kOrderStream).Next();
  const PackedImage& image = data_->images()[Shuffled(place % images, images, order)];
  const int64_t shorter = std::min(image.height, image.width);
  // Three of four by the factors that are measured.
  double factor = random.Below(4) < 3 ? 2.0 + static_cast<double>(random.Below(3))
                                      : random.Uniform(options_.min_factor, options_.max_factor);
  factor = std::clamp(factor, options_.min_factor, options_.max_factor);
  const int64_t side = std::min(
      static_cast<int64_t>(std::nearbyint(factor * static_cast<double>(options_.patch))), shorter);
  const int64_t row = random.Below(image.height - side + 1);
  const int64_t column = random.Below(image.width - side + 1);
  original = CropSquare(image, row, column, side, Augmentation::Draw(random));
  patch = ResizeBicubic(original, {options_.patch, options_.patch});
  if (options_.degrade == 0) return;
  Random damage(options_.seed, place, kDegradeStream);
  if (damage.Uniform() < options_.degrade) patch = DegradeTwice(patch, damage);
}

absl::Status Maker::AppendFrom(int64_t i, LatentCacheWriter& writer) const {
  CacheRecord record = from_->Record(i);
  const Recolouring recolouring =
      DrawRecolouring(options_.recolour, static_cast<uint64_t>(options_.seed), i, 0);
  const RgbImage patch{SampleType::kU8, settings_.patch, settings_.patch,
                       Recoloured(recolouring, record.patch)};
  const std::vector<uint8_t> original = Recoloured(recolouring, record.original);
  std::vector<std::vector<uint8_t>> outputs;
  for (absl::Span<const uint8_t>& output : record.outputs) {
    output = outputs.emplace_back(Recoloured(recolouring, output));
  }
  record.patch = patch.samples;
  record.original = original;
  const at::Tensor latents = EncodeImage(encoder_, ToTensor(patch)).contiguous();
  record.latents = {latents.const_data_ptr<float>(), static_cast<size_t>(latents.numel())};
  return writer.Append(record);
}

absl::Status Maker::Append(int64_t i, LatentCacheWriter& writer) const {
  const c10::InferenceMode inference;
  if (from_ != nullptr) return AppendFrom(i, writer);
  Random random(options_.seed, i, 0);
  CacheRecord record;
  RgbImage original;
  RgbImage patch;
  if (random.Uniform() < options_.patterns) {
    Pattern pattern = DrawPattern(options_.patch, random);
    original = std::move(pattern.detail);
    patch = std::move(pattern.patch);
    record.kind =
        original.samples.empty() ? CacheRecord::kPixelPattern : CacheRecord::kDetailPattern;
  } else {
    DrawPhotograph(i, random, original, patch);
  }
  const at::Tensor image = ToTensor(patch);
  const at::Tensor latents = EncodeImage(encoder_, image).contiguous();
  std::vector<std::vector<uint8_t>> outputs;
  if (record.kind == CacheRecord::kPhotograph) {
    for (size_t t = 0; t < teachers_.size(); ++t) {
      outputs.push_back(
          ToBytes(shares_encoder_[t] ? teachers_[t].Decode(latents) : teachers_[t].Enlarge(image)));
    }
  }
  record.original_side = original.height;
  record.patch = patch.samples;
  record.original = original.samples;
  for (const std::vector<uint8_t>& output : outputs) record.outputs.emplace_back(output);
  record.latents = {latents.const_data_ptr<float>(), static_cast<size_t>(latents.numel())};
  return writer.Append(record);
}

}  // namespace

absl::Status MakeCache(const MakeCacheOptions& options, const std::atomic<bool>* stop,
                       const std::function<void(const std::string&)>& say) {
  return Guard([&]() -> absl::Status {
    at::set_num_threads(std::max(options.threads, 1));
    HIIF_ASSIGN_OR_RETURN(const Maker maker, Maker::Create(options));
    HIIF_ASSIGN_OR_RETURN(const auto writer,
                          LatentCacheWriter::Open(options.output, maker.settings()));
    if (writer->records() > 0) say(absl::StrCat("going on at record ", writer->records()));
    while (writer->records() < maker.records() && (stop == nullptr || !stop->load())) {
      HIIF_RETURN_IF_ERROR(maker.Append(writer->records(), *writer));
      if (writer->records() % 50 == 0) {
        HIIF_RETURN_IF_ERROR(writer->Sync());
        say(absl::StrCat(writer->records(), " of ", maker.records(), " records"));
      }
    }
    HIIF_RETURN_IF_ERROR(writer->Sync());
    if (writer->records() < maker.records()) {
      return absl::CancelledError(absl::StrCat("stopped: ", options.output, " has ",
                                               writer->records(), " of ", maker.records(),
                                               " records; the same command goes on"));
    }
    say(absl::StrCat(options.output, ": ", writer->records(), " records"));
    return absl::OkStatus();
  });
}

}  // namespace hiif::train
