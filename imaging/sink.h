// Where encoded bytes go.
#ifndef IMAGING_SINK_H_
#define IMAGING_SINK_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/file.h"

namespace hiif {

class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual absl::Status Append(absl::string_view bytes) = 0;
  // Whether bytes already appended can be replaced. A stream cannot; TIFF is then not compressed.
  virtual bool can_overwrite() const { return false; }
  virtual absl::Status Overwrite(int64_t /*offset*/, absl::string_view /*bytes*/) {
    return absl::UnimplementedError("a stream cannot go back");
  }
};

// A stream: every piece goes to the function, in order.
class StreamSink : public ByteSink {
 public:
  using Function = std::function<absl::Status(absl::string_view)>;
  explicit StreamSink(Function write) : write_(std::move(write)) {}
  absl::Status Append(absl::string_view bytes) override { return write_(bytes); }

 private:
  Function write_;
};

class StringSink : public ByteSink {
 public:
  absl::Status Append(absl::string_view bytes) override;
  bool can_overwrite() const override { return true; }
  absl::Status Overwrite(int64_t offset, absl::string_view bytes) override;
  const std::string& bytes() const { return bytes_; }
  // Leaves none.
  std::string Take() { return std::exchange(bytes_, {}); }

 private:
  std::string bytes_;
};

// A file that is not there until it is whole. The caller commits it.
class FileSink : public ByteSink {
 public:
  explicit FileSink(AtomicFile* file) : file_(file) {}
  absl::Status Append(absl::string_view bytes) override { return file_->Append(bytes); }
  bool can_overwrite() const override { return file_->can_overwrite(); }
  absl::Status Overwrite(int64_t offset, absl::string_view bytes) override;

 private:
  AtomicFile* file_;
};

}  // namespace hiif

#endif  // IMAGING_SINK_H_
