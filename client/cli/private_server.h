// A hiif-server of this process's own.
#ifndef CLIENT_CLI_PRIVATE_SERVER_H_
#define CLIENT_CLI_PRIVATE_SERVER_H_

#include <sys/types.h>

#include <memory>
#include <stop_token>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

namespace hiif::cli {

struct PrivateServerOptions {
  std::string model_dir;  // empty: HIIF_MODEL_DIR, else the models installed with the program
  std::string
      device;  // as the server's --device, or -1 for the CPU, 0 ... for a GPU; empty: its default
  // The server is ready once it is loaded; empty: its default.
  std::string default_model;
};

// Listens on a unix socket in a folder that only this user can enter; ends with this object, and
// with this process however that ends.
class PrivateServer {
 public:
  // Starts the program that HIIF_SERVER_BINARY names, else the hiif-server beside this one, else
  // that of PATH; does not wait for it. Unavailable, saying what to do. Call from a thread that
  // lives as long as the object: the kernel ends the server with its parent thread.
  static absl::StatusOr<std::unique_ptr<PrivateServer>> Start(const PrivateServerOptions& options);
  ~PrivateServer();
  PrivateServer(const PrivateServer&) = delete;
  PrivateServer& operator=(const PrivateServer&) = delete;

  // "unix:/..."
  std::string address() const;
  // Unavailable with the end of its log, once the process has ended. Any thread.
  absl::Status CheckAlive();

 private:
  PrivateServer() = default;
  std::string LogTail() const;

  std::string folder_;
  std::string binary_;
  absl::Mutex mutex_;
  pid_t pid_ ABSL_GUARDED_BY(mutex_) = -1;
  std::string end_ ABSL_GUARDED_BY(mutex_);  // how it ended
};

}  // namespace hiif::cli

#endif  // CLIENT_CLI_PRIVATE_SERVER_H_
