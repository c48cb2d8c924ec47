// upscale SERVER INPUT FACTOR OUTPUT.ppm: the C++ client in one page. The output goes to the disk
// row of tiles by row of tiles, so that it may be larger than memory; docs/clients.md explains.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/file.h"
#include "client/client.h"

namespace {

// Writes tiles of 8-bit RGB where they belong in a binary PPM.
class PpmWriter : public hiif::client::UpscaleReceiver {
 public:
  explicit PpmWriter(std::FILE* file) : file_(file) {}

  // Comes again where the stream broke and no server could go on from there.
  absl::Status Begin(const hiif::v1::UpscaleHeader& header) override {
    if (header.channels() != 3) return absl::InvalidArgumentError("not an RGB picture");
    width_ = header.output_width();
    std::rewind(file_);
    start_ = std::fprintf(file_, "P6\n%d %d\n255\n", header.output_width(), header.output_height());
    return absl::OkStatus();
  }

  absl::Status Tile(const hiif::v1::Tile& tile) override {
    const size_t row = size_t{3} * tile.width();
    for (int y = 0; y < tile.height(); ++y) {
      std::fseek(file_, start_ + ((tile.y() + y) * width_ + tile.x()) * 3, SEEK_SET);
      if (std::fwrite(tile.samples().data() + y * row, 1, row, file_) != row)
        return absl::ResourceExhaustedError("cannot write");
    }
    return absl::OkStatus();
  }

  absl::Status Chunk(const hiif::v1::EncodedChunk& /*chunk*/) override {
    return absl::InternalError("a file came where tiles were asked for");
  }

 private:
  std::FILE* const file_;
  int64_t width_ = 0;
  int64_t start_ = 0;
};

absl::Status Run(const std::string& server, const std::string& input, double factor,
                 const std::string& output) {
  const absl::StatusOr<std::string> bytes = hiif::ReadFile(input);
  if (!bytes.ok()) return bytes.status();

  hiif::client::ClientOptions options;
  options.servers = server;  // several by commas share the calls
  const auto client = hiif::client::Client::Create(options);
  if (!client.ok()) return client.status();

  hiif::v1::UpscaleParameters parameters;
  parameters.mutable_scale()->set_rx(factor);
  parameters.set_sample_type(hiif::v1::SAMPLE_TYPE_U8);

  hiif::client::CallOptions call;
  call.timeout = absl::Minutes(10);  // with all retries
  call.on_retry = [](const absl::Status& error, absl::Duration wait) {
    std::fprintf(stderr, "again in %s: %s\n", absl::FormatDuration(wait).c_str(),
                 std::string(error.message()).c_str());
  };

  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(output.c_str(), "wb"),
                                                             &std::fclose);
  if (file == nullptr) return absl::PermissionDeniedError("cannot open " + output);
  PpmWriter writer(file.get());
  const auto trailer = (*client)->Upscale({.encoded = *bytes}, parameters, &writer, call);
  if (!trailer.ok()) return trailer.status();
  std::printf("%s: the network took %.2f s\n", output.c_str(),
              trailer->times().encode() + trailer->times().query());
  return std::fflush(file.get()) == 0 ? absl::OkStatus()
                                      : absl::ResourceExhaustedError("cannot write " + output);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: %s SERVER INPUT FACTOR OUTPUT.ppm\n", argv[0]);
    return 2;
  }
  const absl::Status status = Run(argv[1], argv[2], std::atof(argv[3]), argv[4]);
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}
