#include "train/packed_dataset.h"

#include <bit>
#include <cstring>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "base/digest.h"
#include "base/status_macros.h"

namespace hiif::train {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is read as it lies");

constexpr absl::string_view kMagic = "HIIFPACK";
constexpr uint32_t kVersion = 1;
constexpr uint64_t kHeaderBytes = 16;
constexpr uint64_t kFooterBytes = 32;
constexpr uint64_t kEntryBytes = 24;  // without the name
constexpr uint64_t kAlignment = 64;
constexpr int64_t kMaxSide = 1 << 20;

template <typename T>
void Put(std::string& out, T value) {
  static_assert(std::is_unsigned_v<T>);
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// The caller has checked that there are sizeof(T) bytes.
template <typename T>
T Take(absl::string_view& in) {
  T value;
  std::memcpy(&value, in.data(), sizeof(value));
  in.remove_prefix(sizeof(value));
  return value;
}

absl::string_view AsText(absl::Span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

absl::StatusOr<std::shared_ptr<const PackedDataset>> PackedDataset::Open(const std::string& path) {
  auto dataset = std::shared_ptr<PackedDataset>(new PackedDataset);
  dataset->path_ = path;
  HIIF_ASSIGN_OR_RETURN(dataset->file_, MappedFile::Open(path));
  const absl::Status status = dataset->Parse();
  if (!status.ok()) {
    return absl::DataLossError(
        absl::StrCat(path, ": ", status.message(), "; make it again with hiif-data pack"));
  }
  return dataset;
}

absl::Status PackedDataset::Parse() {
  const absl::string_view file = AsText(file_->bytes());
  if (file.size() < kHeaderBytes + kFooterBytes || file.substr(0, kMagic.size()) != kMagic) {
    return absl::DataLossError("not a packed data set");
  }
  absl::string_view header = file.substr(kMagic.size(), 8);
  const auto version = Take<uint32_t>(header);
  if (version != kVersion) {
    return absl::DataLossError(absl::StrCat("packed data set of unknown version ", version));
  }
  absl::string_view footer = file.substr(file.size() - kFooterBytes);
  const auto index_offset = Take<uint64_t>(footer);
  const auto index_bytes = Take<uint64_t>(footer);
  const auto count = Take<uint32_t>(footer);
  const auto index_crc = Take<uint32_t>(footer);
  const uint64_t body = file.size() - kFooterBytes;
  if (footer != kMagic || index_offset > body || index_bytes != body - index_offset) {
    return absl::DataLossError("the packed data set was cut short or damaged");
  }
  absl::string_view index = file.substr(index_offset, index_bytes);
  if (Crc32c(index) != index_crc) return absl::DataLossError("the index is damaged");
  if (count == 0) return absl::DataLossError("the packed data set holds no image");
  fingerprint_ = absl::StrFormat("%08x", index_crc);
  for (uint32_t i = 0; i < count; ++i) {
    if (index.size() < kEntryBytes) return absl::DataLossError("the index ends too early");
    PackedImage image;
    const auto offset = Take<uint64_t>(index);
    image.height = Take<uint32_t>(index);
    image.width = Take<uint32_t>(index);
    image.crc32c = Take<uint32_t>(index);
    const auto name_bytes = Take<uint32_t>(index);
    if (index.size() < name_bytes) return absl::DataLossError("the index ends too early");
    image.name = std::string(index.substr(0, name_bytes));
    index.remove_prefix(name_bytes);
    if (image.height < 1 || image.width < 1 || image.height > kMaxSide || image.width > kMaxSide) {
      return absl::DataLossError(absl::StrCat("image ", image.name, " has an impossible size"));
    }
    const uint64_t bytes = static_cast<uint64_t>(image.height) * image.width * 3;
    if (offset > index_offset || bytes > index_offset - offset) {
      return absl::DataLossError(absl::StrCat("image ", image.name, " lies outside the file"));
    }
    image.pixels = file_->bytes().subspan(offset, bytes);
    images_.push_back(std::move(image));
  }
  if (!index.empty()) return absl::DataLossError("the index has bytes behind its last image");
  return absl::OkStatus();
}

int64_t PackedDataset::pixels() const {
  int64_t sum = 0;
  for (const PackedImage& image : images_) sum += image.height * image.width;
  return sum;
}

absl::Status PackedDataset::Verify() const {
  for (const PackedImage& image : images_) {
    if (Crc32c(AsText(image.pixels)) != image.crc32c) {
      return absl::DataLossError(absl::StrCat(path_, ": the pixels of ", image.name,
                                              " are damaged; make it again with hiif-data pack"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<PackedDatasetWriter>> PackedDatasetWriter::Create(
    const std::string& path) {
  auto writer = std::unique_ptr<PackedDatasetWriter>(new PackedDatasetWriter);
  HIIF_ASSIGN_OR_RETURN(writer->file_, AtomicFile::Create(path));
  std::string header(kMagic);
  Put<uint32_t>(header, kVersion);
  Put<uint32_t>(header, 0);
  HIIF_RETURN_IF_ERROR(writer->Append(header));
  return writer;
}

absl::Status PackedDatasetWriter::Append(absl::string_view bytes) {
  HIIF_RETURN_IF_ERROR(file_->Append(bytes));
  offset_ += bytes.size();
  return absl::OkStatus();
}

absl::Status PackedDatasetWriter::Add(const std::string& name, const RgbImage& image) {
  if (image.type != SampleType::kU8 || image.height < 1 || image.width < 1 ||
      image.height > kMaxSide || image.width > kMaxSide ||
      image.samples.size() != image.height * image.width * 3) {
    return absl::InvalidArgumentError(absl::StrCat(name, " is not an 8-bit RGB image"));
  }
  HIIF_RETURN_IF_ERROR(Append(std::string((kAlignment - offset_ % kAlignment) % kAlignment, '\0')));
  const absl::string_view pixels = AsText(image.samples);
  Put<uint64_t>(index_, offset_);
  Put<uint32_t>(index_, static_cast<uint32_t>(image.height));
  Put<uint32_t>(index_, static_cast<uint32_t>(image.width));
  Put<uint32_t>(index_, Crc32c(pixels));
  Put<uint32_t>(index_, static_cast<uint32_t>(name.size()));
  index_ += name;
  ++images_;
  return Append(pixels);
}

absl::Status PackedDatasetWriter::Commit() {
  if (images_ == 0) return absl::FailedPreconditionError("no image to pack");
  std::string footer;
  Put<uint64_t>(footer, offset_);
  Put<uint64_t>(footer, index_.size());
  Put<uint32_t>(footer, images_);
  Put<uint32_t>(footer, Crc32c(index_));
  footer.append(kMagic.data(), kMagic.size());
  HIIF_RETURN_IF_ERROR(Append(index_));
  HIIF_RETURN_IF_ERROR(Append(footer));
  return file_->Commit();
}

}  // namespace hiif::train
