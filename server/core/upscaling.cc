#include "server/core/upscaling.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "base/steady_now.h"
#include "base/text.h"
#include "server/core/device_memory.h"
#include "server/core/output.h"
#include "server/core/proto_types.h"
#include "server/core/upscale_work.h"
#include "server/errors/errors.h"

namespace hiif::server {
namespace {

// What the messages around the tiles say of a request.
struct Request {
  Plan plan;
  std::shared_ptr<const LoadedModel> model;
  std::string resume_token;
};

// A message is at most 1 MiB, and profiles are some kilobytes: who sends a larger one does not get
// it back beside tiles.
bool FitsHeader(const std::string& icc) {
  return static_cast<int64_t>(icc.size()) <= kMaxPayloadBytes / 2;
}

void WarnOfProfile(const Plan& plan, const std::string& icc, CallReport* report) {
  if (!plan.file && !FitsHeader(icc))
    AddWarnings({absl::StrFormat("the colour profile of %d bytes is left out; at most %d are sent "
                                 "beside tiles (parameters.encoded keeps it)",
                                 icc.size(), kMaxPayloadBytes / 2)},
                report);
}

v1::UpscaleResponse MakeHeader(const Request& request, int orientation, const std::string& icc,
                               absl::Duration estimate, const std::string& request_id) {
  const Plan& plan = request.plan;
  v1::UpscaleResponse response;
  auto* header = response.mutable_header();
  header->set_output_width(static_cast<int32_t>(plan.output.width));
  header->set_output_height(static_cast<int32_t>(plan.output.height));
  header->mutable_region()->set_x(plan.region.x);
  header->mutable_region()->set_y(plan.region.y);
  header->mutable_region()->set_width(plan.region.width);
  header->mutable_region()->set_height(plan.region.height);
  header->set_channels(plan.channels);
  header->set_sample_type(ToProto(plan.type));
  header->set_input_width(static_cast<int32_t>(plan.input.width));
  header->set_input_height(static_cast<int32_t>(plan.input.height));
  header->set_model(request.model->name());
  header->set_model_version(request.model->facts().version);
  header->set_orientation_applied(orientation);
  if (FitsHeader(icc)) header->set_icc_profile(icc);
  header->set_estimated_seconds(absl::ToDoubleSeconds(estimate));
  header->set_request_id(request_id);
  if (plan.file) {
    header->set_format(ToProto(plan.file->format));
  } else {
    header->mutable_grid()->set_tile_size(plan.tile_size);
    header->mutable_grid()->set_columns(static_cast<int32_t>(plan.columns()));
    header->mutable_grid()->set_rows(static_cast<int32_t>(plan.rows()));
    header->set_resume_token(request.resume_token);
  }
  return response;
}

// output: nullptr where nothing was sent.
v1::UpscaleResponse MakeTrailer(const CallReport& report, const Output* output,
                                int64_t peak_memory) {
  v1::UpscaleResponse response;
  auto* trailer = response.mutable_trailer();
  *trailer->mutable_times() = report.times;
  trailer->set_peak_device_memory_bytes(peak_memory);
  trailer->set_features_cached(report.features_cached);
  for (const std::string& warning : report.warnings) trailer->add_warnings(warning);
  if (output != nullptr) {
    trailer->set_crc32c(output->crc32c());
    trailer->set_messages_sent(output->messages());
  }
  return response;
}

// From the workers to the stream, on the thread of the call.
struct Sender {
  absl::Status Send(TileOutput& output) {
    for (int64_t index = plan.first_tile; index < plan.tiles(); ++index) {
      HIIF_RETURN_IF_ERROR(call.Alive());
      HIIF_ASSIGN_OR_RETURN(std::string samples, work.TakeTile(index, call));
      const absl::Time start = SteadyNow();
      HIIF_RETURN_IF_ERROR(output.AddTile(index, std::move(samples)));
      const int64_t pixels = plan.Tile(index).pixels();
      environment.metrics->TileSent(pixels);
      Sent(start, report.output_pixels + pixels, index + 1 == plan.tiles(), output);
    }
    work.TilesSent();
    return absl::OkStatus();
  }

