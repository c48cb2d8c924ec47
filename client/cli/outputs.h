// Where outputs go, and what happens where something is there already.
#ifndef CLIENT_CLI_OUTPUTS_H_
#define CLIENT_CLI_OUTPUTS_H_

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "client/cli/inputs.h"
#include "imaging/format.h"

namespace hiif::cli {

struct OutputOptions {
  std::string output;      // -o: a file, a folder, "-", or empty: beside each input
  std::string format;      // extension; empty: by the name of the output, else as the input
  std::string name;        // template of names in folders
  std::string label;       // for {scale}
  bool several = false;    // more than one input may come
  bool animation = false;  // animations stay some
};

struct OutputFile {
  std::string path;  // "-": standard output
  ImageFormat format = ImageFormat::kPng;
};

// What of all its names a file that may not be there yet is known by: where links lead, as
// AtomicFile follows them, and for a file with more names (hard links), which is written through,
// the file itself.
std::string FileOf(const std::string& path);

// The name of every output, from options that go together.
class OutputNames {
 public:
  // InvalidArgument: an unknown format, several inputs for one file, a template without {stem}.
  static absl::StatusOr<OutputNames> Create(const OutputOptions& options);

  // The folder outputs go to; empty: none in particular.
  std::string folder() const { return to_folder_ ? options_.output : ""; }
  // The format is that of the options, else by the input's name, else `content` (what its bytes
  // say); where that cannot be written, PNG. A GIF, whose 256 colours hold no enlargement, becomes
  // PNG, and as an animation WebP. InvalidArgument: standard input without -o.
  absl::StatusOr<OutputFile> For(const InputFile& input,
                                 std::optional<ImageFormat> content = std::nullopt) const;

 private:
  OutputOptions options_;
  bool to_folder_ = false;
  bool has_format_ = false;
  ImageFormat format_ = ImageFormat::kPng;
};

enum class Exists { kSkip, kOverwrite, kError, kRename };

// By the values of --exists. InvalidArgument.
absl::StatusOr<Exists> ParseExists(const std::string& name);

// What is wrong with an input whose output is that of `other`, an input before it.
absl::Status SameOutputAs(const std::string& other);

// What a run knows of its files.
struct RunFiles {
  // File (FileOf()) -> its name: no output of another one goes there.
  std::unordered_map<std::string, std::string> inputs;
  // Outputs (TemporaryPlace()) that a killed run may have been copying over: made again.
  std::unordered_set<std::string> half_made;
};

struct OutputDecision {
  bool write = false;  // otherwise: skip
  std::string path;    // where to
};

// What to do about an output whose name is taken: by what is there, or by an output of this run
// that is not there yet. Names that lead to one file, through links or "..", are one. Any thread.
class ExistsPolicy {
 public:
  // resume: an output that is not older than its input was finished by an earlier run: skip; else
  // overwrite.
  ExistsPolicy(Exists exists, bool resume, RunFiles known = {})
      : exists_(exists), resume_(resume), known_(std::move(known)) {}

  // AlreadyExists for kError, saying which flags help, where the output is the input itself, and,
  // but for kRename, where it is another input of this run or that one's output. What is to be
  // written stays taken.
  absl::StatusOr<OutputDecision> Decide(const std::string& input, const std::string& output);

 private:
  // Among what is there; nothing about this run.
  absl::StatusOr<OutputDecision> IfThere(const std::string& input, const std::string& output) const;
  std::string FreeName(const std::string& input, const std::string& output)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Exists exists_;
  const bool resume_;
  const RunFiles known_;
  absl::Mutex mutex_;
  // File (FileOf()) -> the input it is made from.
  std::unordered_map<std::string, std::string> taken_ ABSL_GUARDED_BY(mutex_);
};

// The name of an AtomicFile before it is whole; nullopt: another name.
struct Temporary {
  std::string stem;     // AtomicFile::TemporaryStem() of the output
  std::string process;  // its maker's number
};
std::optional<Temporary> ParseTemporary(const std::string& name);

// Where the path ends in a number as frames and renamed outputs have it ("a-001.png", "a-2.png"):
// the one without it; else empty.
std::string WithoutNumber(const std::string& path);

// Where temporaries of an output lie and how their names begin.
std::string TemporaryPlace(const std::string& output);

// What a killed run left: a temporary of an output, or of one of its frames.
struct StaleTemporary {
  std::string path;
  std::string place;  // TemporaryPlace() of the output or frame
  size_t output = 0;  // which one it is of
};
// Of processes that are gone. outputs: an empty one is none.
std::vector<StaleTemporary> FindStaleTemporaries(const std::vector<std::string>& outputs);

}  // namespace hiif::cli

#endif  // CLIENT_CLI_OUTPUTS_H_
