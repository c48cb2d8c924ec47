#include "eval/parity.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "eval/commands.h"
#include "eval/recorded_indices.h"
#include "eval/released_chunks.h"
#include "model/checkpoint/checkpoint.h"
#include "model/hiif/queries.h"
#include "model/upscaler/upscaler.h"

namespace hiif::eval {
namespace {

int64_t MetadataNumber(const Safetensors& tensors, const std::string& key) {
  const auto found = tensors.metadata().find(key);
  int64_t value = 0;
  if (found == tensors.metadata().end() || !absl::SimpleAtoi(found->second, &value)) return 0;
  return value;
}

// The image that the case was recorded from: `input`, mirrored (edge repeated) at the bottom and
// right to the size of `model_input` where the released evaluation padded it.
absl::StatusOr<std::shared_ptr<RgbImage>> ImageOf(const Safetensors& tensors) {
  HIIF_ASSIGN_OR_RETURN(const std::vector<float> planes, tensors.Floats("input"));
  const std::vector<int64_t>& shape = tensors.tensors().at("input").shape;
  const auto padded = tensors.tensors().find("model_input");
  const std::vector<int64_t>& full =
      padded == tensors.tensors().end() ? shape : padded->second.shape;
  if (shape.size() != 3 || shape[0] != 3 || full.size() != 3 || full[1] < shape[1] ||
      full[2] < shape[2]) {
    return absl::InvalidArgumentError("input and model_input are not of shape 3,h,w");
  }
  auto image = std::make_shared<RgbImage>();
  image->type = SampleType::kF32;
  image->height = full[1];
  image->width = full[2];
  const auto mirrored = [](int64_t i, int64_t size) {
    i %= 2 * size;
    return std::min(i, 2 * size - 1 - i);
  };
  std::vector<float> interleaved;
  interleaved.reserve(image->height * image->width * 3);
  for (int64_t y = 0; y < image->height; ++y) {
    for (int64_t x = 0; x < image->width; ++x) {
      for (int64_t c = 0; c < 3; ++c) {
        interleaved.push_back(
            planes[(c * shape[1] + mirrored(y, shape[1])) * shape[2] + mirrored(x, shape[2])]);
      }
    }
  }
  image->samples.resize(interleaved.size() * sizeof(float));
  std::memcpy(image->samples.data(), interleaved.data(), image->samples.size());
  return image;
}

double LargestDifference(absl::Span<const float> a, absl::Span<const float> b) {
  if (a.size() != b.size()) return INFINITY;
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::fabs(double{a[i]} - b[i]);
    if (!(difference <= largest)) largest = difference;  // NaN counts as a difference
  }
  return largest;
}

// Compares with tensor `name` where there is one.
absl::Status Compare(const Safetensors& tensors, const std::string& name,
                     absl::Span<const float> values, double& difference) {
  if (!tensors.tensors().contains(name)) return absl::OkStatus();
  HIIF_ASSIGN_OR_RETURN(const std::vector<float> expected, tensors.Floats(name));
  difference = std::max(difference, LargestDifference(values, expected));
  return absl::OkStatus();
}

void CompareBits(const Safetensors& tensors, const std::string& name, const AxisTable& axis,
                 int64_t& wrong) {
  const auto found = tensors.tensors().find(name);
  if (found == tensors.tensors().end()) return;
  wrong = std::max<int64_t>(wrong, 0);
  const absl::Span<const uint8_t> expected = found->second.bytes;
  if (expected.size() != axis.bits.size()) {
    wrong += static_cast<int64_t>(std::max(expected.size(), axis.bits.size()));
    return;
  }
  for (size_t i = 0; i < expected.size(); ++i) wrong += expected[i] != axis.bits[i];
}

// Rows of (H',W',3) cut at the top left to (3,rows,cols) planes.
std::vector<float> ToPlanes(absl::Span<const float> interleaved, Grid grid, int64_t rows,
                            int64_t columns) {
  std::vector<float> planes(3 * rows * columns);
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t y = 0; y < rows; ++y) {
      for (int64_t x = 0; x < columns; ++x) {
        planes[(c * rows + y) * columns + x] = interleaved[(y * grid.width + x) * 3 + c];
      }
    }
  }
  return planes;
}

int64_t Elements(const Safetensors& tensors, const std::string& name, int64_t otherwise) {
  const auto found = tensors.tensors().find(name);
  return found == tensors.tensors().end() ? otherwise : found->second.shape.back();
}

