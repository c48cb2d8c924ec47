// The C++ client of hiif-serve.
//
//   hiif::client::ClientOptions options;
//   options.servers = "127.0.0.1:7443";
//   auto client = hiif::client::Client::Create(options);            // absl::StatusOr
//   if (!client.ok()) return client.status();
//
//   hiif::v1::UpscaleParameters parameters;
//   parameters.mutable_scale()->set_rx(2.7);
//   auto output = (*client)->UpscaleToMemory({.encoded = file_bytes}, parameters);
//   if (!output.ok()) return output.status();                       // output->samples: interleaved
//
// An output too large for memory goes to an UpscaleReceiver of the caller's, tile by tile.
#ifndef CLIENT_CLIENT_H_
#define CLIENT_CLIENT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/options.h"
#include "hiif/v1/super_resolution.pb.h"

namespace hiif::client {

class ServerPool;

// The picture of a call: one of the two, of any size. It must outlive the call.
struct ImageInput {
  absl::string_view encoded;          // a whole file
  const v1::RawImage* raw = nullptr;  // pixels
};

// Where the output of a call goes: Begin, then every tile (or chunk) once and in order. What
// arrives here has been checked. An error returned ends the call with it.
class UpscaleReceiver {
 public:
  virtual ~UpscaleReceiver() = default;
  // Comes again where a stream broke and the servers could not go on from there: start over.
  virtual absl::Status Begin(const v1::UpscaleHeader& header) = 0;
  virtual absl::Status Tile(const v1::Tile& tile) = 0;
  virtual absl::Status Chunk(const v1::EncodedChunk& chunk) = 0;
};

// A whole output.
struct UpscaleOutput {
  v1::UpscaleHeader header;
  v1::UpscaleTrailer trailer;
  // The region's samples, interleaved, rows without padding; or the bytes of the file. Empty with
  // validate_only.
  std::string samples;
};

enum class Serving { kUnknown, kServing, kNotServing };

// Any thread; as many calls at a time as there are threads. Errors of calls are those of the proto
// and of docs/reliability.md; Unavailable after the retries of ClientOptions.retry, Cancelled after
// a stop request, DeadlineExceeded after CallOptions.timeout.
class Client {
 public:
  // Does not connect. InvalidArgument as ServerPool::Create().
  static absl::StatusOr<std::unique_ptr<Client>> Create(const ClientOptions& options);
  ~Client();

  // Until a server is connected; Unavailable, saying why, after the timeout. Not needed before
  // calls.
  absl::Status WaitForConnected(absl::Duration timeout, std::stop_token stop = {});

  // A stream that breaks is taken up at the tile that is due, on another server where there is one.
  absl::StatusOr<v1::UpscaleTrailer> Upscale(const ImageInput& image,
                                             const v1::UpscaleParameters& parameters,
                                             UpscaleReceiver* receiver,
                                             const CallOptions& call = {});
  // For outputs that fit in memory.
  absl::StatusOr<UpscaleOutput> UpscaleToMemory(const ImageInput& image,
                                                const v1::UpscaleParameters& parameters,
                                                const CallOptions& call = {});
  // request.image of any size.
  absl::StatusOr<v1::QueryResponse> Query(const v1::QueryRequest& request,
                                          const CallOptions& call = {});
  // All pages.
  absl::StatusOr<std::vector<v1::Model>> ListModels(const CallOptions& call = {});
  // name: empty for the default.
  absl::StatusOr<v1::Model> GetModel(const std::string& name, const CallOptions& call = {});
  // service: "" for the server as a whole, or a name the server gives its health by. NotFound.
  absl::StatusOr<Serving> CheckHealth(const std::string& service, const CallOptions& call = {});

 private:
  Client(const ClientOptions& options, std::unique_ptr<ServerPool> pool);

  const ClientOptions options_;
  const std::unique_ptr<ServerPool> pool_;
};

}  // namespace hiif::client

#endif  // CLIENT_CLIENT_H_
