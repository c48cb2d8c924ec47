// Whether a long piece of work is wanted still. No LibTorch in this header.
#ifndef MODEL_LAYERS_HEARTBEAT_H_
#define MODEL_LAYERS_HEARTBEAT_H_

#include <functional>

namespace hiif {

// Called between the layers of a long piece of work, about every second or more often, on any
// thread and on several at once; false: it is not wanted any more. Empty: nobody listens.
using Heartbeat = std::function<bool()>;

}  // namespace hiif

#endif  // MODEL_LAYERS_HEARTBEAT_H_