absl::StatusOr<std::vector<float>> Render(const Upscaler& upscaler, const Features& features,
                                          Grid grid, int64_t strip_rows) {
  if (strip_rows > 0) return RenderReleasedStrips(upscaler, features, grid, strip_rows);
  std::vector<float> out(grid.height * grid.width * 3);
  HIIF_ASSIGN_OR_RETURN(const auto context, upscaler.MakeContext(features, grid, {.samples = 0}));
  const RenderTile tile{
      &features, context.get(), {0, 0, grid.width, grid.height}, absl::MakeSpan(out)};
  HIIF_RETURN_IF_ERROR(upscaler.Render({&tile, 1}));
  return out;
}

// By the released chunking where the case was recorded so: strips of the output, or tiles of the
// input.
absl::StatusOr<std::vector<float>> RenderAsRecorded(const Upscaler& upscaler, const RgbImage& image,
                                                    const Features& features, Grid grid,
                                                    const Safetensors& recorded) {
  const int64_t tile = MetadataNumber(recorded, "tile");
  if (tile > 0) {
    return RenderReleasedTiles(upscaler, image, grid,
                               {.side = tile, .overlap = MetadataNumber(recorded, "tile_overlap")});
  }
  return Render(upscaler, features, grid, MetadataNumber(recorded, "strip_rows"));
}

// Planes in the range where [-1,1] is [0,1] of the image, in the network's own range.
std::vector<float> AsTheNetworkSays(std::vector<float> planes, const Normalisation& n) {
  if (n == Normalisation{}) return planes;
  const size_t plane = planes.size() / 3;
  for (size_t i = 0; i < planes.size(); ++i) {
    const size_t c = i / plane;
    planes[i] = (planes[i] * 0.5f + 0.5f - n.mean[c]) / n.deviation[c];
  }
  return planes;
}

}  // namespace

absl::StatusOr<ParityResult> CompareCase(const std::string& path, const ParityOptions& options) {
  const std::filesystem::path file(path);
  const std::string name = file.filename().string();
  const std::string weights =
      (file.parent_path() / (name.substr(0, name.find('.')) + ".weights.safetensors")).string();
  HIIF_ASSIGN_OR_RETURN(const auto recorded, Safetensors::Read(path));
  HIIF_ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::OpenForeign(weights));
  const auto mode = recorded->metadata().find("coordinates");
  checkpoint.SetCoordinates(mode != recorded->metadata().end() && mode->second == "exact"
                                ? CoordinateMode::kExact
                                : CoordinateMode::kReference);
  HIIF_ASSIGN_OR_RETURN(const auto upscaler,
                        MakeUpscaler(checkpoint, {.backend = options.backend,
                                                  .precision = options.precision,
                                                  .device = options.device}));
  HIIF_ASSIGN_OR_RETURN(const auto image, ImageOf(*recorded));

  const int64_t rows = MetadataNumber(*recorded, "rows");
  const int64_t columns = MetadataNumber(*recorded, "cols");
  if (rows < 1 || columns < 1) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": no rows and cols in the metadata"));
  }
  // With official padding the network ran on a larger grid, of which the case keeps the top left.
  const Grid grid{Elements(*recorded, "bits_rows", Elements(*recorded, "coord_rows", rows)),
                  Elements(*recorded, "bits_cols", Elements(*recorded, "coord_cols", columns))};

  ParityResult result;
  const Positions tables = RegionPositions(checkpoint.config(), {image->height, image->width}, grid,
                                           {0, 0, grid.width, grid.height});
  HIIF_RETURN_IF_ERROR(
      Compare(*recorded, "coord_rows", tables.rows.coordinate, result.coordinates));
  HIIF_RETURN_IF_ERROR(
      Compare(*recorded, "coord_cols", tables.columns.coordinate, result.coordinates));
  // Recorded before its multiplication by the size of the input.
  const std::array<float, 2> cell = {tables.cell[0] / static_cast<float>(image->height),
                                     tables.cell[1] / static_cast<float>(image->width)};
  HIIF_RETURN_IF_ERROR(Compare(*recorded, "cell", cell, result.cell));
  CompareBits(*recorded, "bits_rows", tables.rows, result.wrong_bits);
  CompareBits(*recorded, "bits_cols", tables.columns, result.wrong_bits);

  const int64_t wrong_indices =
      WrongIndices(*recorded, checkpoint.config(), {image->height, image->width}, grid);
  if (wrong_indices >= 0)
    result.wrong_bits = std::max<int64_t>(result.wrong_bits, 0) + wrong_indices;

  HIIF_ASSIGN_OR_RETURN(const auto features, upscaler->Encode(image));
  const std::vector<float> feature_planes = upscaler->FeaturePlanes(*features);
  if (!feature_planes.empty()) {
    HIIF_RETURN_IF_ERROR(Compare(*recorded, "features", feature_planes, result.features));
  }
  const std::vector<float> joined = upscaler->JoinedPlanes(*features);
  if (!joined.empty()) {
    HIIF_RETURN_IF_ERROR(Compare(*recorded, "non_local", joined, result.non_local));
  }
  HIIF_ASSIGN_OR_RETURN(const std::vector<float> out,
                        RenderAsRecorded(*upscaler, *image, *features, grid, *recorded));
  std::vector<float> planes = ToPlanes(out, grid, rows, columns);
  HIIF_RETURN_IF_ERROR(Compare(*recorded, "raw_output",
                               AsTheNetworkSays(planes, checkpoint.config().normalisation),
                               result.raw_output));
  for (float& value : planes) value = ToUnit(value);
  HIIF_RETURN_IF_ERROR(Compare(*recorded, "image", planes, result.image));

  result.passed = result.features <= options.features_tolerance &&
                  result.non_local <= options.features_tolerance && result.wrong_bits <= 0 &&
                  result.coordinates <= 0 && result.cell <= 1e-6 &&
                  result.raw_output <= options.output_tolerance &&
                  result.image <= options.output_tolerance;
  return result;
}

