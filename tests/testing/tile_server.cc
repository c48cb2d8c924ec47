#include "tests/testing/tile_server.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/digest.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/server_builder.h"
#include "imaging/geometry.h"
#include "imaging/probe.h"

namespace hiif::testing {
namespace {

grpc::Status Invalid(const absl::Status& status) {
  return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, std::string(status.message()));
}

struct Source {
  Grid size;
  int channels = 3;
  v1::SampleType type = v1::SAMPLE_TYPE_U8;
  std::string icc;
  int orientation = 1;
};

absl::StatusOr<Source> Look(const v1::ImageSource& image, int frame) {
  if (image.has_raw())
    return Source{{image.raw().height(), image.raw().width()},
                  image.raw().channels(),
                  image.raw().sample_type(),
                  "",
                  1};
  const auto info = Probe(image.encoded(), {.max_pixels = int64_t{1} << 40},
                          frame > 0 ? std::optional(frame - 1) : std::nullopt);
  if (!info.ok()) return info.status();
  return Source{info->size, info->channels,
                info->type == SampleType::kU8    ? v1::SAMPLE_TYPE_U8
                : info->type == SampleType::kU16 ? v1::SAMPLE_TYPE_U16
                                                 : v1::SAMPLE_TYPE_F32,
                info->metadata.icc, info->orientation};
}

absl::StatusOr<Grid> OutputSize(Grid input, const v1::UpscaleParameters& p) {
  if (p.has_target()) return GridFromTarget(input, p.target().width(), p.target().height());
  return GridFromScale(input, p.scale().rx(), p.scale().ry());
}

int SampleSize(v1::SampleType type) {
  return type == v1::SAMPLE_TYPE_U16 ? 2 : type == v1::SAMPLE_TYPE_F32 ? 4 : 1;
}

// u16: the sample twice; f32: the sample / 255.
void AppendSample(std::string* out, uint8_t value, v1::SampleType type) {
  if (type == v1::SAMPLE_TYPE_F32) {
    const float f = static_cast<float>(value) / 255.0f;
    out->append(reinterpret_cast<const char*>(&f), sizeof(f));
    return;
  }
  out->append(SampleSize(type), static_cast<char>(value));
}

}  // namespace

grpc::Status WithRetryInfo(grpc::StatusCode code, const std::string& message,
                           absl::Duration delay) {
  google::rpc::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(absl::ToInt64Seconds(delay));
  info.mutable_retry_delay()->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(delay % absl::Seconds(1))));
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  status.add_details()->PackFrom(info);
  return grpc::Status(code, message, status.SerializeAsString());
}

uint8_t ExpectedSample(int64_t x, int64_t y, int c) {
  return static_cast<uint8_t>(x / 3 + y / 5 * 2 + c * 40);
}

TileServer::TileServer(const std::string& address) : address_(address) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
}

TileServer::~TileServer() {
  if (server_ != nullptr) server_->Shutdown(absl::ToChronoTime(absl::Now()));
}

std::string TileServer::address() const {
  return absl::StartsWith(address_, "unix:") ? address_ : absl::StrCat("127.0.0.1:", port_);
}

void TileServer::SetScript(std::vector<Step> script) {
  absl::MutexLock lock(&mutex_);
  script_.assign(script.begin(), script.end());
}

void TileServer::SetWeights(const std::string& digest) {
  absl::MutexLock lock(&mutex_);
  weights_ = digest;
}

void TileServer::SetTileSize(int size) {
  absl::MutexLock lock(&mutex_);
  tile_size_ = size;
}

void TileServer::SetTileDelay(absl::Duration delay) {
  absl::MutexLock lock(&mutex_);
  tile_delay_ = delay;
}

std::vector<v1::UpscaleParameters> TileServer::calls() const {
  absl::MutexLock lock(&mutex_);
  return calls_;
}

std::vector<std::string> TileServer::authorizations() const {
  absl::MutexLock lock(&mutex_);
  return authorizations_;
}

int64_t TileServer::tiles_sent() const {
  absl::MutexLock lock(&mutex_);
  return tiles_sent_;
}

grpc::Status TileServer::Upscale(grpc::ServerContext* context, const v1::UpscaleRequest* request,
                                 grpc::ServerWriter<v1::UpscaleResponse>* writer) {
  return Serve(context, request->image(), request->parameters(), writer);
}

grpc::Status TileServer::UpscaleUpload(
    grpc::ServerContext* context,
    grpc::ServerReaderWriter<v1::UpscaleResponse, v1::UpscaleUploadRequest>* stream) {
  v1::UpscaleParameters parameters;
  v1::ImageSource image;
  v1::UpscaleUploadRequest message;
  for (bool first = true; stream->Read(&message); first = false) {
    if (message.has_parameters() != first)
      return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "parameters come first and once");
    if (first) {
      parameters = message.parameters();
    } else if (message.has_raw()) {
      *image.mutable_raw() = message.raw();
    } else if (image.has_raw()) {
      image.mutable_raw()->mutable_samples()->append(message.chunk());
    } else {
      image.mutable_encoded()->append(message.chunk());
    }
  }
  return Serve(context, image, parameters, stream);
}

grpc::Status TileServer::ListModels(grpc::ServerContext* /*context*/,
                                    const v1::ListModelsRequest* request,
                                    v1::ListModelsResponse* response) {
  // Two pages.
  v1::Model* model = response->add_models();
  model->set_name(request->page_token().empty() ? "edsr-baseline-test" : "rdn-test");
  model->set_state(v1::MODEL_STATE_READY);
  model->set_is_default(request->page_token().empty());
  if (request->page_token().empty()) response->set_next_page_token("2");
  return grpc::Status::OK;
}

