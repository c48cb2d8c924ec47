// What a picture of a request is said to take before it is decoded.
#include "server/core/image_input.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "jail/picture_file.h"
#include "server/errors/errors.h"
#include "tests/unit/imaging/files.h"

namespace hiif::server {
namespace {

std::string Png(size_t xmp_bytes) {
  vips::VImage image = testing::Make<uint8_t>(16, 16, 3, testing::Pattern);
  std::string xmp(xmp_bytes, ' ');  // until it is saved
  if (!xmp.empty()) {
    image = image.copy();
    image.set("xmp-data", nullptr, xmp.data(), xmp.size());
  }
  return testing::Save(image, ".png");
}

TEST(ImageInput, CountsMetadataThatIsKept) {
  constexpr int64_t kXmp = 4 << 20;
  TrustingOpener opener;
  const InputOptions options{.opener = &opener};
  const std::string plain = Png(0);
  const std::string described = Png(kXmp);
  const auto without = ImageInput::FromFile(plain, "image.encoded", options);
  const auto with = ImageInput::FromFile(described, "image.encoded", options);
  ASSERT_TRUE(without.ok() && with.ok()) << without.status() << with.status();
  EXPECT_GE(with->decode_bytes(), without->decode_bytes() + 2 * kXmp);
  EXPECT_EQ(with->source_bytes(), static_cast<int64_t>(described.size()));
}

// Files of which something is read, or nothing.
class LosingOpener final : public PictureOpener {
 public:
  explicit LosingOpener(bool probes) : probes_(probes) {}
  absl::StatusOr<std::unique_ptr<const PictureFile>> Open(absl::string_view) override {
    return std::make_unique<File>(probes_);
  }

 private:
  class File final : public PictureFile {
   public:
    explicit File(bool probes) : probes_(probes) {}
    absl::StatusOr<ImageInfo> Probe(const ImageLimits&, std::optional<int>,
                                    const IsCancelled&) const override {
      if (!probes_) return absl::UnavailableError("no process");
      ImageInfo info;
      info.stored = info.size = {8, 8};
      info.channels = 3;
      return info;
    }
    absl::StatusOr<Picture> Decode(const ImageInfo&, const DecodeOptions&) const override {
      return absl::UnavailableError("no process");
    }

   private:
    const bool probes_;
  };

  const bool probes_;
};

// The reason is how a worker tells it from a lost device, which ends the server.
TEST(ImageInput, WithoutADecoderItSaysSo) {
  for (const bool probes : {false, true}) {
    LosingOpener opener(probes);
    const auto input = ImageInput::FromFile("x", "image.encoded", {.opener = &opener});
    ASSERT_EQ(input.ok(), probes) << input.status();
    const absl::Status status = probes ? input->Decode(false, nullptr).status() : input.status();
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_EQ(ReasonOf(status), kReasonNoDecoder);
    EXPECT_TRUE(RetryDelayOf(status).has_value());
  }
}

TEST(ImageInput, ClipsFloatsOnRequest) {
  const float samples[3] = {0.5f, 1.2f, -1.0f};
  v1::ImageSource source;
  source.mutable_raw()->set_width(1);
  source.mutable_raw()->set_height(1);
  source.mutable_raw()->set_channels(3);
  source.mutable_raw()->set_sample_type(v1::SAMPLE_TYPE_F32);
  source.mutable_raw()->set_samples(std::string(reinterpret_cast<const char*>(samples), 12));
  for (const bool clip : {false, true}) {
    const auto input = ImageInput::FromSource(source, {.clip = clip});
    ASSERT_TRUE(input.ok()) << input.status();
    EXPECT_EQ(input->Decode(false, nullptr).ok(), clip);
  }
}

}  // namespace
}  // namespace hiif::server
