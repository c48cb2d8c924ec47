#include "server/application.h"

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "base/free_pages.h"
#include "base/steady_now.h"
#include "imaging/decode.h"
#include "server/core/device_memory.h"
#include "server/errors/errors.h"
#include "server/logging/log.h"
#include "server/memory.h"
#include "server/metrics/open_metrics.h"
#include "server/metrics/process.h"

namespace hiif::server {
namespace {

constexpr char kServiceName[] = "hiif.v1.SuperResolutionService";
// How often the main thread looks at signals and flags.
constexpr absl::Duration kTick = absl::Milliseconds(100);
// For calls that end after the grace, and for destructors.
constexpr absl::Duration kLastMoments = absl::Seconds(2);

std::string DeviceName(const std::string& setting) {
#ifdef HIIF_CUDA
  return setting == "auto" ? "cuda" : setting;
#else
  return setting == "auto" ? "cpu" : setting;
#endif
}

MachineFacts FactsOf(const std::string& device) {
  MachineFacts facts = ReadMachineFacts();
  if (device == "cpu") return facts;
  const auto size = DeviceMemorySize(device);
  // Why there is none is told when a model is loaded.
  if (size.ok()) facts.device_memory_bytes = *size;
  return facts;
}

// The settings were checked when they were read.
UpscalerOptions UpscalerSettings(const ServerConfig& config, const std::string& device) {
  UpscalerOptions options;
  options.device = device;
  options.backend = ParseBackend(config.backend()).value_or(Backend::kAuto);
  options.precision = ParsePrecision(config.precision()).value_or(Precision::kAuto);
  return options;
}

// Beside this program.
std::string DecoderProgram() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (error ? std::filesystem::path("hiif-decoder") : self.parent_path() / "hiif-decoder")
      .string();
}

// A signal that asks to stop, within the time; 0: none came.
int WaitForSignal(absl::Duration timeout) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  const timespec wait = absl::ToTimespec(timeout);
  const int signal = sigtimedwait(&set, nullptr, &wait);
  return signal > 0 ? signal : 0;
}

}  // namespace

Application::Application(ServerConfig config)
    : config_(std::move(config)),
      device_name_(DeviceName(config_.device())),
      resources_(SizeResources(config_, FactsOf(device_name_))),
      metrics_(device_name_),
      cache_(resources_.feature_cache_bytes),
      device_(&metrics_, [this](const absl::Status&) { device_lost_ = true; }),
      monitor_(ToDuration(config_.write_timeout())) {}

Application::~Application() {
  stopping_ = true;
  if (loader_.joinable()) loader_.join();
  management_.reset();
  probe_.reset();
  acceptor_.reset();
  http_.reset();
  grpc_.reset();
  upload_threads_.reset();
  scheduler_.reset();
}

