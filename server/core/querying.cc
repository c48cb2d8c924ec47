#include "server/core/querying.h"

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "imaging/geometry.h"
#include "server/core/query_work.h"
#include "server/errors/errors.h"

namespace hiif::server {
namespace {

constexpr size_t kDigestBytes = 32;

absl::StatusOr<std::vector<Coordinate>> CoordinatesOf(const v1::QueryRequest& request,
                                                      int64_t limit) {
  const int values = request.coordinates_size();
  if (values == 0 || values % 2 != 0)
    return InvalidField("coordinates", absl::StrFormat("rows and columns in turn are needed; there "
                                                       "are %d values",
                                                       values));
  if (values / 2 > limit)
    return InvalidField("coordinates", absl::StrFormat("%d positions, this server's limit is %d",
                                                       values / 2, limit));
  std::vector<Coordinate> coordinates(values / 2);
  for (int i = 0; i < values; ++i) {
    const double value = request.coordinates(i);
    if (!(value >= -1 && value <= 1))  // true for NaN
      return InvalidField(absl::StrCat("coordinates[", i, "]"),
                          absl::StrFormat("%g; -1 to 1 is allowed", value));
    (i % 2 == 0 ? coordinates[i / 2].row : coordinates[i / 2].column) = value;
  }
  return coordinates;
}

// The number of output pixels along an axis on which one takes up `cell`.
absl::StatusOr<int64_t> PixelsOf(absl::string_view field, double cell, int64_t low) {
  const double least = 2 / (static_cast<double>(low) * kMaxScale);
  const double most = 2 / static_cast<double>(low);
  // Written so that NaN fails; a last bit of the client's division is forgiven.
  if (!(cell >= least * (1 - 1e-9) && cell <= most * (1 + 1e-9)))
    return InvalidField(field, absl::StrFormat("%g; 2 over the number of output pixels is needed, "
                                               "for this image %g to %g",
                                               cell, least, most));
  return static_cast<int64_t>(std::llround(2 / cell));
}

}  // namespace

absl::Status Querying::FindImage(const v1::QueryRequest& request, const Call& call,
                                 WorkInput* input, Grid* size, CallReport* report) const {
  const v1::ImageSource& source = request.image();
  std::optional<ImageInput> image;
  if (source.source_case() == v1::ImageSource::kDigest) {
    if (source.digest().size() != kDigestBytes)
      return InvalidField("image.digest", absl::StrFormat("%d bytes are needed, there are %d",
                                                          kDigestBytes, source.digest().size()));
    input->image_digest = source.digest();
  } else {
    HIIF_ASSIGN_OR_RETURN(
        image,
        ImageInput::FromSource(source, {.max_pixels = limits_.max_input_pixels,
                                        .opener = environment_.opener,
                                        .cancelled = [&call] { return !call.Alive().ok(); }}));
    input->image_digest = image->Digest();
    AddWarnings(image->warnings(), report);
  }
  const auto features = environment_.cache->FindFeatures(
      {input->model->name(), input->model->serial(), input->image_digest, false, false});
  if (features != nullptr) {
    *size = {features->height(), features->width()};
  } else if (image) {
    *size = image->facts().size;
    input->image = std::move(image);
  } else {
    return absl::NotFoundError(
        "image.digest: no such image in this server's feature cache; send the image again");
  }
  return absl::OkStatus();
}

absl::Status Querying::Run(const v1::QueryRequest& request, Call* call, v1::QueryResponse* response,
                           CallReport* report) const {
  HIIF_ASSIGN_OR_RETURN(std::vector<Coordinate> coordinates,
                        CoordinatesOf(request, limits_.max_query_coordinates));
  WorkInput input;
  HIIF_ASSIGN_OR_RETURN(input.model,
                        registry_->Acquire(request.model(), "", [call] { return call->Alive(); }));
  report->model = input.model->name();
  Grid size;
  HIIF_RETURN_IF_ERROR(FindImage(request, *call, &input, &size, report));
  HIIF_ASSIGN_OR_RETURN(input.grid.height, PixelsOf("cell_row", request.cell_row(), size.height));
  HIIF_ASSIGN_OR_RETURN(input.grid.width,
                        PixelsOf("cell_column", request.cell_column(), size.width));
  HIIF_RETURN_IF_ERROR(UnderField("cell_row", input.model->upscaler().CheckGrid(size, input.grid)));
  report->input_pixels = size.height * size.width;
  report->output_pixels = static_cast<int64_t>(coordinates.size());
  response->set_image_digest(input.image_digest);
  response->set_model(input.model->name());
  response->set_model_version(input.model->facts().version);
  HIIF_RETURN_IF_ERROR(call->Alive());

  const bool had_image = input.image.has_value();
  const auto work = std::make_shared<QueryWork>(environment_, std::move(input),
                                                Cell{request.cell_row(), request.cell_column()},
                                                std::move(coordinates));
  report->features_cached = work->features_cached();
  if (!had_image && !work->features_cached())
    return WithRetry(absl::UnavailableError("the image's features have just left the cache"),
                     absl::ZeroDuration());
  HIIF_RETURN_IF_ERROR(work->Submit(*call, 0, work->Bytes()).status());
  call->WhenDead([&work] { work->Wake(); });
  const auto end = absl::MakeCleanup([&] {
    call->WhenDead(nullptr);
    const absl::Status alive = call->Alive();
    work->Cancel(alive.ok() ? absl::CancelledError("the request failed") : alive);
    report->times = work->Times();
    report->stages = work->Spans();
    work->ReportStages();
  });
  HIIF_ASSIGN_OR_RETURN(const auto picture, work->WaitForPicture(*call));
  if (picture != nullptr) AddWarnings(picture->warnings, report);
  HIIF_ASSIGN_OR_RETURN(const std::vector<float> rgb, work->TakeResult(*call));
  for (const std::string& warning : report->warnings) response->add_warnings(warning);
  response->mutable_rgb()->Add(rgb.begin(), rgb.end());
  *response->mutable_times() = work->Times();
  return absl::OkStatus();
}

}  // namespace hiif::server
