// hiif-decoder: decodes what hiif-server hands it over descriptor 3, one picture after the other,
// and can do nothing else. Not for users.
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <new>
#include <string>

#include "base/status_macros.h"
#include "hiif/jail/v1/jail.pb.h"
#include "imaging/decode.h"
#include "imaging/probe.h"
#include "jail/channel.h"
#include "jail/confine.h"
#include "jail/messages.h"
#include "jail/warm_up.h"

namespace hiif {
namespace {

constexpr int kSocket = 3;

// The file, mapped: it is sealed, so it cannot shrink under the reader.
class Mapped {
 public:
  explicit Mapped(int fd) {
    struct stat facts {};
    if (fstat(fd, &facts) != 0 || facts.st_size == 0) return;
    void* start = mmap(nullptr, facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (start == MAP_FAILED) return;
    bytes_ = {static_cast<const char*>(start), static_cast<size_t>(facts.st_size)};
  }
  ~Mapped() {
    if (!bytes_.empty()) munmap(const_cast<char*>(bytes_.data()), bytes_.size());
  }
  absl::string_view bytes() const { return bytes_; }

 private:
  absl::string_view bytes_;
};

// Writes an answer and what is behind it; its size.
absl::StatusOr<int64_t> WriteAnswer(int memory, const jail::v1::Answer& answer,
                                    const Picture* picture) {
  const std::string bytes = answer.SerializeAsString();
  HIIF_RETURN_IF_ERROR(WriteAt(memory, 0, bytes.data(), bytes.size()));
  int64_t offset = static_cast<int64_t>(bytes.size());
  if (picture != nullptr) {
    for (const auto* samples : {&picture->colour->samples, &picture->alpha.samples}) {
      HIIF_RETURN_IF_ERROR(WriteAt(memory, offset, samples->data(), samples->size()));
      offset += static_cast<int64_t>(samples->size());
    }
  }
  return static_cast<int64_t>(bytes.size());
}

absl::StatusOr<int64_t> DoTask(const jail::v1::Task& task, absl::string_view file, int memory) {
  const ImageLimits limits{.max_pixels = task.max_pixels()};
  const std::optional<int> frame =
      task.has_frame() ? std::optional<int>(task.frame()) : std::nullopt;
  if (!task.decode()) {
    const absl::StatusOr<ImageInfo> info = Probe(file, limits, frame);
    return WriteAnswer(memory, info.ok() ? InfoAnswer(*info) : ErrorAnswer(info.status()), nullptr);
  }
  const absl::StatusOr<Picture> picture = Decode(file, {.limits = limits,
                                                        .convert_to_srgb = task.convert_to_srgb(),
                                                        .clip = task.clip(),
                                                        .frame = frame,
                                                        .cancelled = nullptr});
  if (!picture.ok()) return WriteAnswer(memory, ErrorAnswer(picture.status()), nullptr);
  return WriteAnswer(memory, PictureAnswer(*picture), &*picture);
}

// Serves until the server is gone.
absl::Status Serve() {
  while (true) {
    HIIF_ASSIGN_OR_RETURN(const Packet packet, ReceivePacket(kSocket));
    jail::v1::Task task;
    if (packet.descriptors.size() != 2 || !task.ParseFromString(packet.bytes))
      return absl::DataLossError("not a task");
    absl::StatusOr<int64_t> size;
    try {
      const Mapped file(packet.descriptors[0].get());
      size = DoTask(task, file.bytes(), packet.descriptors[1].get());
    } catch (const std::bad_alloc&) {
      size = absl::ResourceExhaustedError("memory");
    }
    HIIF_RETURN_IF_ERROR(SendPacket(kSocket, size.ok() ? std::to_string(*size) : "-1", {}));
  }
}

int Main() {
  // The terminal's Ctrl-C is for the server, which closes the socket when it ends.
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  absl::Status status = InitImaging(1);
  if (status.ok()) {
    WarmUpCodecs();
    status = Confine();
  }
  if (!status.ok())
    std::fprintf(stderr, "hiif-decoder: %s\n", std::string(status.message()).c_str());
  // "ready", or why it does not protect as it should; the server decides.
  if (!SendPacket(kSocket, status.ok() ? "ready" : status.message().substr(0, kMaxPacketBytes), {})
           .ok())
    return 0;
  Serve().IgnoreError();  // the server is gone
  return 0;
}

}  // namespace
}  // namespace hiif

int main() { return hiif::Main(); }
