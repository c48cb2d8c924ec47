// What the user sees of a batch: a progress bar on a terminal, a line a file otherwise, a summary.
#ifndef CLIENT_CLI_REPORTER_H_
#define CLIENT_CLI_REPORTER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/image.h"
#include "client/cli/flags.h"

namespace hiif::cli {

// What became of one input.
struct FileResult {
  enum class Outcome { kDone, kSkipped, kPlanned, kFailed, kNotTried };
  Outcome outcome = Outcome::kNotTried;
  absl::Status status;  // why it failed
  std::string input;
  std::string output;
  Grid input_size;
  Grid output_size;
  std::string model;
  double seconds = 0;
  std::vector<std::string> warnings;
};

// What a library printed.
void PrintLibraryLine(bool json, absl::string_view line);

// Everything goes to standard error: standard output may be an image. Lines come in the order of
// the inputs, whatever the order in which they end. Any thread.
class Reporter {
 public:
  // files: how many results will come.
  Reporter(const LogFlags& flags, int64_t files);
  ~Reporter();

  // The file is being worked on; its output will have so many pixels.
  void Start(int64_t index, const std::string& input);
  void Expect(int64_t index, int64_t pixels);
  // Pixels written; negative where a part is done again.
  void Pixels(int64_t index, int64_t pixels);
  void Retry(const std::string& input, const absl::Status& error, absl::Duration wait);
  void Done(int64_t index, FileResult result);

  // Files in folders that are no images of a known format. Before the first result.
  void LeftOut(const std::vector<std::string>& paths);
  // Files in folders that are outputs of runs before. Likewise.
  void PassedOver(const std::vector<std::string>& paths);
  // After the last result: what failed and why, and the sums.
  void Summary();
  int64_t failed() const;
  int64_t not_tried() const;

 private:
  struct Running {
    std::string input;
    int64_t expected = 0;
    int64_t written = 0;
  };

  // "WHAT: A, B, C and 9 more".
  void List(absl::string_view what, const std::vector<std::string>& paths)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Line(absl::string_view text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Print(const FileResult& result) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Draw() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Erase() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string Coloured(absl::string_view text, int colour) const;
  double Megapixels() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return static_cast<double>(pixels_) / 1e6;
  }

  const LogFlags flags_;
  const int64_t files_;
  const bool json_;
  bool bar_ = false;  // draw one
  bool colour_ = false;
  const absl::Time start_;

  mutable absl::Mutex mutex_;
  std::map<int64_t, FileResult> waiting_ ABSL_GUARDED_BY(mutex_);  // for those before them
  int64_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<int64_t, Running> running_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> left_out_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> passed_over_ ABSL_GUARDED_BY(mutex_);
  std::vector<FileResult> failures_ ABSL_GUARDED_BY(mutex_);
  std::map<FileResult::Outcome, int64_t> counts_ ABSL_GUARDED_BY(mutex_);
  int64_t ended_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t pixels_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time drawn_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool on_screen_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace hiif::cli

#endif  // CLIENT_CLI_REPORTER_H_