std::optional<Application::Failure> Application::Start() {
  if (const absl::Status status = CheckResources(resources_); !status.ok())
    return Failure{status, kExitUsage};
  LogInfo("hiif-server starts", {{"workers", resources_.workers},
                                 {"memory_bytes", resources_.memory_bytes},
                                 {"feature_cache_bytes", resources_.feature_cache_bytes},
                                 {"descriptors", RaiseDescriptorLimit()},
                                 {"device", device_name_}});
  // The server's own workers are the parallelism.
  SetIntraOpThreads(1);
  SetHelperThreads(resources_.workers - 1);
  if (const absl::Status status = InitImaging(1); !status.ok()) return Failure{status, kExitUsage};

  if (!config_.trace_endpoint().empty()) {
    auto tracer = MakeTracer(config_.trace_endpoint());
    if (!tracer.ok()) return Failure{tracer.status(), kExitUsage};
    tracer_ = *std::move(tracer);
  }
  registry_ = std::make_unique<ModelRegistry>(
      RegistryOptions{config_.model_dir(), config_.default_model(), config_.model_memory_bytes(),
                      UpscalerSettings(config_, device_name_)},
      [this](const ModelStatus& status) { OnModelChange(status); });
  if (const absl::Status status = registry_->Scan(); !status.ok())
    return Failure{status, kExitNoModels};

  scheduling::SchedulerOptions scheduling;
  scheduling.workers = resources_.workers;
  // The torch backend takes tiles of several images in a call, on a CPU too where it is asked for.
  const bool batches = device_name_ != "cpu" || config_.backend() == "torch";
  scheduling.batch_coordinates = batches ? config_.batch_coordinates() : 0;
  if (ToDuration(config_.max_queue_time()) > absl::ZeroDuration())
    scheduling.max_queue_time = ToDuration(config_.max_queue_time());
  scheduling.max_jobs = config_.max_rpcs();
  scheduling.max_bytes = resources_.memory_bytes - resources_.feature_cache_bytes;
  scheduling.other_bytes = [this] {
    return scheduling::OtherBytes{LoadedModel::WeightsInMemory(), served_weights_};
  };
  scheduler_ = std::make_unique<scheduling::Scheduler>(
      scheduling, &device_, &clock_,
      [this](int64_t coordinates, int64_t jobs) { metrics_.Batch(coordinates, jobs); });
  metrics_.OnCollect([this] { CollectGauges(); });

  if (!config_.token_file().empty()) {
    auto tokens = TokenFile::Open(config_.token_file());
    if (!tokens.ok()) return Failure{tokens.status(), kExitSecurity};
    tokens_ = *std::move(tokens);
  }
  calls_ = std::make_unique<CallHandler>(
      &metrics_, HandlerOptions{tokens_.get(), config_.max_rpcs(), tracer_.get()});
  handler_ = std::make_unique<RpcHandler>(calls_.get(), &monitor_);
  if (auto failure = StartDecoders()) return failure;
  const WorkEnvironment environment{
      scheduler_.get(),          &cache_,      &metrics_,         opener_.get(),
      config_.context_samples(), device_name_, resources_.workers};
  const Limits limits{config_.max_input_pixels(), config_.max_output_pixels(),
                      config_.max_query_coordinates(), config_.tile_size(), resources_.tiles_ahead};
  upscaling_ = std::make_unique<Upscaling>(registry_.get(), environment, limits);
  querying_ = std::make_unique<Querying>(registry_.get(), environment, limits);
  front_bytes_ = std::make_unique<ByteBudget>(resources_.memory_bytes / 4);
  upload_threads_ = std::make_unique<CallThreads>(config_.max_rpcs());
  upload_.handler = handler_.get();
  upload_.upscaling = upscaling_.get();
  upload_.querying = querying_.get();
  upload_.metrics = &metrics_;
  upload_.threads = upload_threads_.get();
  upload_.limits.max_file_bytes = config_.max_upload_bytes();
  upload_.limits.max_query_coordinates = config_.max_query_coordinates();
  upload_.incomplete = front_bytes_.get();
  upload_.limits.read_timeout = ToDuration(config_.read_timeout());
  service_ = std::make_unique<SuperResolutionServiceImpl>(
      handler_.get(), upscaling_.get(), querying_.get(), registry_.get(), &metrics_, &upload_);
  std::vector<grpc::Service*> services = {service_.get()};
  if (config_.enable_model_control()) {
    model_control_ = std::make_unique<ModelControlServiceImpl>(handler_.get(), registry_.get());
    services.push_back(model_control_.get());
  }
  if (config_.kserve()) {
    kserve_handler_ = std::make_unique<RpcHandler>(calls_.get(), &monitor_, "kserve");
    kserve_ = std::make_unique<kserve::InferenceServiceImpl>(kserve::InferenceEnvironment{
        kserve_handler_.get(), upscaling_.get(), registry_.get(), front_bytes_.get(),
        std::max(1, config_.max_rpcs() / 4), ToDuration(config_.connection_idle()),
        config_.enable_model_control(), [this] { return Ready(); }, &metrics_});
    services.push_back(kserve_.get());
  }
  auto grpc = GrpcServer::Start(config_, resources_.memory_bytes / 4, services);
  if (!grpc.ok())
    return Failure{grpc.status(),
                   absl::IsFailedPrecondition(grpc.status()) ? kExitCannotListen : kExitSecurity};
  grpc_ = *std::move(grpc);
  if (const auto failure = StartHttp()) return failure;
  std::vector<Acceptor::Door> doors = grpc_->TakeDoors();
  if (http_ != nullptr)
    for (Acceptor::Door& door : http_->TakeDoors()) doors.push_back(std::move(door));
  FloodLimits floods;
  floods.max_streams = config_.max_streams_per_connection();
  floods.max_message_bytes = config_.max_receive_bytes();
  // Each can hold a thread of the calls'.
  floods.stalled_streams = std::max<int64_t>(floods.stalled_streams, config_.max_rpcs() / 8);
  acceptor_ = std::make_unique<Acceptor>(
      AcceptorOptions{config_.max_connections(), config_.max_connections_per_address(), floods,
                      2 * ToDuration(config_.write_timeout())},
      std::move(doors), [this](absl::string_view reason) { metrics_.ConnectionRefused(reason); });
  probe_ = std::make_unique<SelfProbe>([this](int fd) { grpc_->Give(fd); }, grpc_->first(),
                                       !config_.tls_certificate().empty());
  registry_->TellAll();
  if (const absl::Status status = StartManagement(); !status.ok())
    return Failure{status, kExitCannotListen};
  LogInfo("listening", {{"port", grpc_->port()},
                        {"management_port", management_ == nullptr ? 0 : management_->port()},
                        {"http_port", http_ == nullptr ? 0 : http_->port()}});
  loader_ = std::thread([this] { LoadModels(); });
  return std::nullopt;
}

