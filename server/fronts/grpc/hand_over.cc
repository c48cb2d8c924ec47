#include "server/fronts/grpc/hand_over.h"

#include <unistd.h>

namespace hiif::server {

HandOver::HandOver(int lanes, const std::shared_ptr<grpc::ServerCredentials>& credentials,
                   grpc::ServerBuilder* builder) {
  for (int i = 0; i < lanes; ++i)
    acceptors_.push_back(builder->experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, credentials));
  for (const auto& acceptor : acceptors_)
    threads_.emplace_back([this, connections = acceptor.get()] { Run(connections); });
}

HandOver::~HandOver() {
  End();
  for (std::thread& thread : threads_) thread.join();
}

void HandOver::End() {
  absl::MutexLock lock(&mutex_);
  over_ = true;
  for (; !waiting_.empty(); waiting_.pop()) close(waiting_.front());
}

void HandOver::Give(int fd) {
  absl::MutexLock lock(&mutex_);
  if (over_) {
    close(fd);
  } else {
    waiting_.push(fd);
  }
}

void HandOver::Run(Connections* connections) {
  const auto due = [this]()
                       ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return over_ || !waiting_.empty(); };
  while (true) {
    Connections::NewConnectionParameters parameters;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&due));
      if (over_) return;
      parameters.fd = waiting_.front();
      waiting_.pop();
    }
    connections->HandleNewConnection(&parameters);
  }
}

}  // namespace hiif::server
