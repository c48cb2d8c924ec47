// Calls in turn on a whole server in this process, over a socket: every method, any bytes as
// messages, any number of them, given up or ended at any point.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "hiif/v1/super_resolution.pb.h"
#include "server/application.h"
#include "server/config/config.h"
#include "server/logging/log.h"
#include "tests/fuzz/target.h"

namespace {

constexpr const char* kMethods[] = {
    "/hiif.v1.SuperResolutionService/Upscale",
    "/hiif.v1.SuperResolutionService/UpscaleUpload",
    "/hiif.v1.SuperResolutionService/Query",
    "/hiif.v1.SuperResolutionService/QueryUpload",
    "/hiif.v1.SuperResolutionService/ListModels",
    "/hiif.v1.SuperResolutionService/GetModel",
    "/hiif.v1.ModelControlService/LoadModel",
    "/hiif.v1.ModelControlService/UnloadModel",
    "/inference.GRPCInferenceService/ModelInfer",
    "/inference.GRPCInferenceService/ModelStreamInfer",
    "/inference.GRPCInferenceService/ModelReady",
    "/inference.GRPCInferenceService/ModelMetadata",
    "/inference.GRPCInferenceService/ModelConfig",
    "/inference.GRPCInferenceService/RepositoryIndex",
    "/inference.GRPCInferenceService/ServerReady",
    "/grpc.health.v1.Health/Check",
};

class Server {
 public:
  Server() {
    char folder[] = "/tmp/hiif-fuzz-XXXXXX";
    folder_ = mkdtemp(folder);
    std::filesystem::copy(std::filesystem::path("models") / "bicubic.safetensors", folder_);
    auto config = hiif::server::DefaultConfig();
    config.clear_listen();
    config.add_listen(absl::StrCat("unix:", folder_, "/socket"));
    config.clear_management_listen();
    config.set_model_dir(folder_);
    config.set_default_model("bicubic");
    config.set_decode_isolation("none");
    config.set_max_input_pixels(1 << 16);
    config.set_max_output_pixels(1 << 18);
    config.set_enable_model_control(true);
    config.set_kserve(true);
    config.mutable_read_timeout()->set_seconds(2);
    hiif::server::StartLog(false, hiif::server::LogLevel::kError);
    application_ = std::make_unique<hiif::server::Application>(config);
    if (const auto failure = application_->Start()) {
      std::fprintf(stderr, "%s\n", failure->status.ToString().c_str());
      std::abort();
    }
    channel_ = grpc::CreateChannel(config.listen(0), grpc::InsecureChannelCredentials());
    stub_ = std::make_unique<grpc::GenericStub>(channel_);
    while (!Ready()) absl::SleepFor(absl::Milliseconds(20));
  }
  ~Server() {
    stub_.reset();
    channel_.reset();
    application_.reset();
    std::filesystem::remove_all(folder_);
  }

  // most_reads: responses to read before the call is given up.
  grpc::Status Call(const char* method, const std::vector<absl::string_view>& messages,
                    int most_reads) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(15));
    grpc::CompletionQueue queue;
    const auto stream = stub_->PrepareCall(&context, method, &queue);
    const auto done = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    stream->StartCall(nullptr);
    bool open = done();
    for (const absl::string_view message : messages) {
      if (!open) break;
      const grpc::Slice slice(message.data(), message.size());
      stream->Write(grpc::ByteBuffer(&slice, 1), nullptr);
      open = done();
    }
    if (most_reads == 0) context.TryCancel();
    stream->WritesDone(nullptr);
    done();
    grpc::ByteBuffer response;
    for (int reads = 1;; ++reads) {
      stream->Read(&response, nullptr);
      if (!done()) break;
      if (reads == most_reads) context.TryCancel();
    }
    grpc::Status status;
    stream->Finish(&status, nullptr);
    done();
    queue.Shutdown();
    return status;
  }

 private:
  bool Ready() {
    hiif::v1::UpscaleRequest request;
    request.mutable_parameters()->mutable_scale()->set_rx(2);
    hiif::v1::RawImage& pixel = *request.mutable_image()->mutable_raw();
    pixel.set_width(1);
    pixel.set_height(1);
    pixel.set_channels(1);
    pixel.set_samples("a");
    return Call(kMethods[0], {request.SerializeAsString()}, -1).ok();
  }

  std::string folder_;
  std::unique_ptr<hiif::server::Application> application_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<grpc::GenericStub> stub_;
};

}  // namespace

// A call: its method, 4 bits of messages and 4 of responses to be read, then each message behind
// its length (2 bytes).
FUZZ_TARGET(session) {
  static Server server;
  for (int calls = 0; calls < 8 && bytes.size() > 2; ++calls) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
    const char* method = kMethods[byte(0) % std::size(kMethods)];
    const int messages = byte(1) % 16;
    const int reads = byte(1) / 16 == 15 ? -1 : byte(1) / 16;
    bytes.remove_prefix(2);
    std::vector<absl::string_view> sent;
    while (static_cast<int>(sent.size()) < messages && bytes.size() >= 2) {
      const size_t size = std::min<size_t>(byte(0) + 256 * byte(1), bytes.size() - 2);
      sent.push_back(bytes.substr(2, size));
      bytes.remove_prefix(2 + size);
    }
    const grpc::Status status = server.Call(method, sent, reads);
    // What is wrong has a name, and nobody waits for ever.
    FUZZ_CHECK(status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED);
    FUZZ_CHECK(status.error_code() != grpc::StatusCode::UNKNOWN);
    FUZZ_CHECK(status.error_code() != grpc::StatusCode::UNAVAILABLE);
    FUZZ_CHECK(status.error_message().size() < 4096);
  }
}
