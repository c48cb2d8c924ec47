#include "model/upscaler/factory.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <initializer_list>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "model/decoders/decoder.h"
#include "model/engine/engines.h"
#include "model/engine/tensors.h"
#include "model/upscaler/engine_upscaler.h"
#include "model/upscaler/guard.h"
#include "model/upscaler/output_limit.h"

namespace hiif {
namespace {

using Made = absl::StatusOr<std::unique_ptr<Upscaler>>;

Made Over(const Checkpoint& checkpoint, const char* backend, std::unique_ptr<Engine> engine,
          std::unique_ptr<Engine> exact = nullptr) {
  return std::make_unique<EngineUpscaler>(checkpoint.config(), backend, std::move(engine),
                                          std::move(exact));
}

Made MakeReference(const Checkpoint& checkpoint, Precision precision) {
  if (precision == Precision::kBFloat16) {
    return absl::UnimplementedError("the reference backend computes in float32 alone");
  }
  HIIF_ASSIGN_OR_RETURN(auto engine, MakeReferenceEngine(checkpoint));
  return Over(checkpoint, "reference", std::move(engine));
}

Made MakeTorch(const Checkpoint& checkpoint, const UpscalerOptions& options) {
  HIIF_ASSIGN_OR_RETURN(auto engine,
                        MakeTorchEngine(checkpoint, options.precision, options.device));
  return Over(checkpoint, "torch", std::move(engine));
}

Made MakeFused(const Checkpoint& checkpoint, Precision precision) {
  HIIF_ASSIGN_OR_RETURN(CpuEngines engines, MakeCpuEngines(checkpoint, precision));
  return Over(checkpoint, "fused", std::move(engines.engine), std::move(engines.exact));
}

Made Make(const Checkpoint& checkpoint, const UpscalerOptions& options) {
  // The floor of every comparison is served whatever is chosen for networks.
  if (checkpoint.config().decoder->filters()) {
    return MakeTorch(checkpoint, {.precision = Precision::kFloat32, .device = options.device});
  }
  if (options.backend == Backend::kTorch) return MakeTorch(checkpoint, options);
  if (options.device != "cpu") {
    if (options.backend == Backend::kAuto) return MakeTorch(checkpoint, options);
    return absl::UnimplementedError("only the torch backend serves devices other than \"cpu\"");
  }
  if (options.precision == Precision::kFloat16) {
    return absl::UnimplementedError(
        "on a CPU float16 is served by the torch backend alone, and slower than float32: name the "
        "backend, or leave the precision at auto");
  }
  if (options.backend == Backend::kReference) return MakeReference(checkpoint, options.precision);
  Made upscaler = MakeFused(checkpoint, options.precision);
  if (options.backend == Backend::kFused) return upscaler;
  if (absl::IsUnimplemented(upscaler.status())) upscaler = MakeTorch(checkpoint, options);
  if (absl::IsUnimplemented(upscaler.status()) && options.precision != Precision::kBFloat16)
    return MakeReference(checkpoint, options.precision);
  return upscaler;
}

absl::StatusOr<std::optional<float>> Slack(const Checkpoint& checkpoint, absl::string_view key) {
  const auto found = checkpoint.metadata().find(std::string(key));
  if (found == checkpoint.metadata().end()) return std::nullopt;
  float slack = 0;
  if (!absl::SimpleAtof(found->second, &slack) || !(slack >= 0 && slack <= 100))
    return absl::InvalidArgumentError(
        absl::StrCat(checkpoint.path(), ": ", key, " is not a number in [0,100]"));
  return slack;
}

// What the checkpoint says of how colours and tones are limited.
absl::StatusOr<OutputLimits> LimitsOf(const Checkpoint& checkpoint) {
  OutputLimits limits;
  HIIF_ASSIGN_OR_RETURN(limits.colour_slack, Slack(checkpoint, "colour_slack"));
  HIIF_ASSIGN_OR_RETURN(limits.tone_slack, Slack(checkpoint, "tone_slack"));
  return limits;
}

template <typename T>
absl::StatusOr<T> Named(absl::string_view name,
                        std::initializer_list<std::pair<absl::string_view, T>> all) {
  std::vector<absl::string_view> names;
  for (const auto& [known, value] : all) {
    if (known == name) return value;
    names.push_back(known);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", name, "\" is none of ", absl::StrJoin(names, ", ")));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Features>> Upscaler::Encode(
    std::shared_ptr<const RgbImage> image) const {
  HIIF_ASSIGN_OR_RETURN(const std::unique_ptr<Encoding> encoding, StartEncoding(std::move(image)));
  for (int block = 0; block < encoding->blocks(); ++block) {
    HIIF_RETURN_IF_ERROR(encoding->EncodeBlock(block, at::get_num_threads()));
  }
  return encoding->Finish();
}

absl::StatusOr<std::unique_ptr<Upscaler>> MakeUpscaler(const Checkpoint& checkpoint,
                                                       const UpscalerOptions& options) {
  HIIF_ASSIGN_OR_RETURN(const OutputLimits limits, LimitsOf(checkpoint));
  HIIF_ASSIGN_OR_RETURN(auto upscaler, Guard([&] { return Make(checkpoint, options); }));
  if (!limits.colour_slack && !limits.tone_slack) return upscaler;
  return std::make_unique<OutputLimit>(std::move(upscaler), limits);
}

absl::StatusOr<Backend> ParseBackend(absl::string_view name) {
  return Named<Backend>(name, {{"auto", Backend::kAuto},
                               {"reference", Backend::kReference},
                               {"torch", Backend::kTorch},
                               {"fused", Backend::kFused}});
}

absl::StatusOr<Precision> ParsePrecision(absl::string_view name) {
  return Named<Precision>(name, {{"auto", Precision::kAuto},
                                 {"float32", Precision::kFloat32},
                                 {"bfloat16", Precision::kBFloat16},
                                 {"float16", Precision::kFloat16}});
}

void SetIntraOpThreads(int threads) { SetLibTorchThreads(threads); }

void SetHelperThreads(int threads) {
  static std::once_flag once;
  std::call_once(once, [&] { at::set_num_interop_threads(std::max(1, threads)); });
}

}  // namespace hiif