std::optional<Application::Failure> Application::StartDecoders() {
  if (config_.decode_isolation() == "none") {
    opener_ = std::make_unique<TrustingOpener>();
    return std::nullopt;
  }
  JailOptions options;
  options.program = DecoderProgram();
  options.decoders = resources_.workers;
  if (ToDuration(config_.max_decode_time()) > absl::ZeroDuration())
    options.max_decode_time = ToDuration(config_.max_decode_time());
  const auto on_end = [this](DecoderEnd end) {
    metrics_.DecoderEnded(Name(end));
    if (end == DecoderEnd::kIdle) {
      LogWarning("a decoder process died while it was idle");
    } else if (end != DecoderEnd::kCancelled) {
      LogWarning("a decoder process was ended by a file", {{"reason", Name(end)}});
    }
  };
  const auto on_starting = [](const absl::Status& status) {
    if (status.ok()) {
      LogInfo("decoder processes can be started again");
    } else {
      LogError("no decoder process can be started", {{"error", status.message()}});
    }
  };
  auto jail = Jail::Start(options, on_end, on_starting);
  if (!jail.ok())
    return Failure{absl::UnavailableError(absl::StrCat(
                       "--decode-isolation: ", jail.status().message(),
                       "; with \"none\" files are decoded in the server itself, where a hostile "
                       "one can end it")),
                   kExitUsage};
  jail_ = jail->get();
  opener_ = *std::move(jail);
  return std::nullopt;
}

std::optional<Application::Failure> Application::StartHttp() {
  if (config_.http_listen().empty()) return std::nullopt;
  routes_ = std::make_unique<http::Routes>(http::RouteEnvironment{
      calls_.get(), upscaling_.get(), registry_.get(), &metrics_, config_.max_upload_bytes()});
  auto server = http::HttpServer::Start(
      http::HttpOptionsOf(config_), front_bytes_.get(), routes_.get(),
      [this](absl::string_view reason) { metrics_.ConnectionRefused(reason); });
  if (!server.ok())
    return Failure{server.status(),
                   absl::IsFailedPrecondition(server.status()) ? kExitCannotListen : kExitSecurity};
  http_ = *std::move(server);
  return std::nullopt;
}

const char* Application::WhyNotReady() const {
  if (!probe_->reachable()) return "full: a new connection to the server's own port got no answer";
  if (!Decodes()) return "no decoder process can be started; see the log";
  return registry_->DefaultReady() ? nullptr : "the default model is not ready";
}

absl::Status Application::StartManagement() {
  if (config_.management_listen().empty()) return absl::OkStatus();
  const auto address = ParseAddress(config_.management_listen());
  // reason: null where all is well.
  const auto answer = [](const char* reason) {
    return HttpAnswer{reason == nullptr ? 200 : 503, "text/plain; charset=utf-8",
                      absl::StrCat(reason == nullptr ? "ok" : reason, "\n")};
  };
  auto server = HttpServer::Start(
      *address,
      {{"/metrics",
        [this](absl::string_view accept) {
          if (AcceptsOpenMetrics(accept))
            return HttpAnswer{200, kOpenMetricsType, metrics_.OpenMetrics()};
          return HttpAnswer{200, "text/plain; version=0.0.4; charset=utf-8", metrics_.Text()};
        }},
       {"/livez",
        [this, answer](absl::string_view) {
          if ((!probe_->answered() || !acceptor_->Accepting()) && !draining_)
            return answer("deaf: a health check of the server's own got no answer");
          const bool alive =
              !device_lost_ && scheduler_->Statistics().stalled < ToDuration(config_.stuck_after());
          return answer(alive ? nullptr : "stuck: work is pending and nothing is finished");
        }},
       {"/readyz", [this, answer](absl::string_view) {
          return answer(draining_ ? "draining" : WhyNotReady());
        }}});
  if (!server.ok())
    return absl::Status(server.status().code(),
                        absl::StrCat("--management-listen: ", server.status().message()));
  management_ = *std::move(server);
  return absl::OkStatus();
}