int Parity(const Arguments& arguments) {
  ParityOptions options;
  std::vector<std::string> files;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    const bool has_value = i + 1 < arguments.size();
    if (argument == "--backend" && has_value && ParseBackend(arguments[i + 1]).ok()) {
      options.backend = *ParseBackend(arguments[++i]);
    } else if (argument == "--precision" && has_value && ParsePrecision(arguments[i + 1]).ok()) {
      options.precision = *ParsePrecision(arguments[++i]);
    } else if (argument == "--device" && has_value) {
      options.device = arguments[++i];
    } else if (argument == "--tolerance" && has_value &&
               absl::SimpleAtod(arguments[i + 1], &options.output_tolerance)) {
      ++i;
    } else if (absl::StartsWith(argument, "-")) {
      std::fprintf(argument == "--help" ? stdout : stderr,
                   "usage: hiif-eval parity [--backend reference|torch|fused] [--precision "
                   "float32|bfloat16|float16]\n"
                   "                        [--device cpu|cuda|cuda:N] [--tolerance T] CASE...\n"
                   "CASE is NAME.CASE.safetensors with NAME.weights.safetensors beside it.\n"
                   "T bounds the raw output, 2e-4 by default.\n");
      return argument == "--help" ? 0 : 2;
    } else {
      files.push_back(argument);
    }
  }
  if (files.empty()) {
    std::fprintf(stderr, "hiif-eval parity: name the cases, NAME.CASE.safetensors\n");
    return 2;
  }
  std::printf("%-44s %11s %11s %5s %11s %11s %11s %11s\n", "case", "coordinates", "cell", "bits",
              "features", "non-local", "raw", "image");
  int failed = 0;
  int skipped = 0;
  for (const std::string& path : files) {
    const std::string name = std::filesystem::path(path).filename().string();
    const absl::StatusOr<ParityResult> result = CompareCase(path, options);
    if (absl::IsUnimplemented(result.status())) {
      std::printf("%-44s skipped: %s\n", name.c_str(),
                  std::string(result.status().message()).c_str());
      ++skipped;
      continue;
    }
    if (!result.ok()) {
      std::printf("%-44s FAILED: %s\n", name.c_str(),
                  std::string(result.status().message()).c_str());
      ++failed;
      continue;
    }
    const auto number = [](double v) { return v < 0 ? std::string("-") : absl::StrCat(v); };
    std::printf("%-44s %11s %11s %5s %11s %11s %11s %11s  %s\n", name.c_str(),
                number(result->coordinates).c_str(), number(result->cell).c_str(),
                number(static_cast<double>(result->wrong_bits)).c_str(),
                number(result->features).c_str(), number(result->non_local).c_str(),
                number(result->raw_output).c_str(), number(result->image).c_str(),
                result->passed ? "ok" : "FAILED");
    failed += !result->passed;
  }
  std::printf("%zu cases, %d failed, %d skipped\n", files.size(), failed, skipped);
  return failed == 0 && skipped < static_cast<int>(files.size()) ? 0 : 1;
}

}  // namespace hiif::eval
