// One input file of a batch, from its name to the output in its place.
#ifndef CLIENT_CLI_UPSCALE_FILE_H_
#define CLIENT_CLI_UPSCALE_FILE_H_

#include <cstdint>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "client/cli/connection.h"
#include "client/cli/flags.h"
#include "client/cli/inputs.h"
#include "client/cli/outputs.h"
#include "client/cli/reporter.h"
#include "client/cli/sizing.h"
#include "imaging/metadata.h"

namespace hiif::cli {

// What all files of a run share; flags that were checked.
struct UpscaleJob {
  const UpscaleFlags* flags = nullptr;
  const Sizing* sizing = nullptr;
  const OutputNames* names = nullptr;
  ExistsPolicy* exists = nullptr;
  MetadataOptions metadata;
  Connection* connection = nullptr;  // nullptr: a dry run, or nothing to do when the run began
  Reporter* reporter = nullptr;
  int frames_at_a_time = 1;  // of an animation
  std::stop_token stop;
};

// "keep", "print-size" or a number of pixels per inch. InvalidArgument.
absl::StatusOr<MetadataOptions> ParseMetadataOptions(const UpscaleFlags& flags);

// Once: what the server says of a file is often what its header told us.
void Warn(const std::string& warning, FileResult* result);
// FailedPrecondition: there is something to do where there was nothing when the run began.
absl::Status CheckConnected(const UpscaleJob& job);

// index: of the file among all, for the reporter. Any thread. Never fails as a whole: the result
// says what became of the file.
FileResult UpscaleFile(const UpscaleJob& job, int64_t index, const InputFile& input);

}  // namespace hiif::cli

#endif  // CLIENT_CLI_UPSCALE_FILE_H_