void Application::LoadModels() {
  registry_->LoadAll([this] { return stopping_.load(); });
  loading_ = false;
  if (stopping_) return;
  if (registry_->DefaultReady()) {
    LogInfo("ready", {{"default_model", registry_->default_model()}});
  } else {
    LogError("not ready: the default model is not served; see --default-model",
             {{"default_model", registry_->default_model()}});
  }
  if (config_.port_file().empty()) return;
  const absl::Status written = WriteFileAtomically(
      config_.port_file(),
      absl::StrCat(grpc_->port(), "\n", management_ == nullptr ? 0 : management_->port(), "\n",
                   http_ == nullptr ? "" : absl::StrCat(http_->port(), "\n")));
  if (!written.ok()) LogError("--port-file", {{"error", written.message()}});
}

void Application::OnModelChange(const ModelStatus& status) {
  const bool gone = status.state == ModelState::kUnloaded && !registry_->Get(status.name).ok();
  if (!gone) metrics_.AddModel(status.name);
  for (const ModelState state :
       {ModelState::kLoading, ModelState::kReady, ModelState::kFailed, ModelState::kUnloaded}) {
    metrics_.model_state()
        .Add({{"model", status.name}, {"state", StateName(state)}})
        .Set(!gone && status.state == state ? 1 : 0);
  }
  // Features of a version that is not served any more help nobody.
  const bool ready = status.state == ModelState::kReady;
  cache_.DropModel(status.name, status.serial);
  metrics_.ModelInfo(status.name, ready ? status.facts.version : "", status.facts.identity);
  const auto set_memory = [&](const char* kind, int64_t bytes) {
    metrics_.model_memory()
        .Add({{"model", status.name}, {"device", device_name_}, {"kind", kind}})
        .Set(static_cast<double>(bytes));
  };
  set_memory("weights", ready ? status.facts.weights_bytes : 0);
  if (gone) set_memory("features", 0);  // CollectGauges() does not see it any more
  int64_t served = 0;
  for (const ModelStatus& model : registry_->List())
    if (model.state == ModelState::kReady) served += model.facts.weights_bytes;
  served_weights_ = served;
  // Told again of the same version, what was measured since stays.
  int64_t& calibrated = calibrated_[status.name];
  if (ready && scheduler_ != nullptr && calibrated != status.serial) {
    calibrated = status.serial;
    CalibrateEstimates(status);
  }
  if (grpc_ == nullptr) return;
  {
    absl::MutexLock lock(&health_mutex_);
    grpc_->SetHealth(absl::StrCat("models/", status.name),
                     !gone && CanServe(status.state) && !draining_);
  }
  UpdateHealth();
}

void Application::CalibrateEstimates(const ModelStatus& status) {
  const Pace& pace = status.facts.pace;
  // The unit of work is an output pixel decoded, see ImageWork.
  const auto calibrate = [&](Stage stage, double per_second, double most_drift = 0) {
    scheduler_->Calibrate(status.name, StageName(stage), per_second, most_drift);
  };
  calibrate(Stage::kEncode, pace.decoded_pixels);
  calibrate(Stage::kQuery, pace.decoded_pixels);
  calibrate(Stage::kContext, pace.context_samples);
  // What decoding or encoding a file costs is for the client to decide.
  calibrate(Stage::kDecode, pace.decoded_pixels, 2);
  calibrate(Stage::kFile, pace.decoded_pixels, 2);
  // Waits and computes next to nothing, and costs a coordinate. What it takes is charged by this
  // pace, as of all others: were it said to be done at once, a microsecond would be a thousand
  // times what a tile costs.
  calibrate(Stage::kSend, pace.decoded_pixels, 2);
}

void Application::UpdateHealth() {
  absl::MutexLock lock(&health_mutex_);
  const bool serving = Ready();
  grpc_->SetHealth("", serving);
  grpc_->SetHealth(kServiceName, serving);
}

