// The file of one Upscale: tiles in, bytes out.
#ifndef SERVER_CORE_ENCODED_FILE_H_
#define SERVER_CORE_ENCODED_FILE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "imaging/picture.h"
#include "imaging/sink.h"
#include "imaging/writer.h"
#include "server/core/plan.h"

namespace hiif::server {

// Used by one thread at a time.
class EncodedFile {
 public:
  // As plan.file says, with the metadata of the picture. cancelled: as WriterOptions has it.
  // Errors: those of ImageWriter::Create.
  static absl::StatusOr<std::unique_ptr<EncodedFile>> Create(const Plan& plan,
                                                             const Picture& picture,
                                                             std::function<bool()> cancelled);

  // Tiles in order; their rows are encoded once a row of tiles is whole.
  absl::Status AddTile(int64_t index, absl::string_view samples);
  // After the last one.
  absl::Status Finish();

  // What has been written since the last call.
  std::string Take() { return std::exchange(bytes_, {}); }
  // What of the picture's metadata the file does not hold, a sentence each.
  const std::vector<std::string>& warnings() const { return writer_->warnings(); }

 private:
  explicit EncodedFile(const Plan& plan);

  const Plan plan_;
  std::string bytes_;
  StreamSink sink_;
  std::unique_ptr<ImageWriter> writer_;
  std::unique_ptr<TileAssembler> assembler_;
};

}  // namespace hiif::server

#endif  // SERVER_CORE_ENCODED_FILE_H_