grpc::Status TileServer::GetModel(grpc::ServerContext* /*context*/,
                                  const v1::GetModelRequest* request,
                                  v1::GetModelResponse* response) {
  if (request->name() != "rdn-test" && !request->name().empty())
    return grpc::Status(grpc::StatusCode::NOT_FOUND,
                        "no such model; there are edsr-baseline-test, rdn-test");
  response->mutable_model()->set_name(request->name());
  return grpc::Status::OK;
}

template <typename Writer>
grpc::Status TileServer::Serve(grpc::ServerContext* context, const v1::ImageSource& image,
                               const v1::UpscaleParameters& parameters, Writer* writer) {
  Step step;
  std::string token;
  int tile_size = parameters.tile_size();
  {
    absl::MutexLock lock(&mutex_);
    calls_.push_back(parameters);
    const auto it = context->client_metadata().find("authorization");
    authorizations_.emplace_back(it == context->client_metadata().end()
                                     ? ""
                                     : std::string(it->second.data(), it->second.size()));
    if (!script_.empty()) {
      step = script_.front();
      script_.pop_front();
    }
    if (tile_size == 0) tile_size = tile_size_;
    step.before_tile += tile_delay_;
    token = absl::StrCat(weights_, ":", Sha256Hex(image.SerializeAsString()));
  }
  if (!step.pushback_millis.empty())
    context->AddTrailingMetadata("grpc-retry-pushback-ms", step.pushback_millis);
  if (!step.fail.ok() && step.after_tiles < 0) return step.fail;
  if (!parameters.resume_token().empty() && parameters.resume_token() != token)
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION,
                        "the resume token is of another server");

  const absl::StatusOr<Source> source = Look(image, parameters.frame());
  if (!source.ok()) return Invalid(source.status());
  const absl::StatusOr<Grid> size = OutputSize(source->size, parameters);
  if (!size.ok()) return Invalid(size.status());

  v1::UpscaleResponse response;
  v1::UpscaleHeader* header = response.mutable_header();
  header->set_output_width(static_cast<int32_t>(size->width));
  header->set_output_height(static_cast<int32_t>(size->height));
  v1::Region region = parameters.region();
  if (!parameters.has_region()) {
    region.set_width(size->width);
    region.set_height(size->height);
  }
  *header->mutable_region() = region;
  header->set_channels(source->channels);
  const v1::SampleType type = parameters.sample_type() == v1::SAMPLE_TYPE_UNSPECIFIED
                                  ? source->type
                                  : parameters.sample_type();
  header->set_sample_type(type);
  const int64_t columns = (region.width() + tile_size - 1) / tile_size;
  const int64_t rows = (region.height() + tile_size - 1) / tile_size;
  header->mutable_grid()->set_tile_size(tile_size);
  header->mutable_grid()->set_columns(static_cast<int32_t>(columns));
  header->mutable_grid()->set_rows(static_cast<int32_t>(rows));
  header->set_model("made-up");
  header->set_icc_profile(source->icc);
  header->set_orientation_applied(source->orientation);
  header->set_input_width(static_cast<int32_t>(source->size.width));
  header->set_input_height(static_cast<int32_t>(source->size.height));
  header->set_resume_token(token);
  if (parameters.has_encoded()) {
    header->set_format(parameters.encoded().format());
    header->clear_resume_token();
  }
  if (step.lie) step.lie(header);
  if (!writer->Write(response)) return grpc::Status::CANCELLED;

  uint32_t crc = 0;
  int64_t sent = 0;
  for (int64_t i = parameters.first_tile(); i < columns * rows && !parameters.validate_only();
       ++i) {
    if (sent == step.after_tiles) return step.fail;
    if (parameters.has_encoded()) {
      v1::EncodedChunk* chunk = response.mutable_chunk();
      chunk->set_offset(i);
      chunk->set_data(std::string(1, static_cast<char>('a' + i % 26)));
      chunk->set_crc32c(Crc32c(chunk->data()));
      crc = Crc32c(chunk->data(), crc);
      if (!writer->Write(response)) return grpc::Status::CANCELLED;
      ++sent;
      continue;
    }
    if (step.before_tile > absl::ZeroDuration()) absl::SleepFor(step.before_tile);
    v1::Tile* tile = response.mutable_tile();
    tile->set_index(i);
    tile->set_x(region.x() + i % columns * tile_size);
    tile->set_y(region.y() + i / columns * tile_size);
    tile->set_width(static_cast<int32_t>(
        std::min<int64_t>(tile_size, region.x() + region.width() - tile->x())));
    tile->set_height(static_cast<int32_t>(
        std::min<int64_t>(tile_size, region.y() + region.height() - tile->y())));
    std::string* samples = tile->mutable_samples();
    samples->clear();
    samples->reserve(int64_t{tile->width()} * tile->height() * source->channels * SampleSize(type));
    for (int64_t y = tile->y(); y < tile->y() + tile->height(); ++y)
      for (int64_t x = tile->x(); x < tile->x() + tile->width(); ++x)
        for (int c = 0; c < source->channels; ++c)
          AppendSample(samples, ExpectedSample(x, y, c), type);
    tile->set_crc32c(Crc32c(*samples));
    crc = Crc32c(*samples, crc);
    if (i == step.corrupt_tile) (*samples)[0] ^= 1;
    if (!writer->Write(response)) return grpc::Status::CANCELLED;
    ++sent;
    absl::MutexLock lock(&mutex_);
    ++tiles_sent_;
  }
  if (step.no_trailer) return grpc::Status::OK;
  if (sent == step.after_tiles) return step.fail;
  response.mutable_trailer()->set_crc32c(crc);
  response.mutable_trailer()->set_messages_sent(sent);
  writer->Write(response);
  return grpc::Status::OK;
}

}  // namespace hiif::testing
