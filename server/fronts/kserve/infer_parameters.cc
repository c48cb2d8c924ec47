#include "server/fronts/kserve/infer_parameters.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "server/errors/errors.h"

namespace hiif::server::kserve {
namespace {

using inference::InferParameter;

constexpr int64_t kMaxTimeout = int64_t{86400} * 1000 * 1000;  // a day

std::string TextOf(const InferParameter& parameter) {
  switch (parameter.parameter_choice_case()) {
    case InferParameter::kBoolParam:
      return parameter.bool_param() ? "true" : "false";
    case InferParameter::kInt64Param:
      return absl::StrCat(parameter.int64_param());
    case InferParameter::kUint64Param:
      return absl::StrCat(parameter.uint64_param());
    case InferParameter::kDoubleParam:
      return absl::StrFormat("%.17g", parameter.double_param());
    default:
      return parameter.string_param();
  }
}

// Triton's priorities: 0 is the usual one, 1 the highest, larger ones are lower.
std::string PriorityOf(uint64_t priority) {
  if (priority == 0) return "0";
  return absl::StrCat(11 - static_cast<int>(std::min<uint64_t>(priority, 21)));
}

bool AtRest(const InferParameter& parameter) {
  return !parameter.bool_param() && parameter.int64_param() == 0 && parameter.uint64_param() == 0 &&
         parameter.string_param().empty();
}

}  // namespace

absl::StatusOr<UpscaleOptions> ReadParameters(const inference::ModelInferRequest& request,
                                              const InferInput& input) {
  UpscaleFields fields;
  bool format = false;
  bool size = false;
  for (const auto& [name, parameter] : request.parameters()) {
    if (absl::StartsWith(name, "triton_")) continue;
    if (absl::StartsWith(name, "sequence_")) {
      if (AtRest(parameter)) continue;
      return InvalidField(absl::StrCat("parameters.", name), "models here have no sequences");
    }
    if (name == "priority" && parameter.has_uint64_param()) {
      fields.emplace_back(name, PriorityOf(parameter.uint64_param()));
      continue;
    }
    if (name == "timeout" && parameter.has_int64_param()) {
      if (parameter.int64_param() == 0) continue;  // none
      if (parameter.int64_param() < 0 || parameter.int64_param() > kMaxTimeout)
        return InvalidField("parameters.timeout",
                            absl::StrCat("0 (none) to ", kMaxTimeout, " microseconds are allowed"));
      fields.emplace_back(
          name, absl::StrFormat("%.6f", static_cast<double>(parameter.int64_param()) * 1e-6));
      continue;
    }
    if (name == "model" || name == "model_version" || name == "request_id")
      return InvalidField(absl::StrCat("parameters.", name), "it is a field of the request");
    if (name == "validate_only" || name == "resume_token" || name == "first_tile")
      return InvalidField(absl::StrCat("parameters.", name), "only the streams of hiif.v1 have it");
    format = format || name == "format";
    size = size || name == "scale" || name == "scale_x" || name == "scale_y" || name == "width" ||
           name == "height";
    fields.emplace_back(name, TextOf(parameter));
  }
  if (input.file && !format) fields.emplace_back("format", "png");
  if (!input.file) {
    if (format)
      return InvalidField("parameters.format", "pixels are answered by pixels; send a file");
    fields.emplace_back("format", "tiles");
  }
  if (input.scale) {
    if (size) return InvalidField("inputs.SCALE", "the parameters give a size already");
    fields.emplace_back("scale_x", absl::StrFormat("%.17g", input.scale->rx()));
    fields.emplace_back("scale_y", absl::StrFormat("%.17g", input.scale->ry()));
  } else if (!size) {
    return InvalidField("inputs.SCALE",
                        "it is missing, and so are scale, width and height of the "
                        "parameters");
  }
  absl::StatusOr<UpscaleOptions> parsed = ParseUpscaleOptions(fields);
  if (!parsed.ok()) return UnderField("parameters", parsed.status());
  UpscaleOptions options = *std::move(parsed);
  if (input.file && !options.parameters.has_encoded())
    return InvalidField("parameters.format", "tiles are for the streams of hiif.v1 and HTTP");
  options.parameters.set_model(request.model_name());
  return options;
}

}  // namespace hiif::server::kserve
