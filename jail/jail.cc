#include "jail/jail.h"

#include <algorithm>
#include <utility>

#include "absl/functional/function_ref.h"
#include "base/status_macros.h"
#include "jail/messages.h"

namespace hiif {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
// A header is read within these, whatever the file.
constexpr int64_t kProbeBytes = 192 * kMiB;
constexpr absl::Duration kProbeTime = absl::Milliseconds(500);
// What codecs take beside the counted bytes: tables, threads' stacks, pools.
constexpr int64_t kDecodeBytes = 192 * kMiB;
// Of metadata in an answer.
constexpr int64_t kMetadataBytes = 64 * kMiB;
// How long a caller waits before it looks again whether it is wanted.
constexpr absl::Duration kLook = absl::Milliseconds(50);
constexpr absl::Duration kStartAgain = absl::Seconds(1);

}  // namespace

// A file in sealed memory.
class JailedFile final : public PictureFile {
 public:
  JailedFile(Jail* jail, Descriptor file, int64_t bytes)
      : jail_(*jail), file_(std::move(file)), bytes_(bytes) {}

  absl::StatusOr<ImageInfo> Probe(const ImageLimits& limits, std::optional<int> frame,
                                  const IsCancelled& cancelled) const override {
    jail::v1::Task task;
    task.set_max_pixels(limits.max_pixels);
    if (frame) task.set_frame(*frame);
    ImageInfo info;
    HIIF_RETURN_IF_ERROR(Do(&jail_.probers_, task,
                            Limits(kProbeBytes + bytes_, kMetadataBytes, kProbeTime), cancelled,
                            [&](const jail::v1::Answer& answer, int, int64_t) -> absl::Status {
                              HIIF_ASSIGN_OR_RETURN(info, InfoOf(answer));
                              return absl::OkStatus();
                            }));
    return info;
  }

  absl::StatusOr<Picture> Decode(const ImageInfo& info,
                                 const DecodeOptions& options) const override {
    jail::v1::Task task;
    task.set_max_pixels(options.limits.max_pixels);
    if (options.frame) task.set_frame(*options.frame);
    task.set_decode(true);
    task.set_convert_to_srgb(options.convert_to_srgb);
    task.set_clip(options.clip);
    const TaskLimits limits =
        Limits(DecodeBytes(info) + kDecodeBytes + bytes_, PictureBytes(info) + kMetadataBytes,
               jail_.options_.max_decode_time);
    Picture picture;
    const auto read = [&](const jail::v1::Answer& answer, int memory,
                          int64_t offset) -> absl::Status {
      auto colour = std::make_shared<RgbImage>();
      HIIF_ASSIGN_OR_RETURN(picture, EmptyPictureOf(answer, info, colour.get()));
      for (auto* plane : {&colour->samples, &picture.alpha.samples}) {
        HIIF_RETURN_IF_ERROR(ReadAt(memory, offset, plane->data(), plane->size()));
        offset += static_cast<int64_t>(plane->size());
      }
      picture.colour = std::move(colour);
      return absl::OkStatus();
    };
    HIIF_RETURN_IF_ERROR(Do(&jail_.decoders_, task, limits, options.cancelled, read));
    return picture;
  }

  int64_t held_bytes() const override { return bytes_; }

 private:
  // What is made of an answer: the message, and what lies in memory behind it.
  using Taker =
      absl::FunctionRef<absl::Status(const jail::v1::Answer&, int memory, int64_t offset)>;

  TaskLimits Limits(int64_t memory, int64_t answer, absl::Duration processor_time) const {
    return {memory, answer, processor_time, std::max(jail_.options_.patience, 10 * processor_time)};
  }

  absl::Status Do(Jail::Cell* cell, const jail::v1::Task& task, const TaskLimits& limits,
                  const IsCancelled& cancelled, Taker take) const {
    // A process that died while it was idle died of something else than this file: another takes
    // it. All that there are may be dead, so that as many and a new one are tried.
    for (int others = cell->wanted;; --others) {
      HIIF_ASSIGN_OR_RETURN(std::unique_ptr<DecoderProcess> process, jail_.Take(cell, cancelled));
      const absl::StatusOr<int64_t> size = process->Run(task, file_, limits, cancelled);
      const absl::Status status = size.ok() ? Read(process->memory(), *size, take) : size.status();
      const bool idle = !process->alive() && process->end() == DecoderEnd::kIdle;
      jail_.Give(cell, std::move(process));
      if (!idle || others == 0) return status;
    }
  }

