// hiif-eval compare: a picture sheet like figure 4 of the paper.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "absl/strings/str_format.h"
#include "base/bicubic.h"
#include "base/crop_flag.h"
#include "base/file.h"
#include "base/psnr.h"
#include "base/status_macros.h"
#include "eval/command_line.h"
#include "eval/commands.h"
#include "eval/measure.h"
#include "eval/model_option.h"
#include "imaging/sheet.h"

namespace hiif::eval {
namespace {

struct Options {
  ModelOption model;
  std::vector<std::string> models;
  std::string data;
  int index = 0;
  std::string scale = "4";
  std::string crop;
  std::string output = "comparison.png";
  bool errors = false;
};

RgbImage ToBytes(const std::vector<float>& values, Grid size) {
  RgbImage image{SampleType::kU8, size.height, size.width, {}};
  for (const float value : values)
    image.samples.push_back(
        static_cast<uint8_t>(std::floor(std::clamp(value, 0.0f, 1.0f) * 255 + 0.5f)));
  return image;
}

// White where equal, darker by the largest difference of the channels, eight times.
RgbImage ErrorMap(const RgbImage& a, const RgbImage& b) {
  RgbImage out = a;
  for (size_t i = 0; i < a.samples.size(); i += 3) {
    int error = 0;
    for (int c = 0; c < 3; ++c)
      error = std::max(error, std::abs(int{a.samples[i + c]} - int{b.samples[i + c]}));
    std::fill_n(out.samples.begin() + static_cast<int64_t>(i), 3,
                static_cast<uint8_t>(std::max(0, 255 - 8 * error)));
  }
  return out;
}

absl::Status Run(const Options& options) {
  HIIF_ASSIGN_OR_RETURN(const auto scales, ParseScales(options.scale));
  HIIF_ASSIGN_OR_RETURN(const BenchmarkSet set, BenchmarkSet::Open(options.data, scales[0]));
  if (options.index < 0 || options.index >= set.images())
    return absl::InvalidArgumentError(
        absl::StrFormat("--image: 0 to %d are there", set.images() - 1));
  HIIF_ASSIGN_OR_RETURN(const Pair pair, set.Load(options.index));
  const Grid size = {pair.high.height, pair.high.width};
  Region crop{0, 0, size.width, size.height};
  if (!options.crop.empty()) {
    HIIF_ASSIGN_OR_RETURN(crop, ParseCrop(options.crop, size));
  }
  HIIF_ASSIGN_OR_RETURN(const int64_t shave, ShaveOf(pair, scales[0]));
  std::vector<SheetCell> cells;
  const auto add = [&](const std::string& label, const RgbImage& image,
                       const std::vector<float>& values) {
    const double psnr = Psnr(values, pair.high, shave, PsnrChannels::kLuma);
    cells.push_back({absl::StrFormat("%s  %.2f dB", label, psnr), Crop(image, crop)});
    if (options.errors)
      cells.push_back(
          {absl::StrFormat("%s, error x8", label), Crop(ErrorMap(image, pair.high), crop)});
  };
  const RgbImage bicubic = ResizeBicubic(*pair.low, size);
  std::vector<float> values(bicubic.samples.begin(), bicubic.samples.end());
  for (float& value : values) value /= 255;
  add("bicubic", bicubic, values);
  for (const std::string& name : options.models) {
    ModelOption option = options.model;
    option.model = name;
    HIIF_ASSIGN_OR_RETURN(const auto upscaler, option.Make());
    HIIF_ASSIGN_OR_RETURN(const std::vector<float> out, OutputOf(*upscaler, pair, {}));
    add(option.Name(), ToBytes(out, size), out);
  }
  cells.push_back({"original", Crop(pair.high, crop)});
  const int columns = options.errors ? 2 : static_cast<int>(cells.size());
  HIIF_ASSIGN_OR_RETURN(const std::string sheet, MakeSheet(cells, columns));
  HIIF_RETURN_IF_ERROR(WriteFileAtomically(options.output, sheet));
  std::printf("%s: %s x%s, %d pictures\n", options.output.c_str(), pair.name.c_str(),
              scales[0].ToString().c_str(), static_cast<int>(cells.size()));
  return absl::OkStatus();
}

}  // namespace

int Compare(const Arguments& arguments) {
  Options options;
  CLI::App app("A sheet of bicubic, models and original, with PSNR.", "hiif-eval compare");
  options.model.AddTo(&app, /*with_model=*/false);
  app.add_option("--models", options.models, "checkpoints, or names of some in --model-dir")
      ->delimiter(',')
      ->required();
  app.add_option("--data", options.data, "a folder as for psnr")->required();
  app.add_option("--image", options.index, "which of it, from 0")->capture_default_str();
  app.add_option("--scale", options.scale, "factor")->capture_default_str();
  app.add_option("--crop", options.crop, "x,y,w,h of the original that is shown; default: all");
  app.add_option("-o,--output", options.output, "a PNG")->capture_default_str();
  app.add_flag("--errors", options.errors, "error maps beside the pictures");
  return RunCommand(&app, arguments, [&] { return Run(options); });
}

}  // namespace hiif::eval
