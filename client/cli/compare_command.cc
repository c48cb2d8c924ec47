// hiif compare: one part of a picture, enlarged by bicubic interpolation and by each model.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/bicubic.h"
#include "base/crop_flag.h"
#include "base/status_macros.h"
#include "client/cli/commands.h"
#include "client/cli/connection.h"
#include "client/cli/error.h"
#include "client/cli/exit_code.h"
#include "client/cli/file_output.h"
#include "client/cli/picture_bytes.h"
#include "client/cli/sizing.h"
#include "imaging/decode.h"
#include "imaging/sheet.h"

namespace hiif::cli {
namespace {

// Side of the part that is shown by default, in pixels of the input.
constexpr int64_t kCropSide = 96;

// It is decoded here, as a private server would (private_server.cc).
constexpr int64_t kMaxPixels = 256'000'000;

// The middle, where no part is named.
std::string MiddleOf(Grid size) {
  const Grid part{std::min(kCropSide, size.height), std::min(kCropSide, size.width)};
  return absl::StrFormat("%d,%d,%d,%d", (size.width - part.width) / 2,
                         (size.height - part.height) / 2, part.width, part.height);
}

absl::StatusOr<RgbImage> ByModel(client::Client& client, const Connection& connection,
                                 absl::string_view file, const std::string& model,
                                 const OutputPlan& plan) {
  const Region& region = plan.region;
  v1::UpscaleParameters parameters;
  parameters.mutable_target()->set_width(static_cast<int32_t>(plan.whole.width));
  parameters.mutable_target()->set_height(static_cast<int32_t>(plan.whole.height));
  parameters.set_model(model);
  parameters.set_sample_type(v1::SAMPLE_TYPE_U8);
  parameters.set_convert_to_srgb(true);
  auto* part = parameters.mutable_region();
  part->set_x(region.x);
  part->set_y(region.y);
  part->set_width(region.width);
  part->set_height(region.height);
  HIIF_ASSIGN_OR_RETURN(const client::UpscaleOutput output,
                        client.UpscaleToMemory({.encoded = file}, parameters, connection.call()));
  RgbImage image{SampleType::kU8, region.height, region.width, {}};
  const int channels = output.header.channels();
  for (int64_t i = 0; i < region.pixels(); ++i)
    for (int c = 0; c < 3; ++c)
      image.samples.push_back(
          static_cast<uint8_t>(output.samples[i * channels + (channels < 3 ? 0 : c)]));
  return image;
}

absl::Status Compare(const CompareFlags& flags, Connection& connection) {
  const absl::StatusOr<std::string> read = ReadPicture(flags.input, connection.call().stop);
  if (!read.ok()) return WithName(flags.input, read.status());
  const std::string& file = *read;
  const auto picture =
      Decode(file, {.limits = {.max_pixels = kMaxPixels}, .convert_to_srgb = true});
  if (!picture.ok()) return WithName(flags.input, picture.status());
  for (const std::string& warning : picture->warnings) PrintWarning(flags.input, warning);
  if (picture->colour->type != SampleType::kU8)
    return absl::InvalidArgumentError(
        absl::StrCat(flags.input, ": an 8-bit picture, not in linear light, is needed"));
  const Grid size = picture->size();
  const std::string part_of_input = flags.crop.empty() ? MiddleOf(size) : flags.crop;
  HIIF_ASSIGN_OR_RETURN(const Region crop, ParseCrop(part_of_input, size));
  HIIF_ASSIGN_OR_RETURN(const Sizing sizing,
                        Sizing::Create({.scale = flags.scale, .crop = part_of_input}));
  HIIF_ASSIGN_OR_RETURN(const OutputPlan plan, sizing.Plan(size));
  const Region& region = plan.region;

  std::error_code error;
  if (std::filesystem::equivalent(flags.input, flags.output, error))
    return absl::InvalidArgumentError(
        absl::StrCat("-o ", flags.output, " is the input itself; name another file"));
  // What cannot be made is known before the work.
  HIIF_ASSIGN_OR_RETURN(const auto output,
                        OutputTarget::Open(flags.output, connection.call().stop));
  std::vector<std::string> models = flags.models;
  if (models.empty()) {
    HIIF_RETURN_IF_ERROR(connection.WaitForModel(""));
    HIIF_ASSIGN_OR_RETURN(const auto all, connection.client().ListModels(connection.call()));
    for (const v1::Model& model : all)  // a request loads one that is not
      if (model.state() == v1::MODEL_STATE_READY || model.state() == v1::MODEL_STATE_UNLOADED)
        models.push_back(model.name());
  } else {
    for (const std::string& model : models) HIIF_RETURN_IF_ERROR(connection.WaitForModel(model));
  }
  std::vector<SheetCell> cells;
  const RgbImage part = Crop(*picture->colour, crop);
  cells.push_back({absl::StrFormat("bicubic x%g", flags.scale),
                   ResizeBicubic(part, {region.height, region.width})});
  for (const std::string& model : models) {
    HIIF_ASSIGN_OR_RETURN(RgbImage image,
                          ByModel(connection.client(), connection, file, model, plan));
    cells.push_back({model, std::move(image)});
  }
  const int columns = std::max(1, std::min<int>(static_cast<int>(cells.size()),
                                                static_cast<int>(2000 / (region.width + 8))));
  HIIF_ASSIGN_OR_RETURN(const std::string sheet, MakeSheet(cells, columns));
  HIIF_RETURN_IF_ERROR(output->sink()->Append(sheet));
  HIIF_RETURN_IF_ERROR(output->Commit());
  if (flags.output == "-") return absl::OkStatus();
  std::printf("%s: bicubic and %d models\n", flags.output.c_str(), static_cast<int>(models.size()));
  return absl::OkStatus();
}

}  // namespace

int RunCompare(const CompareFlags& flags, const Interrupt& interrupt) {
  if (const auto sizing = Sizing::Create({.scale = flags.scale, .crop = flags.crop}); !sizing.ok())
    return Fail("compare", sizing.status());
  auto connection = Connection::Open(flags.connection, interrupt.token());
  if (interrupt.exit_code() != 0) return interrupt.exit_code();
  if (!connection.ok()) return Fail("compare", connection.status());
  const absl::Status status = Compare(flags, **connection);
  if (interrupt.exit_code() != 0) return interrupt.exit_code();
  return status.ok() ? kExitOk : Fail("compare", (*connection)->Explain(status));
}

}  // namespace hiif::cli