  static absl::Status Read(int memory, int64_t size, Taker take) {
    std::string bytes(size, '\0');
    HIIF_RETURN_IF_ERROR(ReadAt(memory, 0, bytes.data(), size));
    jail::v1::Answer answer;
    if (!answer.ParseFromString(bytes))
      return absl::InternalError("a decoder process answered nonsense");
    HIIF_RETURN_IF_ERROR(StatusOf(answer));
    return take(answer, memory, size);
  }

  Jail& jail_;
  const Descriptor file_;
  const int64_t bytes_;
};

absl::StatusOr<std::unique_ptr<Jail>> Jail::Start(const JailOptions& options, OnEnd on_end,
                                                  OnStarting on_starting) {
  auto jail = std::unique_ptr<Jail>(new Jail(options, std::move(on_end), std::move(on_starting)));
  // The first one here, so that what does not work is known at once.
  HIIF_ASSIGN_OR_RETURN(auto first, DecoderProcess::Start(options.program, nullptr));
  absl::MutexLock lock(&jail->mutex_);
  jail->probers_.idle.push_back(std::move(first));
  ++jail->probers_.running;
  jail->keeper_ = std::thread([self = jail.get()] { self->Keep(); });
  return jail;
}

Jail::Jail(const JailOptions& options, OnEnd on_end, OnStarting on_starting)
    : options_(options), on_end_(std::move(on_end)), on_starting_(std::move(on_starting)) {
  decoders_.wanted = options.decoders;
  probers_.wanted = options.probers;
}

Jail::~Jail() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  stopping_.Raise();
  if (keeper_.joinable()) keeper_.join();
}

absl::StatusOr<std::unique_ptr<const PictureFile>> Jail::Open(absl::string_view bytes) {
  HIIF_ASSIGN_OR_RETURN(Descriptor file, MakeSealedMemory("hiif-picture", bytes));
  return std::make_unique<JailedFile>(this, std::move(file), static_cast<int64_t>(bytes.size()));
}

absl::StatusOr<std::unique_ptr<DecoderProcess>> Jail::Take(Cell* cell,
                                                           const IsCancelled& cancelled) {
  absl::MutexLock lock(&mutex_);
  const auto decided = [this, cell]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !cell->idle.empty() || Lost(*cell);
  };
  while (!mutex_.AwaitWithTimeout(absl::Condition(&decided), kLook))
    if (cancelled && cancelled()) return absl::CancelledError("nobody waits for this picture");
  // Why is for the server's log: it names files of the machine.
  if (cell->idle.empty())
    return absl::UnavailableError(
        "no process that decodes pictures can be started: try again later, or another server");
  std::unique_ptr<DecoderProcess> process = std::move(cell->idle.back());
  cell->idle.pop_back();
  return process;
}

void Jail::Give(Cell* cell, std::unique_ptr<DecoderProcess> process) {
  if (!process->alive() && on_end_) on_end_(process->end());
  absl::MutexLock lock(&mutex_);
  if (process->alive()) {
    cell->idle.push_back(std::move(process));
  } else {
    --cell->running;  // the keeper sees it
  }
}

bool Jail::Serves() const {
  absl::MutexLock lock(&mutex_);
  return !Lost(probers_) && !Lost(decoders_);
}

bool Jail::Lost(const Cell& cell) const { return broken_ && cell.running == 0; }

bool Jail::Missing() const {
  return stop_ || decoders_.running < decoders_.wanted || probers_.running < probers_.wanted;
}

void Jail::Keep() {
  const auto stopped = [this] {
    absl::MutexLock lock(&mutex_);
    return stop_;
  };
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &Jail::Missing));
      if (stop_) return;
    }
    absl::StatusOr<std::unique_ptr<DecoderProcess>> process =
        DecoderProcess::Start(options_.program, stopped);
    bool changed;
    {
      absl::MutexLock lock(&mutex_);
      if (stop_) return;
      changed = broken_ == process.ok();
      broken_ = !process.ok();
      if (process.ok()) {
        Cell& cell = probers_.running < probers_.wanted ? probers_ : decoders_;
        cell.idle.push_back(std::move(*process));
        ++cell.running;
      }
    }
    if (changed && on_starting_) on_starting_(process.status());
    if (process.ok()) continue;
    if (stopping_.WaitFor(kStartAgain)) return;
  }
}

}  // namespace hiif
