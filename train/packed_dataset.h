// A folder of photographs as one file that a trainer maps: decoded once, no image library later.
//
// Layout, all numbers little-endian:
//   header   8 bytes  "HIIFPACK", u32 version (1), u32 zero
//   images   height * width * 3 bytes each, interleaved RGB, each starting at a multiple of 64
//   index    one entry an image: u64 offset in the file, u32 height, u32 width, u32 CRC-32C of its
//            pixels, u32 length of its name, the name (UTF-8)
//   footer   u64 offset of the index, u64 bytes of the index, u32 images, u32 CRC-32C of the index,
//            8 bytes "HIIFPACK"
// The index lies behind the images, so a writer never goes back.
#ifndef TRAIN_PACKED_DATASET_H_
#define TRAIN_PACKED_DATASET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/file.h"
#include "base/image.h"

namespace hiif::train {

struct PackedImage {
  std::string name;
  int64_t height = 0;
  int64_t width = 0;
  uint32_t crc32c = 0;
  absl::Span<const uint8_t> pixels;  // into the mapped file, height * width * 3
};

// The mapped file. Any thread.
class PackedDataset {
 public:
  // Checks everything but the pixels' checksums. NotFound; DataLoss where the file is not a data
  // set, was cut short or damaged, and where it holds no image.
  static absl::StatusOr<std::shared_ptr<const PackedDataset>> Open(const std::string& path);

  const std::string& path() const { return path_; }
  const std::vector<PackedImage>& images() const { return images_; }
  int64_t pixels() const;
  // Names the data, whatever the file is called: the CRC-32C of the index, which holds those of the
  // images, in hexadecimal.
  const std::string& fingerprint() const { return fingerprint_; }

  // Reads every pixel. DataLoss, naming the image.
  absl::Status Verify() const;

 private:
  PackedDataset() = default;
  absl::Status Parse();

  std::string path_;
  std::string fingerprint_;
  std::unique_ptr<MappedFile> file_;
  std::vector<PackedImage> images_;
};

// Writes a temporary file; Commit() puts it in place. One thread.
class PackedDatasetWriter {
 public:
  static absl::StatusOr<std::unique_ptr<PackedDatasetWriter>> Create(const std::string& path);

  // InvalidArgument for an image that is empty or not of 8 bits.
  absl::Status Add(const std::string& name, const RgbImage& image);
  int64_t images() const { return images_; }
  // FailedPrecondition where nothing was added.
  absl::Status Commit();

 private:
  PackedDatasetWriter() = default;
  absl::Status Append(absl::string_view bytes);

  std::unique_ptr<AtomicFile> file_;
  std::string index_;
  uint64_t offset_ = 0;
  uint32_t images_ = 0;
};

}  // namespace hiif::train

#endif  // TRAIN_PACKED_DATASET_H_
