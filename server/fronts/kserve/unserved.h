// What of Triton's protocol is not served: UNIMPLEMENTED, with what to do instead.
#ifndef SERVER_FRONTS_KSERVE_UNSERVED_H_
#define SERVER_FRONTS_KSERVE_UNSERVED_H_

#include "inference/grpc_service.grpc.pb.h"

namespace hiif::server::kserve {

class UnservedCalls : public inference::GRPCInferenceService::Service {
 public:
  grpc::Status SystemSharedMemoryStatus(grpc::ServerContext*,
                                        const inference::SystemSharedMemoryStatusRequest*,
                                        inference::SystemSharedMemoryStatusResponse*) override {
    return NoSharedMemory();
  }
  grpc::Status SystemSharedMemoryRegister(grpc::ServerContext*,
                                          const inference::SystemSharedMemoryRegisterRequest*,
                                          inference::SystemSharedMemoryRegisterResponse*) override {
    return NoSharedMemory();
  }
  grpc::Status SystemSharedMemoryUnregister(
      grpc::ServerContext*, const inference::SystemSharedMemoryUnregisterRequest*,
      inference::SystemSharedMemoryUnregisterResponse*) override {
    return NoSharedMemory();
  }
  grpc::Status CudaSharedMemoryStatus(grpc::ServerContext*,
                                      const inference::CudaSharedMemoryStatusRequest*,
                                      inference::CudaSharedMemoryStatusResponse*) override {
    return NoSharedMemory();
  }
  grpc::Status CudaSharedMemoryRegister(grpc::ServerContext*,
                                        const inference::CudaSharedMemoryRegisterRequest*,
                                        inference::CudaSharedMemoryRegisterResponse*) override {
    return NoSharedMemory();
  }
  grpc::Status CudaSharedMemoryUnregister(grpc::ServerContext*,
                                          const inference::CudaSharedMemoryUnregisterRequest*,
                                          inference::CudaSharedMemoryUnregisterResponse*) override {
    return NoSharedMemory();
  }
  grpc::Status TraceSetting(grpc::ServerContext*, const inference::TraceSettingRequest*,
                            inference::TraceSettingResponse*) override {
    return NoSettings();
  }
  grpc::Status LogSettings(grpc::ServerContext*, const inference::LogSettingsRequest*,
                           inference::LogSettingsResponse*) override {
    return NoSettings();
  }

 private:
  static grpc::Status NoSharedMemory() {
    return {grpc::StatusCode::UNIMPLEMENTED,
            "shared memory is not served; send the tensors' contents"};
  }
  static grpc::Status NoSettings() {
    return {grpc::StatusCode::UNIMPLEMENTED,
            "trace and log settings are the server's own (--log-level, OpenTelemetry)"};
  }
};

}  // namespace hiif::server::kserve

#endif  // SERVER_FRONTS_KSERVE_UNSERVED_H_
