// "--model", "--backend" and what else says how an Upscaler is made, the same for every command.
#ifndef EVAL_MODEL_OPTION_H_
#define EVAL_MODEL_OPTION_H_

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/model_folder.h"
#include "model/checkpoint/checkpoint.h"
#include "model/upscaler/factory.h"

namespace hiif::eval {

struct ModelOption {
  std::string model = "edsr-baseline-hiif";  // a file, or a name in `folder`
  std::string folder = DefaultModelFolder();
  std::string backend = "auto";
  std::string precision = "auto";
  std::string coordinates;  // empty: the checkpoint's
  bool faithful = false;    // its second network
  std::string device = "cpu";

  // model: whether "--model" is one of them.
  void AddTo(CLI::App* app, bool with_model = true);
  std::string Path() const;
  // The file's name without folder and extension.
  std::string Name() const;
  absl::StatusOr<Checkpoint> Open() const;
  absl::StatusOr<UpscalerOptions> Options() const;
  absl::StatusOr<std::unique_ptr<Upscaler>> Make() const;
};

}  // namespace hiif::eval

#endif  // EVAL_MODEL_OPTION_H_
