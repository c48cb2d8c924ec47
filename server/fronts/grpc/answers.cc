#include "server/fronts/grpc/answers.h"

#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/server.h"

namespace hiif::server {
namespace {

class Answers : public grpc::Server::GlobalCallbacks {
 public:
  void PreSynchronousRequest(grpc::ServerContext*) override {}
  // Any thread; the context goes away behind it.
  void PostSynchronousRequest(grpc::ServerContext* context) override {
    decltype(calls_)::node_type call;  // ends outside of the lock
    absl::MutexLock lock(&mutex_);
    call = calls_.extract(context);
  }

  void Keep(grpc::ServerContext* context, std::unique_ptr<GrpcCall> call) {
    absl::MutexLock lock(&mutex_);
    calls_[context] = std::move(call);
  }

 private:
  absl::Mutex mutex_;
  std::map<grpc::ServerContext*, std::unique_ptr<GrpcCall>> calls_ ABSL_GUARDED_BY(mutex_);
};

// gRPC's, which frees it at the end.
Answers* TheAnswers() {
  static Answers* const answers = [] {
    auto* const made = new Answers;
    grpc::Server::SetGlobalCallbacks(made);
    return made;
  }();
  return answers;
}

}  // namespace

void FollowAnswers() { TheAnswers(); }

void KeepUntilSent(grpc::ServerContext* context, std::unique_ptr<GrpcCall> call) {
  TheAnswers()->Keep(context, std::move(call));
}

}  // namespace hiif::server
