// hiif-server put together: every part made in order, run until a signal, ended in reverse.
#ifndef SERVER_APPLICATION_H_
#define SERVER_APPLICATION_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "jail/jail.h"
#include "jail/picture_file.h"
#include "scheduling/clock.h"
#include "scheduling/scheduler.h"
#include "server/config/config.h"
#include "server/config/machine.h"
#include "server/core/call_handler.h"
#include "server/core/device.h"
#include "server/core/feature_cache.h"
#include "server/core/querying.h"
#include "server/core/upscaling.h"
#include "server/fronts/acceptor.h"
#include "server/fronts/grpc/call_monitor.h"
#include "server/fronts/grpc/grpc_server.h"
#include "server/fronts/grpc/handler.h"
#include "server/fronts/grpc/model_control_service.h"
#include "server/fronts/grpc/self_probe.h"
#include "server/fronts/grpc/super_resolution_service.h"
#include "server/fronts/http/http_server.h"
#include "server/fronts/http/routes.h"
#include "server/fronts/kserve/inference_service.h"
#include "server/last_moments.h"
#include "server/management/http_server.h"
#include "server/metrics/metrics.h"
#include "server/models/registry.h"
#include "server/security/tokens.h"
#include "server/tracing/otlp.h"

namespace hiif::server {

// Exit codes of the process (sysexits.h where one fits).
enum ExitCode {
  kExitOk = 0,         // asked to stop, every accepted call was finished
  kExitUsage = 64,     // flags, environment or configuration file
  kExitNoModels = 66,  // the model directory
  kExitCannotListen = 69,
  kExitDeviceLost = 70,
  kExitCutOff = 75,    // asked to stop, calls were ended after the grace
  kExitSecurity = 78,  // TLS or token files
};

class Application {
 public:
  // A failed start: what to say, and with which code to leave.
  struct Failure {
    absl::Status status;
    ExitCode code = kExitOk;
  };

  explicit Application(ServerConfig config);
  ~Application();

  // Listens, then loads the models in the background; ready when the default one is.
  std::optional<Failure> Start();
  // Until SIGTERM or SIGINT (which the caller has blocked in every thread), then drains. A second
  // signal ends the drain.
  ExitCode RunUntilSignal();

 private:
  void OnModelChange(const ModelStatus& status);
  void CalibrateEstimates(const ModelStatus& status);
  bool Decodes() const { return jail_ == nullptr || jail_->Serves(); }
  bool Ready() const { return !draining_ && registry_->DefaultReady() && Decodes(); }
  // What /readyz says of a server that does not drain; null: ready. With the management port alone.
  const char* WhyNotReady() const;
  void UpdateHealth();
  void LoadModels();
  void CollectGauges();
  void ReloadTokens();
  // Calls are under way, or being read.
  int64_t Calls() const;
  ExitCode Drain();
  std::optional<Failure> StartDecoders();
  std::optional<Failure> StartHttp();
  absl::Status StartManagement();

  std::unique_ptr<LastMoments> last_moments_;  // outlives all others
  const ServerConfig config_;
  const std::string device_name_;
  const Resources resources_;
  std::atomic<bool> draining_ = false;
  absl::Mutex health_mutex_;  // held from what is found to what is said of it
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> device_lost_ = false;
  std::atomic<bool> loading_ = true;         // the models of the start
  std::atomic<int64_t> served_weights_ = 0;  // bytes of the models that are ready
  // Serials of the models whose estimates are made. Of OnModelChange() alone.
  std::map<std::string, int64_t> calibrated_;
  Metrics metrics_;
  FeatureCache cache_;
  scheduling::SteadyClock clock_;
  WorkDevice device_;
  std::unique_ptr<PictureOpener> opener_;
  const Jail* jail_ = nullptr;  // opener_, where it is one
  std::unique_ptr<ModelRegistry> registry_;
  std::unique_ptr<scheduling::Scheduler> scheduler_;
  std::unique_ptr<TokenFile> tokens_;
  CallMonitor monitor_;
  std::unique_ptr<Tracer> tracer_;
  std::unique_ptr<CallHandler> calls_;
  std::unique_ptr<RpcHandler> handler_;
  std::unique_ptr<Upscaling> upscaling_;
  std::unique_ptr<Querying> querying_;
  std::unique_ptr<ByteBudget> front_bytes_;  // files that come in, outputs that are collected
  std::unique_ptr<CallThreads> upload_threads_;
  UploadEnvironment upload_;
  std::unique_ptr<SuperResolutionServiceImpl> service_;
  std::unique_ptr<ModelControlServiceImpl> model_control_;
  std::unique_ptr<RpcHandler> kserve_handler_;
  std::unique_ptr<kserve::InferenceServiceImpl> kserve_;
  std::unique_ptr<GrpcServer> grpc_;
  std::unique_ptr<SelfProbe> probe_;
  std::unique_ptr<http::Routes> routes_;
  std::unique_ptr<http::HttpServer> http_;
  std::unique_ptr<Acceptor> acceptor_;  // of gRPC's and HTTP's connections
  std::unique_ptr<HttpServer> management_;
  std::thread loader_;
};

}  // namespace hiif::server

#endif  // SERVER_APPLICATION_H_
