#include "eval/data_commands.h"

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/bicubic.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "imaging/decode.h"
#include "imaging/format.h"
#include "imaging/probe.h"
#include "train/packed_dataset.h"

namespace hiif::eval {
namespace {

namespace fs = std::filesystem;

struct Source {
  std::string path;
  std::string name;  // below the folder it was found in
};

// The files of a folder and those below it, each folder once however many links lead there. What
// cannot be listed is told and left out, as a file that cannot be read.
class FolderWalk {
 public:
  FolderWalk(const std::string& root, std::ostream& log) : root_(root), log_(log) { Visit(root); }

  std::vector<Source> Sorted() && {
    std::sort(found_.begin(), found_.end(),
              [](const Source& a, const Source& b) { return a.name < b.name; });
    return std::move(found_);
  }

 private:
  void Visit(const std::string& folder) {
    struct stat status {};
    if (stat(folder.c_str(), &status) != 0 ||
        !visited_.emplace(status.st_dev, status.st_ino).second)
      return;
    std::error_code error;
    const std::vector<fs::directory_entry> entries = ListFolder(folder, error);
    if (error) log_ << "left out of " << folder << ": cannot list it: " << error.message() << "\n";
    for (const fs::directory_entry& entry : entries) {
      if (entry.is_directory(error)) {
        Visit(entry.path().string());
      } else if (entry.is_regular_file(error)) {
        found_.push_back({entry.path().string(), entry.path().lexically_relative(root_).string()});
      }
    }
  }

