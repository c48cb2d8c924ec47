// Tiles of a call to the bytes of a file, as they come.
#ifndef CLIENT_CLI_FILE_OUTPUT_H_
#define CLIENT_CLI_FILE_OUTPUT_H_

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/file.h"
#include "client/cli/output_stream.h"
#include "client/client.h"
#include "imaging/format.h"
#include "imaging/metadata.h"
#include "imaging/writer.h"

namespace hiif::cli {

// Where the bytes of an output go.
class OutputTarget {
 public:
  // "-": standard output. Else a file that is not there until Commit(); its folder is made. A stop
  // ends the waits for readers, of Open() too: Cancelled.
  static absl::StatusOr<std::unique_ptr<OutputTarget>> Open(const std::string& path,
                                                            std::stop_token stop);

  ByteSink* sink() { return sink_.get(); }
  // Nothing may be written afterwards: a pipe is closed, which its reader takes for the end.
  absl::Status Commit();
  // False for standard output, pipes and devices: what was sent cannot be taken back.
  bool can_take_back() const { return file_ != nullptr; }
  // Something went where it cannot be taken back.
  bool sent() const { return sent_; }

 private:
  std::unique_ptr<AtomicFile> file_;
  std::optional<OutputStream> stream_;  // otherwise
  std::unique_ptr<ByteSink> sink_;
  bool sent_ = false;
};

struct FileOutputOptions {
  std::string path;  // "-": standard output; empty: memory
  ImageFormat format = ImageFormat::kPng;
  int quality = 0;
  int channels = 0;      // of the input, and so of the output; 0: any
  Metadata metadata;     // of the input; the profile comes from the server
  bool to_srgb = false;  // was asked for: done where the server sends no profile for the input's
  Grid part;             // of the input (oriented) that becomes this output
  MetadataOptions metadata_options;
  std::function<void(int64_t pixels)> on_pixels;  // as they are written
  std::stop_token stop;                           // ends waits and encoders: Cancelled
};

// The file is not there until Commit(). A pipe or device gets the bytes as they come: Begin() is
// Aborted where some have gone there. Not thread-safe.
class FileOutput : public client::UpscaleReceiver {
 public:
  explicit FileOutput(FileOutputOptions options) : options_(std::move(options)) {}

  absl::Status Begin(const v1::UpscaleHeader& header) override;
  absl::Status Tile(const v1::Tile& tile) override;
  absl::Status Chunk(const v1::EncodedChunk& chunk) override;
  // After the trailer. Internal where pixels are missing.
  absl::Status Commit();
  // What of the metadata the format does not hold, a sentence each; after Begin().
  const std::vector<std::string>& warnings() const { return writer_->warnings(); }
  // The file in memory; after Commit().
  std::string TakeBytes() { return memory_.Take(); }

 private:
  FileOutputOptions options_;
  int64_t pixels_ = 0;
  StringSink memory_;
  std::unique_ptr<OutputTarget> target_;
  std::unique_ptr<ImageWriter> writer_;
  std::unique_ptr<TileAssembler> assembler_;
};

}  // namespace hiif::cli

#endif  // CLIENT_CLI_FILE_OUTPUT_H_
