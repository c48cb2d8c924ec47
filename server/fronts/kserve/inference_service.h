// inference.GRPCInferenceService: the KServe V2 protocol with Triton's extensions (docs/kserve.md).
#ifndef SERVER_FRONTS_KSERVE_INFERENCE_SERVICE_H_
#define SERVER_FRONTS_KSERVE_INFERENCE_SERVICE_H_

#include <atomic>
#include <functional>
#include <string>

#include "absl/time/time.h"
#include "inference/grpc_service.grpc.pb.h"
#include "server/core/byte_budget.h"
#include "server/core/upscaling.h"
#include "server/fronts/grpc/handler.h"
#include "server/fronts/kserve/infer_answer.h"
#include "server/fronts/kserve/statistics.h"
#include "server/fronts/kserve/unserved.h"
#include "server/models/registry.h"

namespace hiif::server::kserve {

// What the service needs of the server. Everything outlives it.
struct InferenceEnvironment {
  RpcHandler* handler = nullptr;
  const Upscaling* upscaling = nullptr;
  ModelRegistry* registry = nullptr;
  ByteBudget* outputs = nullptr;
  int max_streams = 128;       // ModelStreamInfer at once, each of which holds a thread
  absl::Duration stream_idle;  // one that brings no request for so long is ended; 0: never
  bool model_control = false;  // load and unload
  std::function<bool()> ready;
  Metrics* metrics = nullptr;
};

class InferenceServiceImpl final : public UnservedCalls {
 public:
  explicit InferenceServiceImpl(InferenceEnvironment environment)
      : environment_(std::move(environment)) {}

  // Health: needs no token.
  grpc::Status ServerLive(grpc::ServerContext* context, const inference::ServerLiveRequest* request,
                          inference::ServerLiveResponse* response) override;
  grpc::Status ServerReady(grpc::ServerContext* context,
                           const inference::ServerReadyRequest* request,
                           inference::ServerReadyResponse* response) override;
  grpc::Status ModelReady(grpc::ServerContext* context, const inference::ModelReadyRequest* request,
                          inference::ModelReadyResponse* response) override;

  grpc::Status ServerMetadata(grpc::ServerContext* context,
                              const inference::ServerMetadataRequest* request,
                              inference::ServerMetadataResponse* response) override;
  grpc::Status ModelMetadata(grpc::ServerContext* context,
                             const inference::ModelMetadataRequest* request,
                             inference::ModelMetadataResponse* response) override;
  grpc::Status ModelConfig(grpc::ServerContext* context,
                           const inference::ModelConfigRequest* request,
                           inference::ModelConfigResponse* response) override;
  grpc::Status ModelStatistics(grpc::ServerContext* context,
                               const inference::ModelStatisticsRequest* request,
                               inference::ModelStatisticsResponse* response) override;
  grpc::Status RepositoryIndex(grpc::ServerContext* context,
                               const inference::RepositoryIndexRequest* request,
                               inference::RepositoryIndexResponse* response) override;
  grpc::Status RepositoryModelLoad(grpc::ServerContext* context,
                                   const inference::RepositoryModelLoadRequest* request,
                                   inference::RepositoryModelLoadResponse* response) override;
  grpc::Status RepositoryModelUnload(grpc::ServerContext* context,
                                     const inference::RepositoryModelUnloadRequest* request,
                                     inference::RepositoryModelUnloadResponse* response) override;

  grpc::Status ModelInfer(grpc::ServerContext* context, const inference::ModelInferRequest* request,
                          inference::ModelInferResponse* response) override;
  // One answer for each request, in order; an error of one is an answer too, and the stream goes
  // on.
  grpc::Status ModelStreamInfer(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<inference::ModelStreamInferResponse, inference::ModelInferRequest>*
          stream) override;

 private:
  // answer: counts what the response holds, until it is sent.
  absl::Status Infer(const inference::ModelInferRequest& request, GrpcCall* call,
                     CallReport* report, InferAnswer* answer,
                     inference::ModelInferResponse* response);
  absl::Status Upscale(const inference::ModelInferRequest& request, GrpcCall* call,
                       CallReport* report, InferAnswer* answer);
  absl::StatusOr<ModelStatus> Model(const std::string& name, const std::string& version) const;

  const InferenceEnvironment environment_;
  Statistics statistics_;
  std::atomic<int> streams_ = 0;
};

}  // namespace hiif::server::kserve

#endif  // SERVER_FRONTS_KSERVE_INFERENCE_SERVICE_H_
