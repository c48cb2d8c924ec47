// What a picture of a request is said to take before it is decoded.
#include "server/core/image_input.h"

#include <gtest/gtest.h>

#include <string>

#include "jail/picture_file.h"
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
