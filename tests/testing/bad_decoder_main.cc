// A decoder process that was taken over: it says that it is ready and then does what its name says.
// For tests of jail/.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>

#include "hiif/jail/v1/jail.pb.h"
#include "jail/channel.h"
#include "jail/messages.h"

namespace {

constexpr int kSocket = 3;

void Answer(int memory, const hiif::jail::v1::Answer& answer) {
  const std::string bytes = answer.SerializeAsString();
  if (!hiif::WriteAt(memory, 0, bytes.data(), bytes.size()).ok()) abort();
  if (!hiif::SendPacket(kSocket, std::to_string(bytes.size()), {}).ok()) abort();
}

hiif::jail::v1::Answer GoodInfo() {
  hiif::ImageInfo info;
  info.stored = info.size = {8, 8};
  info.channels = 3;
  return hiif::InfoAnswer(info);
}

}  // namespace

int main(int, char** argv) {
  const std::string mode = strrchr(argv[0], '/') + 1;
  if (mode == "silent") pause();
  if (mode == "unconfined") {
    (void)hiif::SendPacket(kSocket, "seccomp: not here", {}).ok();
    pause();
  }
  if (!hiif::SendPacket(kSocket, "ready", {}).ok()) return 1;
  while (true) {
    const auto packet = hiif::ReceivePacket(kSocket);
    if (!packet.ok()) return 0;
    hiif::jail::v1::Task task;
    if (!task.ParseFromString(packet->bytes)) return 1;
    const int memory = packet->descriptors[1].get();
    if (!task.decode() && mode.rfind("probe-", 0) != 0) {
      Answer(memory, GoodInfo());
      continue;
    }
    hiif::jail::v1::Answer answer = GoodInfo();
    if (mode == "crash") raise(SIGSEGV);
    if (mode == "spin") {
      for (std::atomic<unsigned> i = 0;; ++i) {
      }
    }
    if (mode == "sleep") pause();
    if (mode == "huge" && !hiif::SendPacket(kSocket, "99999999999999", {}).ok()) return 1;
    if (mode == "words" && !hiif::SendPacket(kSocket, "hello", {}).ok()) return 1;
    if (mode == "short" && !hiif::SendPacket(kSocket, "100000", {}).ok()) return 1;
    if (mode == "unavailable")  // what a lost device says
      Answer(memory, hiif::ErrorAnswer(absl::UnavailableError("the device is lost")));
    if (mode == "probe-size") {
      answer.mutable_info()->set_width(int64_t{1} << 40);
      Answer(memory, answer);
    }
    if (mode == "probe-format") {
      answer.mutable_info()->set_format(99);
      Answer(memory, answer);
    }
    if (mode == "probe-picture") Answer(memory, hiif::ErrorAnswer(absl::OkStatus()));
    if (mode == "larger" || mode == "samples" || mode == "negative") {
      answer.clear_info();
      auto* picture = answer.mutable_picture();
      picture->set_height(8);
      picture->set_width(mode == "larger" ? 1 << 20 : 8);
      picture->set_channels(3);
      picture->set_orientation_applied(1);
      picture->set_colour_bytes(mode == "negative" ? -1 : picture->width() * 8 * 3);
      Answer(memory, answer);  // and no samples behind it
    }
  }
}
