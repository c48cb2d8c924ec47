#include "eval/model_option.h"

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hiif::eval {

void ModelOption::AddTo(CLI::App* app, bool with_model) {
  if (with_model)
    app->add_option("--model", model, "a checkpoint, or the name of one in --model-dir")
        ->capture_default_str();
  app->add_option("--model-dir", folder, "folder of checkpoints (models, or those installed)");
  app->add_option("--backend", backend, "how it is computed")
      ->check(CLI::IsMember({"auto", "reference", "torch", "fused"}))
      ->capture_default_str();
  app->add_option("--precision", precision, "of the products")
      ->check(CLI::IsMember({"auto", "float32", "bfloat16", "float16"}))
      ->capture_default_str();
  app->add_option("--coordinates", coordinates,
                  "coordinates to ask at, in place of the checkpoint's own")
      ->check(CLI::IsMember({"exact", "reference"}));
  app->add_flag("--faithful", faithful,
                "the second network of a model for photographs, as at strength 0");
  app->add_option("--device", device, "cpu, cuda or cuda:N")->capture_default_str();
}

std::string ModelOption::Path() const {
  if (absl::StrContains(model, '/') || absl::EndsWith(model, ".safetensors")) return model;
  return absl::StrCat(folder, "/", model, ".safetensors");
}

std::string ModelOption::Name() const { return std::filesystem::path(Path()).stem(); }

absl::StatusOr<Checkpoint> ModelOption::Open() const {
  HIIF_ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::Open(Path()));
  if (coordinates == "exact") checkpoint.SetCoordinates(CoordinateMode::kExact);
  if (coordinates == "reference") checkpoint.SetCoordinates(CoordinateMode::kReference);
  if (!faithful) return checkpoint;
  if (!checkpoint.has_faithful()) {
    return absl::InvalidArgumentError(
        absl::StrCat(Path(), " has one network: leave --faithful away"));
  }
  return checkpoint.Faithful();
}

absl::StatusOr<UpscalerOptions> ModelOption::Options() const {
  UpscalerOptions options;
  options.device = device;
  HIIF_ASSIGN_OR_RETURN(options.backend, ParseBackend(backend));
  HIIF_ASSIGN_OR_RETURN(options.precision, ParsePrecision(precision));
  return options;
}

absl::StatusOr<std::unique_ptr<Upscaler>> ModelOption::Make() const {
  HIIF_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Open());
  HIIF_ASSIGN_OR_RETURN(const UpscalerOptions options, Options());
  return MakeUpscaler(checkpoint, options);
}

}  // namespace hiif::eval