  const std::string root_;
  std::ostream& log_;
  std::set<std::pair<dev_t, ino_t>> visited_;
  std::vector<Source> found_;
};

absl::StatusOr<std::vector<Source>> FindFiles(const std::vector<std::string>& sources,
                                              std::ostream& log) {
  std::vector<Source> files;
  for (const std::string& source : sources) {
    std::error_code error;
    if (!fs::is_directory(source, error)) {
      if (!fs::exists(source, error)) return absl::NotFoundError(source + " does not exist");
      files.push_back({source, fs::path(source).filename().string()});
      continue;
    }
    const std::vector<Source> found = FolderWalk(source, log).Sorted();
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

// Samples of any type as bytes, rounded.
RgbImage ToBytes(const RgbImage& image) {
  if (image.type == SampleType::kU8) return image;
  RgbImage out{SampleType::kU8, image.height, image.width, {}};
  const int64_t count = image.height * image.width * 3;
  out.samples.resize(count);
  for (int64_t i = 0; i < count; ++i) {
    double value;
    if (image.type == SampleType::kU16) {
      uint16_t sample;
      std::memcpy(&sample, &image.samples[i * 2], 2);
      value = sample / 65535.0;
    } else {
      float sample;
      std::memcpy(&sample, &image.samples[i * 4], 4);
      value = sample;
    }
    out.samples[i] = static_cast<uint8_t>(std::lround(std::clamp(value, 0.0, 1.0) * 255.0));
  }
  return out;
}

// A folder of photographs may hold films and archives too: their first bytes tell, before gigabytes
// are read. What has no bytes to look at, or is a pipe, which gives them once, is left to Decode().
absl::Status CheckHead(const std::string& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return absl::OkStatus();
  char head[64];
  std::ifstream file(path, std::ios::binary);
  file.read(head, sizeof(head));
  const absl::string_view bytes(head, static_cast<size_t>(file.gcount()));
  const std::optional<ImageFormat> format = SniffFormat(bytes);
  if (bytes.empty() || (format.has_value() && CanRead(*format))) return absl::OkStatus();
  return Probe(bytes).status();  // says which are read
}

absl::StatusOr<RgbImage> ReadImage(const std::string& path) {
  HIIF_RETURN_IF_ERROR(CheckHead(path));
  // Not mapped: a picture that is cut meanwhile is an error, and not the end of the process.
  HIIF_ASSIGN_OR_RETURN(const std::string file, ReadFile(path, int64_t{8} << 30));
  DecodeOptions options;
  options.limits.max_pixels = 400'000'000;  // the user's own files
  options.convert_to_srgb = true;
  options.clip = true;
  options.frame = 0;
  HIIF_ASSIGN_OR_RETURN(const Picture picture, Decode(file, options));
  return ToBytes(*picture.colour);
}

std::string SumUp(const train::PackedDataset& dataset) {
  return absl::StrFormat("%s: %d images, %.1f million pixels, fingerprint %s", dataset.path(),
                         dataset.images().size(), static_cast<double>(dataset.pixels()) / 1e6,
                         dataset.fingerprint());
}

}  // namespace

absl::Status Pack(const PackOptions& options, const std::atomic<bool>* stop, std::ostream& log) {
  if (options.every < 2 || options.min_side < 1 || options.shrink.empty() ||
      std::any_of(options.shrink.begin(), options.shrink.end(), [](int64_t s) { return s < 1; })) {
    return absl::InvalidArgumentError(
        "--every must be at least 2, --min-side and --shrink at least 1");
  }
  std::error_code error;
  if (options.hold_out == options.output ||
      fs::equivalent(options.hold_out, options.output, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.output, " cannot be both the output and --hold-out"));
  }
  HIIF_ASSIGN_OR_RETURN(const std::vector<Source> files, FindFiles(options.sources, log));
  HIIF_ASSIGN_OR_RETURN(const auto writer, train::PackedDatasetWriter::Create(options.output));
  std::unique_ptr<train::PackedDatasetWriter> held;
  if (!options.hold_out.empty()) {
    HIIF_ASSIGN_OR_RETURN(held, train::PackedDatasetWriter::Create(options.hold_out));
  }
  int64_t taken = 0;
  for (const Source& file : files) {
    if (stop != nullptr && stop->load()) {
      return absl::CancelledError(absl::StrCat("stopped: ", options.output, " was not made"));
    }
    absl::StatusOr<RgbImage> image = ReadImage(file.path);
    if (!image.ok()) {
      log << "left out " << file.path << ": " << image.status().message() << "\n";
      continue;
    }
    // From the middle of each round, so that one round is enough to hold one out; in all its sizes.
    const bool hold = held != nullptr && taken % options.every == options.every / 2;
    bool used = false;
    for (const int64_t shrink : options.shrink) {
      const Grid size = {std::max<int64_t>(image->height / shrink, 1),
                         std::max<int64_t>(image->width / shrink, 1)};
      if (std::min(size.height, size.width) < options.min_side) {
        log << absl::StreamFormat("left out %s: %dx%d pixels, --min-side is %d\n", file.path,
                                  size.width, size.height, options.min_side);
        continue;
      }
      used = true;
      HIIF_RETURN_IF_ERROR(
          (hold ? held : writer)
              ->Add(shrink == 1 ? file.name : absl::StrCat(file.name, " / ", shrink),
                    shrink == 1 ? *image : ResizeBicubic(*image, size)));
    }
    taken += used;
  }
  if (writer->images() == 0 || (held != nullptr && held->images() == 0)) {
    return absl::InvalidArgumentError(absl::StrCat(
        taken, " of ", files.size(), " files are usable images: too few",
        held != nullptr ? " to hold some out; lower --every, or give more" : " to pack"));
  }
  HIIF_RETURN_IF_ERROR(writer->Commit());
  if (held != nullptr) HIIF_RETURN_IF_ERROR(held->Commit());
  for (const std::string& path : {options.output, options.hold_out}) {
    if (path.empty()) continue;
    HIIF_ASSIGN_OR_RETURN(const auto dataset, train::PackedDataset::Open(path));
    log << SumUp(*dataset) << "\n";
  }
  return absl::OkStatus();
}

absl::Status Info(const std::string& path, std::ostream& out) {
  HIIF_ASSIGN_OR_RETURN(const auto dataset, train::PackedDataset::Open(path));
  HIIF_RETURN_IF_ERROR(dataset->Verify());
  for (const train::PackedImage& image : dataset->images()) {
    out << absl::StreamFormat("%5dx%-5d %08x %s\n", image.width, image.height, image.crc32c,
                              image.name);
  }
  out << SumUp(*dataset) << ", checksums right\n";
  return absl::OkStatus();
}

absl::Status Resize(const std::string& input, const std::string& output, int64_t width,
                    int64_t height) {
  if (width < 1 || height < 1 || width > 65536 || height > 65536) {
    return absl::InvalidArgumentError("width and height must lie in [1,65536]");
  }
  HIIF_ASSIGN_OR_RETURN(const RgbImage image, ReadImage(input));
  const RgbImage resized = ResizeBicubic(image, {height, width});
  std::string ppm = absl::StrFormat("P6\n%d %d\n255\n", width, height);
  ppm.append(resized.samples.begin(), resized.samples.end());
  return WriteFileAtomically(output, ppm);
}

}  // namespace hiif::eval