  absl::Status Send(ChunkOutput& output) {
    while (true) {
      HIIF_RETURN_IF_ERROR(call.Alive());
      HIIF_ASSIGN_OR_RETURN(const std::string bytes, work.TakeBytes(call));
      const absl::Time start = SteadyNow();
      HIIF_RETURN_IF_ERROR(bytes.empty() ? output.Finish() : output.Append(bytes));
      Sent(start, work.FilePixels(), bytes.empty(), output);
      if (bytes.empty()) break;
    }
    AddWarnings(work.FileWarnings(), &report);
    return absl::OkStatus();
  }

  void Sent(absl::Time start, int64_t output_pixels, bool last, const Output& output) {
    const absl::Time sent = SteadyNow();
    work.AddTime(Stage::kSend, sent - start);
    if (report.messages == 0 && output.messages() > 0) {
      report.first_tile = sent - call.arrival();
      environment.metrics->FirstTile(report.first_tile);
      peak_memory = DeviceBytesInUse(environment.device);
    }
    report.messages = output.messages();
    report.output_pixels = output_pixels;
    if (last) peak_memory = std::max(peak_memory, DeviceBytesInUse(environment.device));
  }

  const Plan& plan;
  const WorkEnvironment& environment;
  UpscaleWork& work;
  const Call& call;
  CallReport& report;
  int64_t peak_memory = 0;
};

// The profile that describes the pixels as they leave: none when they were converted to sRGB.
std::string ProfileOf(const ImageInput& input, const UpscaleOrder& order) {
  return order.convert_to_srgb ? "" : input.icc();
}

absl::StatusOr<Request> MakeRequest(const UpscaleOrder& order, const ImageInput& input,
                                    const std::string& digest,
                                    std::shared_ptr<const LoadedModel> model, const Limits& limits,
                                    int64_t context_samples) {
  HIIF_ASSIGN_OR_RETURN(Plan plan, MakePlan(order, input.facts(), limits));
  if (order.use.strength != 1 && !model->has_strength())
    return InvalidField("parameters.strength",
                        absl::StrCat("model ", model->name(),
                                     " has one network; leave the strength away, or name a model "
                                     "whose has_strength is true (ListModels)"));
  HIIF_RETURN_IF_ERROR(
      UnderField("parameters.size", model->upscaler().CheckGrid(plan.input, plan.output)));
  const ModelFacts& facts = model->facts();
  Request request{plan, std::move(model), ""};
  request.resume_token = ResumeToken(plan, order.convert_to_srgb, order.use, digest, facts.digest,
                                     facts.identity, facts.precision, context_samples);
  if (!order.resume_token.empty() && order.resume_token != request.resume_token)
    return ErrorWithReason(absl::StatusCode::kFailedPrecondition, kReasonResumeToken,
                           "parameters.resume_token: not of this image, these parameters and this "
                           "server's model; start again without it");
  return request;
}

}  // namespace

void AddWarnings(const std::vector<std::string>& warnings, CallReport* report) {
  constexpr size_t kMost = 32;
  constexpr size_t kMaxBytes = 400;
  for (const std::string& warning : warnings) {
    const std::string text = Shorten(warning, kMaxBytes);
    if (report->warnings.size() < kMost &&
        std::find(report->warnings.begin(), report->warnings.end(), text) == report->warnings.end())
      report->warnings.push_back(text);
  }
}

InputOptions Upscaling::InputOptionsOf(const UpscaleOrder& order, const Call& call) const {
  return {limits_.max_input_pixels, order.clip, order.frame, environment_.opener,
          [&call] { return !call.Alive().ok(); }};
}

absl::Status Upscaling::Run(const v1::ImageSource& source, const UpscaleOrder& order, Call* call,
                            UpscaleStream* stream, CallReport* report) const {
  HIIF_ASSIGN_OR_RETURN(ImageInput input,
                        ImageInput::FromSource(source, InputOptionsOf(order, *call)));
  return RunInput(std::move(input), order, call, stream, report);
}

absl::Status Upscaling::RunFile(absl::string_view file, absl::string_view field,
                                const UpscaleOrder& order, Call* call, UpscaleStream* stream,
                                CallReport* report) const {
  HIIF_ASSIGN_OR_RETURN(ImageInput input,
                        ImageInput::FromFile(file, field, InputOptionsOf(order, *call)));
  return RunInput(std::move(input), order, call, stream, report);
}

absl::Status Upscaling::RunInput(ImageInput input, const UpscaleOrder& order, Call* call,
                                 UpscaleStream* stream, CallReport* report) const {
  HIIF_ASSIGN_OR_RETURN(auto model, registry_->Acquire(order.model, order.model_version,
                                                       [call] { return call->Alive(); }));
  report->model = model->name();
  const std::string digest = input.Digest();
  HIIF_ASSIGN_OR_RETURN(const Request request, MakeRequest(order, input, digest, std::move(model),
                                                           limits_, environment_.context_samples));
  const Plan& plan = request.plan;
  AddWarnings(plan.warnings, report);
  report->input_pixels = input.pixels();
  HIIF_RETURN_IF_ERROR(call->Alive());

  const std::string icc = ProfileOf(input, order);
  const int orientation = input.orientation();
  const std::vector<std::string> warnings = input.warnings();
  const auto work = std::make_shared<UpscaleWork>(
      environment_,
      WorkInput{request.model, std::move(input), digest, order.convert_to_srgb, order.use,
                plan.output, plan.region},
      plan, limits_.tiles_ahead);
  report->features_cached = work->features_cached();
  // A stream that broke before its trailer alone has no tiles left to compute.
  const bool all_sent = plan.first_tile == plan.tiles();
  if (order.validate_only || all_sent) {
    absl::Duration estimate;
    if (!all_sent) {
      HIIF_ASSIGN_OR_RETURN(const auto admission,
                            work->Estimate(*call, order.priority, work->Bytes()));
      estimate = admission.estimate;
    }
    AddWarnings(warnings, report);
    WarnOfProfile(plan, icc, report);
    HIIF_RETURN_IF_ERROR(
        stream->Write(MakeHeader(request, orientation, icc, estimate, call->request_id())));
    return stream->Write(MakeTrailer(*report, nullptr, DeviceBytesInUse(environment_.device)));
  }

  HIIF_ASSIGN_OR_RETURN(const auto admission, work->Submit(*call, order.priority, work->Bytes()));
  call->WhenDead([&work] { work->Wake(); });
  const auto end = absl::MakeCleanup([&] {
    call->WhenDead(nullptr);
    const absl::Status alive = call->Alive();
    work->Cancel(alive.ok() ? absl::CancelledError("the request failed") : alive);
    report->times = work->Times();
    report->stages = work->Spans();
    work->ReportStages();
  });

  // Nothing is sent before the picture is decoded: a damaged file is an error without a header.
  HIIF_ASSIGN_OR_RETURN(const auto picture, work->WaitForPicture(*call));
  HIIF_RETURN_IF_ERROR(stream->Write(MakeHeader(request, orientation, picture->metadata.icc,
                                                admission.estimate, call->request_id())));
  AddWarnings(picture->warnings, report);
  WarnOfProfile(plan, picture->metadata.icc, report);
  Sender sender{plan, environment_, *work, *call, *report};
  TileOutput tiles(plan, stream);
  ChunkOutput chunks(stream);
  HIIF_RETURN_IF_ERROR(plan.file ? sender.Send(chunks) : sender.Send(tiles));
  report->times = work->Times();
  const Output* sent = &tiles;
  if (plan.file) sent = &chunks;
  return stream->Write(MakeTrailer(*report, sent, sender.peak_memory));
}

}  // namespace hiif::server
