#include "server/fronts/grpc/upload.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/steady_now.h"
#include "server/core/order.h"
#include "server/errors/errors.h"
#include "server/fronts/grpc/grpc_stream.h"
#include "server/fronts/upload_pace.h"
#include "server/security/tokens.h"

namespace hiif::server {
namespace {

// Largest message before the chunks, but for the coordinates of a query.
constexpr int64_t kMostHead = 64 << 10;
constexpr size_t kMostChunk = 1 << 20;

// A call whose first message says what is wanted, and whose others bring the picture: a file in
// chunks, or the shape of raw pixels and then those in chunks. Reactor: the gRPC reactor that
// Request belongs to.
template <typename Reactor, typename Request>
class Upload : public Reactor {
 public:
  Upload(UploadEnvironment* environment, grpc::CallbackServerContext* context, const char* method,
         const char* scope)
      : environment_(*environment),
        context_(context),
        method_(method),
        scope_(scope),
        call_(context, environment->handler->monitor()) {
    ++environment_.reading;
  }
  ~Upload() override {
    GiveBack();
    StopReading();
  }

  // Once, when it is constructed.
  void Begin() {
    const absl::Status authorized = environment_.handler->Authorize(scope_, &call_);
    if (!authorized.ok()) return End(authorized);
    call_.ExpectUntil(call_.arrival() + environment_.limits.first_message);
    this->StartRead(&message_);
  }

  void OnReadDone(bool ok) final {
    if (!ok) return Complete();
    const absl::Status status = Take();
    if (!status.ok()) return End(status);
    message_ = Request();  // the room of its strings too
    ++messages_;
    this->StartRead(&message_);
  }

  // Reads and writes end by themselves then, and Alive() says that the client is gone.
  void OnCancel() final {}

  void OnDone() final { delete this; }

 protected:
  // The first message, or InvalidArgument; those of Hold().
  virtual absl::Status TakeFirst(Request* message) = 0;
  // Valid before the first message too.
  virtual AskedRequestId id() const = 0;
  // The call itself, on a thread of its own.
  virtual absl::Status RunPicture(v1::ImageSource image, GrpcCall* call, CallReport* report) = 0;

  // Counts bytes that are kept until the upload is complete. ResourceExhausted: they never fit, or
  // not now.
  absl::Status Hold(int64_t bytes) {
    const int64_t total = environment_.incomplete->total();
    if (counted_ + bytes > total)
      return Refused(kReasonTooLarge,
                     absl::StrFormat("the upload is larger than the %d bytes that this server's "
                                     "uploads may hold together (--memory-bytes)",
                                     total),
                     std::nullopt);
    if (!environment_.incomplete->Take(bytes))
      return Refused(kReasonMemory, "too many files are being uploaded at once");
    counted_ += bytes;
    return absl::OkStatus();
  }
  // The same for all of a message before the chunks. InvalidArgument: it is larger than `most`.
  absl::Status HoldHead(const char* field, int64_t most, Request* message) {
    const auto bytes = static_cast<int64_t>(message->ByteSizeLong());
    if (bytes > most)
      return InvalidField(field, absl::StrFormat("at most %d bytes are allowed", most));
    message->DiscardUnknownFields();  // parsed they take several times their bytes
    return Hold(bytes);
  }

  UploadEnvironment& environment_;

 private:
  absl::Status Take() {
    if (messages_ == 0) {
      Expect();
      return TakeFirst(&message_);
    }
    if (message_.has_raw() && messages_ == 1) {
      if (!message_.raw().samples().empty())
        return InvalidField("raw.samples", "must be empty: the samples come in the chunks");
      HIIF_RETURN_IF_ERROR(HoldHead("raw", kMostHead, &message_));
      *image_.mutable_raw() = std::move(*message_.mutable_raw());
      Expect();
      return absl::OkStatus();
    }
    return TakeChunk();
  }

  absl::Status TakeChunk() {
    const UploadLimits& limits = environment_.limits;
    if (message_.chunk().empty())
      return InvalidField("chunk",
                          "after the first message, or the shape of raw pixels behind it, each "
                          "must bring bytes of the picture");
    if (message_.chunk().size() > kMostChunk)
      return InvalidField("chunk", "1 byte to 1 MiB a message is allowed");
    const auto bytes = static_cast<int64_t>(message_.chunk().size());
    const auto held = static_cast<int64_t>(bytes_.size());
    if (held + bytes > limits.max_file_bytes)
      return InvalidField("chunk",
                          absl::StrFormat("the picture is larger than this server's limit of %d "
                                          "bytes (--max-upload-bytes)",
                                          limits.max_file_bytes));
    HIIF_RETURN_IF_ERROR(Hold(bytes));
    bytes_ += message_.chunk();
    if (pace_.GoesOn(held + bytes)) Expect();
    return absl::OkStatus();
  }

  absl::Status Refused(const char* reason, absl::string_view why,
                       std::optional<absl::Duration> retry = absl::Seconds(1)) const {
    environment_.metrics->Rejected(reason);
    return ErrorWithReason(absl::StatusCode::kResourceExhausted, reason, why, retry);
  }

  void Expect() {
    const absl::Duration timeout = environment_.limits.read_timeout;
    call_.ExpectUntil(timeout > absl::ZeroDuration() ? SteadyNow() + timeout
                                                     : absl::InfiniteFuture());
  }

  // Nothing more comes. The end of the stream and its breaking look the same here.
  void Complete() {
    call_.ExpectUntil(absl::InfiniteFuture());
    absl::Status status = call_.Alive();
    if (status.ok() && messages_ == 0) status = TakeFirst(&message_);  // says what is missing
    if (!status.ok()) return End(status);
    GiveBack();
    if (!environment_.threads->Run([this] { RunOnThread(); }))
      End(Refused(kReasonQueueFull, "too many calls at once"));
  }

