// The server of a command: the one that was named, or a private one.
#ifndef CLIENT_CLI_CONNECTION_H_
#define CLIENT_CLI_CONNECTION_H_

#include <memory>
#include <optional>
#include <stop_token>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/flags.h"
#include "client/cli/private_server.h"
#include "client/client.h"

namespace hiif::cli {

class Connection {
 public:
  // Returns once a server is there: connected, or started and ready. InvalidArgument: flags that do
  // not go together or files of theirs that cannot be read. Unavailable: no server. Cancelled.
  // model: that is to be asked for; "": the server's default; none: any. A private server has it
  // ready then.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(
      const ConnectionFlags& flags, std::stop_token stop,
      const std::optional<std::string>& model = std::nullopt);

  client::Client& client() { return *client_; }
  bool is_private() const { return server_ != nullptr; }
  // Waits until a private server has loaded this model, or cannot; "": all of them. An error where
  // there is nobody to wait for any more.
  absl::Status WaitForModel(const std::string& name);
  // For each call.
  client::CallOptions call() const { return call_; }
  // What an Unavailable of a call means: adds why the private server stopped.
  absl::Status Explain(absl::Status status);

 private:
  Connection() = default;
  absl::StatusOr<bool> HasWanted(const client::CallOptions& call);
  absl::Status WaitForPrivate(std::stop_token stop);

  std::unique_ptr<PrivateServer> server_;  // outlives the client
  std::optional<std::string> wanted_;      // of Open()
  std::unique_ptr<client::Client> client_;
  client::CallOptions call_;
};

}  // namespace hiif::cli

#endif  // CLIENT_CLI_CONNECTION_H_
