#include "train/packed_dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "base/digest.h"
#include "base/file.h"

namespace hiif::train {
namespace {

using ::testing::HasSubstr;

RgbImage Ramp(int64_t height, int64_t width) {
  RgbImage image{SampleType::kU8, height, width, {}};
  for (int64_t i = 0; i < height * width * 3; ++i) image.samples.push_back(i * 7 % 251);
  return image;
}

class PackedDatasetTest : public ::testing::Test {
 protected:
  // Two images.
  void Pack() {
    auto writer = PackedDatasetWriter::Create(path_);
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE((*writer)->Add("first.jpg", Ramp(5, 7)).ok());
    ASSERT_TRUE((*writer)->Add("folder/sécond.png", Ramp(3, 2)).ok());
    ASSERT_TRUE((*writer)->Commit().ok());
  }
  std::string Bytes() { return ReadFile(path_).value(); }
  // What Open() says of these bytes in the file's place.
  absl::Status Reopen(const std::string& bytes) {
    EXPECT_TRUE(WriteFileAtomically(path_, bytes).ok());
    return PackedDataset::Open(path_).status();
  }
  const std::string path_ = ::testing::TempDir() + "/packed_dataset_test.pack";
};

TEST_F(PackedDatasetTest, GivesBackWhatWasPacked) {
  Pack();
  auto dataset = PackedDataset::Open(path_);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  ASSERT_EQ((*dataset)->images().size(), 2);
  const PackedImage& image = (*dataset)->images()[1];
  EXPECT_EQ(image.name, "folder/sécond.png");
  EXPECT_EQ(image.height, 3);
  EXPECT_EQ(image.width, 2);
  EXPECT_EQ(std::vector<uint8_t>(image.pixels.begin(), image.pixels.end()), Ramp(3, 2).samples);
  EXPECT_EQ((*dataset)->pixels(), 5 * 7 + 3 * 2);
  for (const PackedImage& packed : (*dataset)->images()) {
    EXPECT_EQ((packed.pixels.data() - (*dataset)->images()[0].pixels.data()) % 64, 0);
  }
  EXPECT_TRUE((*dataset)->Verify().ok());
}

TEST_F(PackedDatasetTest, TheFingerprintIsOfTheContentNotOfThePath) {
  Pack();
  const std::string bytes = Bytes();
  const std::string fingerprint = PackedDataset::Open(path_).value()->fingerprint();
  const std::string copy = path_ + ".copy";
  ASSERT_TRUE(WriteFileAtomically(copy, bytes).ok());
  EXPECT_EQ(PackedDataset::Open(copy).value()->fingerprint(), fingerprint);
}

TEST_F(PackedDatasetTest, EveryTruncationIsRefused) {
  Pack();
  const std::string bytes = Bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const absl::Status status = Reopen(bytes.substr(0, size));
    ASSERT_EQ(status.code(), absl::StatusCode::kDataLoss) << size << ": " << status;
    ASSERT_THAT(status.message(), HasSubstr("hiif-data pack"));
  }
}

TEST_F(PackedDatasetTest, ADamagedIndexIsRefused) {
  Pack();
  std::string bytes = Bytes();
  bytes[bytes.size() - 40] ^= 1;
  EXPECT_THAT(Reopen(bytes).message(), HasSubstr("index is damaged"));
}

TEST_F(PackedDatasetTest, AnIndexThatLiesIsRefusedThoughItsChecksumIsRight) {
  Pack();
  std::string bytes = Bytes();
  uint64_t offset;
  std::memcpy(&offset, &bytes[bytes.size() - 32], 8);
  const uint32_t height = 100'000;  // of the first image: its pixels would not fit
  std::memcpy(&bytes[offset + 8], &height, 4);
  const uint32_t crc = Crc32c(absl::string_view(bytes).substr(offset, bytes.size() - 32 - offset));
  std::memcpy(&bytes[bytes.size() - 12], &crc, 4);
  EXPECT_THAT(Reopen(bytes).message(), HasSubstr("first.jpg lies outside the file"));
}

TEST_F(PackedDatasetTest, DamagedPixelsAreFoundByVerify) {
  Pack();
  std::string bytes = Bytes();
  bytes[70] ^= 1;
  ASSERT_TRUE(Reopen(bytes).ok());
  const absl::Status status = PackedDataset::Open(path_).value()->Verify();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("first.jpg"));
}

TEST_F(PackedDatasetTest, OtherFilesAreRefusedByName) {
  EXPECT_THAT(Reopen(std::string(1000, 'x')).message(), HasSubstr("not a packed data set"));
  EXPECT_EQ(PackedDataset::Open(path_ + ".absent").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(PackedDatasetTest, TheWriterRefusesWhatItCannotPack) {
  auto writer = PackedDatasetWriter::Create(path_ + ".none");
  ASSERT_TRUE(writer.ok());
  RgbImage floats{SampleType::kF32, 1, 1, std::vector<uint8_t>(12)};
  EXPECT_EQ((*writer)->Add("floats", floats).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ((*writer)->Commit().code(), absl::StatusCode::kFailedPrecondition);
  writer->reset();
  EXPECT_EQ(PackedDataset::Open(path_ + ".none").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace hiif::train