  void GiveBack() { environment_.incomplete->Give(std::exchange(counted_, 0)); }
  // Once it counts among the calls: a server that drains waits for the sum of both.
  void StopReading() {
    if (std::exchange(reading_, false)) --environment_.reading;
  }

  void RunOnThread() {
    (image_.has_raw() ? *image_.mutable_raw()->mutable_samples() : *image_.mutable_encoded()) =
        std::move(bytes_);
    const grpc::Status status = Run(absl::OkStatus(), [this](GrpcCall* call, CallReport* report) {
      StopReading();
      return RunPicture(std::move(image_), call, report);
    });
    StopReading();
    this->Finish(status);
  }

  // Before there is a thread.
  void End(const absl::Status& status) {
    GiveBack();
    StopReading();
    this->Finish(Run(status, [](GrpcCall*, CallReport*) { return absl::OkStatus(); }));
  }

  grpc::Status Run(const absl::Status& so_far, const RpcHandler::Body& body) {
    return environment_.handler->Run(context_, method_, &call_, id(), so_far, body);
  }

  grpc::CallbackServerContext* const context_;
  const char* const method_;
  const char* const scope_;
  GrpcCall call_;
  // Touched by one callback at a time, then by the thread.
  Request message_;
  v1::ImageSource image_;  // but for its bytes
  std::string bytes_;
  int64_t messages_ = 0;  // taken
  bool reading_ = true;
  int64_t counted_ = 0;  // taken of the budget
  UploadPace pace_;
};

using UpscaleReactor = grpc::ServerBidiReactor<v1::UpscaleUploadRequest, v1::UpscaleResponse>;
using QueryReactor = grpc::ServerReadReactor<v1::QueryUploadRequest>;

class UpscaleUpload final : public Upload<UpscaleReactor, v1::UpscaleUploadRequest> {
 public:
  UpscaleUpload(UploadEnvironment* environment, grpc::CallbackServerContext* context)
      : Upload(environment, context, "UpscaleUpload", kScopeUpscale) {}

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    written_ = true;
    write_ok_ = ok;
  }

 protected:
  absl::Status TakeFirst(v1::UpscaleUploadRequest* message) override {
    if (!message->has_parameters())
      return InvalidField("parameters", "the first message must be the parameters");
    HIIF_RETURN_IF_ERROR(HoldHead("parameters", kMostHead, message));
    request_id_ = message->parameters().request_id();
    HIIF_ASSIGN_OR_RETURN(order_, UpscaleOrder::Parse(message->parameters()));
    return absl::OkStatus();
  }
  AskedRequestId id() const override { return {"parameters.request_id", request_id_}; }
  absl::Status RunPicture(v1::ImageSource image, GrpcCall* call, CallReport* report) override {
    GrpcStream responses(
        call, [this](const v1::UpscaleResponse& response) { return Write(response); },
        environment_.metrics);
    if (image.has_raw())
      return environment_.upscaling->Run(image, order_, call, &responses, report);
    return environment_.upscaling->RunFile(image.encoded(), "chunk", order_, call, &responses,
                                           report);
  }

 private:
  // Blocks until the message is handed over; false: the call is over.
  bool Write(const v1::UpscaleResponse& response) {
    {
      absl::MutexLock lock(&mutex_);
      written_ = false;
    }
    StartWrite(&response);
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&written_));
    return write_ok_;
  }

  std::string request_id_;
  UpscaleOrder order_;
  absl::Mutex mutex_;
  bool written_ ABSL_GUARDED_BY(mutex_) = false;
  bool write_ok_ ABSL_GUARDED_BY(mutex_) = false;
};

class QueryUpload final : public Upload<QueryReactor, v1::QueryUploadRequest> {
 public:
  QueryUpload(UploadEnvironment* environment, grpc::CallbackServerContext* context,
              v1::QueryResponse* response)
      : Upload(environment, context, "QueryUpload", kScopeQuery), response_(response) {}

 protected:
  absl::Status TakeFirst(v1::QueryUploadRequest* message) override {
    if (!message->has_query() || message->query().has_image())
      return InvalidField("query", "the first message must be the query, without an image");
    // Two doubles for each position.
    HIIF_RETURN_IF_ERROR(
        HoldHead("query", kMostHead + 16 * environment_.limits.max_query_coordinates, message));
    query_ = std::move(*message->mutable_query());
    return absl::OkStatus();
  }
  AskedRequestId id() const override { return {"query.request_id", query_.request_id()}; }
  absl::Status RunPicture(v1::ImageSource image, GrpcCall* call, CallReport* report) override {
    *query_.mutable_image() = std::move(image);
    HIIF_RETURN_IF_ERROR(environment_.querying->Run(query_, call, response_, report));
    call->BeginAnswer(static_cast<int64_t>(response_->ByteSizeLong()));
    return absl::OkStatus();
  }

 private:
  v1::QueryResponse* const response_;
  v1::QueryRequest query_;
};

}  // namespace

grpc::ServerBidiReactor<v1::UpscaleUploadRequest, v1::UpscaleResponse>* StartUpscaleUpload(
    UploadEnvironment* environment, grpc::CallbackServerContext* context) {
  auto* upload = new UpscaleUpload(environment, context);
  upload->Begin();
  return upload;
}

grpc::ServerReadReactor<v1::QueryUploadRequest>* StartQueryUpload(
    UploadEnvironment* environment, grpc::CallbackServerContext* context,
    v1::QueryResponse* response) {
  auto* upload = new QueryUpload(environment, context, response);
  upload->Begin();
  return upload;
}

}  // namespace hiif::server
