// Messages with descriptors between two processes, over a SOCK_SEQPACKET socket.
#ifndef JAIL_CHANNEL_H_
#define JAIL_CHANNEL_H_

#include <initializer_list>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "jail/shared_memory.h"

namespace hiif {

inline constexpr size_t kMaxPacketBytes = 1024;
inline constexpr int kMaxPacketDescriptors = 2;

struct Packet {
  std::string bytes;
  std::vector<Descriptor> descriptors;
};

// Unavailable: the other end is gone.
absl::Status SendPacket(int socket, absl::string_view bytes,
                        std::initializer_list<int> descriptors);
// Waits. Unavailable: the other end is gone; DataLoss: a packet that is larger than allowed.
absl::StatusOr<Packet> ReceivePacket(int socket);

}  // namespace hiif

#endif  // JAIL_CHANNEL_H_
