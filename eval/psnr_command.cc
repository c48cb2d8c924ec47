// hiif-eval psnr: the tables of the literature.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "eval/command_line.h"
#include "eval/commands.h"
#include "eval/measure.h"
#include "eval/model_option.h"

namespace hiif::eval {
namespace {

struct Options {
  ModelOption model;
  std::vector<std::string> data;
  std::string scales = "2,3,4";
  MeasureOptions measure;
  std::string csv;
  bool images = false;
  bool json = false;
};

absl::Status Run(const Options& options) {
  HIIF_ASSIGN_OR_RETURN(const auto scales, ParseScales(options.scales));
  HIIF_ASSIGN_OR_RETURN(const auto sets, OpenSets(options.data, scales));
  HIIF_ASSIGN_OR_RETURN(const auto upscaler, options.model.Make());
  std::string csv = "model,dataset,scale,psnr_db,ssim,images\n";
  auto tables = nlohmann::json::array();
  if (!options.json)
    std::printf("| dataset | scale | PSNR dB |%s images |\n| --- | --- | --- |%s --- |\n",
                options.measure.ssim ? " SSIM |" : "", options.measure.ssim ? " --- |" : "");
  for (const BenchmarkSet& set : sets) {
    const std::string scale = set.scale().ToString();
    HIIF_ASSIGN_OR_RETURN(const Measured mean, MeasureSet(*upscaler, set, options.measure));
    if (options.images && !options.json)
      for (const auto& [name, psnr] : mean.images)
        std::printf("| %s | %s | %.3f |%s 1 |\n", name.c_str(), scale.c_str(), psnr,
                    options.measure.ssim ? " |" : "");
    const std::string ssim = options.measure.ssim ? absl::StrFormat(" %.4f |", mean.ssim) : "";
    if (!options.json)
      std::printf("| %s | %s | %.3f |%s %d |\n", set.name().c_str(), scale.c_str(), mean.psnr,
                  ssim.c_str(), static_cast<int>(mean.images.size()));
    auto& table = tables.emplace_back(nlohmann::json{{"dataset", set.name()},
                                                     {"scale", scale},
                                                     {"psnr_db", mean.psnr},
                                                     {"images", mean.images.size()}});
    if (options.measure.ssim) table["ssim"] = mean.ssim;
    if (options.images)
      for (const auto& [name, psnr] : mean.images) table["psnr_db_of"][name] = psnr;
    std::fflush(stdout);
    absl::StrAppendFormat(&csv, "%s,%s,%s,%.6f,%s,%d\n", options.model.Name(), set.name(), scale,
                          mean.psnr, options.measure.ssim ? absl::StrFormat("%.6f", mean.ssim) : "",
                          mean.images.size());
  }
  if (options.json)
    std::printf("%s\n", nlohmann::json{{"model", options.model.Name()},
                                       {"backend", upscaler->backend()},
                                       {"precision", upscaler->precision()},
                                       {"tables", tables}}
                            .dump()
                            .c_str());
  return options.csv.empty() ? absl::OkStatus() : WriteFileAtomically(options.csv, csv);
}

}  // namespace

int PsnrTable(const Arguments& arguments) {
  Options options;
  CLI::App app("PSNR of Y (SSIM too) of a model on data sets, by the usual protocol.",
               "hiif-eval psnr");
  options.model.AddTo(&app);
  app.add_option("--data", options.data, "folders of images, or of image_SRF_N pairs")->required();
  app.add_option("--scales", options.scales, "factors; 2x3.1 is 2 across and 3.1 down")
      ->capture_default_str();
  app.add_flag("--ssim", options.measure.ssim, "structural similarity too");
  app.add_flag("--rgb", options.measure.rgb, "all channels, scale + 6 pixels shaved, as for DIV2K");
  app.add_option("--strip-rows", options.measure.strip_rows,
                 "as HIIF's and SRNO's released evaluation: a context for every so many rows")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--released-tile", options.measure.released_tile,
                 "as CiaoSR's released evaluation: tiles of this side (192 there) that overlap")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--released-overlap", options.measure.released_overlap, "by so many pixels")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_flag("--self-ensemble", options.measure.self_ensemble, "mean over eight flips");
  app.add_option("--context-samples", options.measure.context_samples,
                 "pixels the attention context is taken over; 0: all")
      ->capture_default_str();
  app.add_option("--threads", options.measure.threads, "0: one a core")->capture_default_str();
  app.add_option("--csv", options.csv, "write the table to this file too");
  app.add_flag("--images", options.images, "a row for each image");
  app.add_flag("--json", options.json, "one JSON object in place of the table");
  return RunCommand(&app, arguments, [&] { return Run(options); });
}

}  // namespace hiif::eval