void Application::CollectGauges() {
  const auto statistics = scheduler_->Statistics();
  auto& gauges = metrics_.gauges();
  gauges.ready.Set(draining_ || WhyNotReady() == nullptr ? 1 : 0);
  gauges.queue_requests.Set(static_cast<double>(statistics.jobs));
  gauges.queue_coordinates.Set(
      static_cast<double>(statistics.queued_coordinates + statistics.running_coordinates));
  gauges.drain_seconds.Set(absl::ToDoubleSeconds(statistics.capped_drain));
  gauges.feature_cache_bytes.Set(static_cast<double>(cache_.bytes()));
  const bool cpu = device_name_ == "cpu";
  const DeviceMemory memory = DeviceMemoryOf(device_name_);
  gauges.device_memory_used.Set(static_cast<double>(memory.used));
  gauges.device_memory_size.Set(static_cast<double>(cpu ? resources_.memory_bytes : memory.size));
  gauges.device_memory_peak.Set(static_cast<double>(memory.peak));
  if (!cpu) {
    const auto set = [this](const char* kind, int64_t bytes) {
      metrics_.device_allocator()
          .Add({{"device", device_name_}, {"kind", kind}})
          .Set(static_cast<double>(bytes));
    };
    set("allocated", memory.allocated);
    set("reserved", memory.reserved);
  }
  gauges.connections.Set(acceptor_ == nullptr ? 0 : acceptor_->connections());
  gauges.uploads.Set(upload_.reading);
  metrics_.Recomputed(RecomputedPieces());
  for (const ModelStatus& status : registry_->List()) {
    metrics_.model_memory()
        .Add({{"model", status.name}, {"device", device_name_}, {"kind", "features"}})
        .Set(static_cast<double>(cache_.ModelBytes(status.name)));
  }
}

void Application::ReloadTokens() {
  if (tokens_ == nullptr) return;
  const absl::Status status = tokens_->Reload();
  if (!status.ok())
    LogWarning("the token file was not taken, the old tokens stay", {{"error", status.message()}});
}

int64_t Application::Calls() const {
  const int64_t http = http_ == nullptr ? 0 : http_->active();  // counted among calls, once read
  return std::max<int64_t>(calls_->calls() + upload_.reading, http);
}

ExitCode Application::RunUntilSignal() {
  absl::Time next_reload = SteadyNow() + ToDuration(config_.tls_reload_interval());
  MemoryKeeper memory(resources_.memory_bytes);
  bool decoded = true;
  while (true) {
    if (const int signal = WaitForSignal(kTick); signal != 0) {
      LogInfo("stopping", {{"signal", signal == SIGTERM ? "Terminated" : "Interrupt"}});
      return Drain();
    }
    if (device_lost_) {
      LogError("the device is lost");
      // A piece may wait for it without end.
      last_moments_ = std::make_unique<LastMoments>(kLastMoments, kExitDeviceLost);
      scheduler_->Drain(absl::ZeroDuration());
      acceptor_->Stop();
      grpc_->BeginShutdown();
      http_.reset();
      grpc_->EndShutdown(absl::Seconds(1));
      return kExitDeviceLost;
    }
    if (Decodes() != decoded) {
      decoded = !decoded;
      UpdateHealth();
    }
    const bool busy = loading_ || Calls() > 0;
    if (memory.Due(SteadyNow(), busy, ResidentBytes(), FreePageBytes())) ReleaseFreePages();
    if (SteadyNow() >= next_reload) {
      ReloadTokens();
      next_reload = SteadyNow() + ToDuration(config_.tls_reload_interval());
    }
  }
}

ExitCode Application::Drain() {
  stopping_ = true;
  draining_ = true;
  UpdateHealth();
  {
    absl::MutexLock lock(&health_mutex_);
    for (const ModelStatus& status : registry_->List())
      grpc_->SetHealth(absl::StrCat("models/", status.name), false);
  }
  // Load balancers need a moment to notice; what they still send is served.
  bool hurried = WaitForSignal(ToDuration(config_.shutdown_delay())) != 0;
  acceptor_->Stop();
  grpc_->BeginShutdown();
  monitor_.BeginDraining();
  if (http_ != nullptr) http_->BeginShutdown();
  const absl::Time end = SteadyNow() + ToDuration(config_.shutdown_grace());
  while (Calls() > 0 && SteadyNow() < end && !hurried) hurried = WaitForSignal(kTick) != 0;
  last_moments_ = std::make_unique<LastMoments>(kLastMoments, kExitCutOff);
  // Those that compute, that still bring their input, and whose answers are not all sent.
  const int64_t calls = Calls();
  const int64_t ended = std::max(calls, scheduler_->Drain(absl::ZeroDuration()));
  if (ended == 0) last_moments_->set_code(kExitOk);  // a model that loads is not waited for either
  http_.reset();
  grpc_->EndShutdown(absl::Seconds(1));
  if (ended > 0) LogWarning("calls were ended after the grace", {{"calls", ended}});
  LogInfo("stopped");
  return ended == 0 ? kExitOk : kExitCutOff;
}

}  // namespace hiif::server
