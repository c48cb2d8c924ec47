// hiif-eval report and ablation: checkpoints on data sets, beside the numbers of the paper.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/bicubic.h"
#include "base/file.h"
#include "base/psnr.h"
#include "base/status_macros.h"
#include "eval/command_line.h"
#include "eval/commands.h"
#include "eval/measure.h"
#include "eval/model_option.h"
#include "eval/tables.h"

namespace hiif::eval {
namespace {

struct Options {
  ModelOption model;
  std::vector<std::string> models;
  std::vector<std::string> data;
  std::string scales = "2,3,4";
  std::string paper = "eval/paper_tables.csv";
  std::string csv;
  std::string tables;
  std::string cost_size = "128";
  std::string cost_scale = "4";
  MeasureOptions measure;
};

// Published dB by "encoder,method,dataset,scale".
absl::StatusOr<std::map<std::string, std::string>> ReadPaper(const std::string& path) {
  std::map<std::string, std::string> published;
  if (path.empty()) return published;
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok())
    return absl::Status(text.status().code(),
                        absl::StrCat("--paper: ", text.status().message(),
                                     "; name that file of the sources, or '' for none"));
  for (const absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
    const size_t comma = line.rfind(',');
    published[std::string(line.substr(0, comma))] = std::string(line.substr(comma + 1));
  }
  return published;
}

// The yardstick: Pillow's bicubic of the same low-resolution images, by the same protocol.
absl::StatusOr<double> BicubicPsnr(const BenchmarkSet& set) {
  double sum = 0;
  for (int64_t i = 0; i < set.images(); ++i) {
    HIIF_ASSIGN_OR_RETURN(const Pair pair, set.Load(i));
    HIIF_ASSIGN_OR_RETURN(const int64_t shave, ShaveOf(pair, set.scale()));
    const RgbImage large = ResizeBicubic(*pair.low, {pair.high.height, pair.high.width});
    std::vector<float> values(large.samples.begin(), large.samples.end());
    for (float& value : values) value /= 255;
    sum += Psnr(values, pair.high, shave, PsnrChannels::kLuma);
  }
  return sum / static_cast<double>(set.images());
}

std::string AblationName(const ModelConfig& config) {
  const auto* hiif = config.decoder.hiif();
  if (hiif == nullptr) return "";
  switch (hiif->ablation) {
    case Ablation::kNone:
      return "HIIF";
    case Ablation::kNoHierarchy:
      return "v1-H";
    case Ablation::kSingleScale:
      return "v2-MS";
    case Ablation::kNoAttention:
      return "v3-MH";
  }
  return "";
}

// Some decoders are made for factors up to one (CLIT of one stage: 4).
bool Enlarges(const Upscaler& upscaler, const EvalScale& scale) {
  constexpr Grid kLow{96, 96};
  return upscaler.CheckGrid(kLow, Enlarged(kLow, scale)).ok();
}

absl::Status WriteTables(const Options& options, const std::vector<PsnrRow>& rows) {
  std::vector<CostRow> costs;
  for (const std::string& name : options.models) {
    ModelOption option = options.model;
    option.model = name;
    HIIF_ASSIGN_OR_RETURN(const Checkpoint checkpoint, option.Open());
    HIIF_ASSIGN_OR_RETURN(const ModelCost cost,
                          MeasureCost(option, options.cost_size, options.cost_scale));
    costs.push_back({option.Name(), DecoderName(checkpoint.config().decoder), cost});
  }
  const std::string title = absl::StrFormat("%s input, x%s, %d threads", options.cost_size,
                                            options.cost_scale, ThreadsOf(options.measure.threads));
  return WriteFileAtomically(options.tables,
                             TablesMarkdown(rows, costs, title, /*trained_to=*/4.0));
}

absl::Status Run(const Options& options, bool ablation) {
  HIIF_ASSIGN_OR_RETURN(const auto scales, ParseScales(options.scales));
  HIIF_ASSIGN_OR_RETURN(const auto sets, OpenSets(options.data, scales));
  HIIF_ASSIGN_OR_RETURN(const auto paper, ReadPaper(ablation ? "" : options.paper));
  const auto published = [&](const std::string& key) {
    const auto found = paper.find(key);
    return found == paper.end() ? std::string("-") : found->second;
  };
  std::string csv = "model,encoder,decoder,variant,dataset,scale,psnr_db,paper_db\n";
  std::printf(
      "| model | encoder | %s | data set | scale | PSNR dB | paper |\n"
      "| --- | --- | --- | --- | --- | --- | --- |\n",
      ablation ? "variant" : "decoder");
  std::vector<PsnrRow> rows;
  // psnr: none where the model is not made for the scale; the tables have no cell of it.
  const auto row = [&](const std::string& model, const std::string& encoder,
                       const std::string& decoder, const std::string& variant,
                       const BenchmarkSet& set, std::optional<double> psnr) {
    const std::string scale = set.scale().ToString();
    const std::string theirs =
        published(absl::StrCat(encoder, ",", decoder, ",", set.name(), ",", scale));
    std::printf("| %s | %s | %s | %s | %s | %s | %s |\n", model.c_str(), encoder.c_str(),
                (ablation ? variant : decoder).c_str(), set.name().c_str(), scale.c_str(),
                psnr ? absl::StrFormat("%.2f", *psnr).c_str() : "beyond it", theirs.c_str());
    std::fflush(stdout);
    if (!psnr) return;
    rows.push_back(
        {model, encoder, decoder, variant, set.name(), scale, *psnr, theirs == "-" ? "" : theirs});
    absl::StrAppendFormat(&csv, "%s,%s,%s,%s,%s,%s,%.6f,%s\n", model, encoder, decoder, variant,
                          set.name(), scale, *psnr, theirs == "-" ? "" : theirs);
  };
  for (const BenchmarkSet& set : sets) {
    HIIF_ASSIGN_OR_RETURN(const double bicubic, BicubicPsnr(set));
    row("-", "none", "bicubic", "", set, bicubic);
  }
  for (const std::string& name : options.models) {
    ModelOption option = options.model;
    option.model = name;
    HIIF_ASSIGN_OR_RETURN(const Checkpoint checkpoint, option.Open());
    HIIF_ASSIGN_OR_RETURN(const auto upscaler, option.Make());
    for (const BenchmarkSet& set : sets) {
      std::optional<double> psnr;
      if (Enlarges(*upscaler, set.scale())) {
        HIIF_ASSIGN_OR_RETURN(const Measured mean, MeasureSet(*upscaler, set, options.measure));
        psnr = mean.psnr;
      }
      row(option.Name(), EncoderName(checkpoint.config().encoder),
          DecoderName(checkpoint.config().decoder), AblationName(checkpoint.config()), set, psnr);
    }
  }
  if (!options.csv.empty()) HIIF_RETURN_IF_ERROR(WriteFileAtomically(options.csv, csv));
  return options.tables.empty() ? absl::OkStatus() : WriteTables(options, rows);
}

int Parse(const Arguments& arguments, bool ablation) {
  Options options;
  CLI::App app(ablation
                   ? "Table 4 of the paper from checkpoints of its variants."
                   : "Checkpoints on data sets, beside the paper's numbers (whose bicubic rows "
                     "are not the usual Y values).",
               ablation ? "hiif-eval ablation" : "hiif-eval report");
  options.model.AddTo(&app, /*with_model=*/false);
  app.add_option("--models", options.models, "checkpoints, or names of some in --model-dir")
      ->delimiter(',')
      ->required();
  app.add_option("--data", options.data, "folders of images, or of image_SRF_N pairs")->required();
  app.add_option("--scales", options.scales, "factors")->capture_default_str();
  if (!ablation)
    app.add_option("--paper", options.paper, "the published numbers")->capture_default_str();
  if (!ablation) {
    app.add_option("--tables", options.tables,
                   "write the paper's tables 1 to 4 to this Markdown file");
    app.add_option("--cost-size", options.cost_size, "input of table 3: SIDE or WIDTHxHEIGHT")
        ->capture_default_str();
    app.add_option("--cost-scale", options.cost_scale, "scale of table 3")->capture_default_str();
  }
  app.add_option("--threads", options.measure.threads, "0: one a core")->capture_default_str();
  app.add_option("--csv", options.csv, "write the table to this file too");
  return RunCommand(&app, arguments, [&] { return Run(options, ablation); });
}

}  // namespace

int Report(const Arguments& arguments) { return Parse(arguments, false); }
int AblationTable(const Arguments& arguments) { return Parse(arguments, true); }

}  // namespace hiif::eval
