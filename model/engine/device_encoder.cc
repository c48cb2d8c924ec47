#include "model/engine/device_encoder.h"

#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "model/engine/device.h"

namespace hiif {

DeviceEncoder::DeviceEncoder(const Network& network, at::Device device, at::ScalarType type,
                             Recorder recorder)
    : network_(network), device_(device), type_(type), recorder_(std::move(recorder)) {}

void DeviceEncoder::Encode(const RgbImage& image, const EncodingPlan& plan, int block, int threads,
                           const Heartbeat& beat, const at::Tensor& codes) const {
  const Region& r = plan.blocks[block];
  const at::Tensor to = codes.slice(0, r.y, r.y + r.height).slice(1, r.x, r.x + r.width);
  const Region read = plan.Read(block);
  if (recorder_ && network_.config.encoder->recordable() && read.pixels() <= kMostPixels) {
    const at::Tensor part = NormalisedImage(image, read, network_.config.normalisation);
    const Region inside{r.x - read.x, r.y - read.y, r.width, r.height};
    if (EncodeRecorded(part, inside, to)) return;
  }
  to.copy_(EncodePlanned(network_, device_, type_, image, plan, block, threads, beat));
  // Its errors are this request's, and its time the encoding's.
  Await(device_);
}

DeviceEncoder::Recorded& DeviceEncoder::Find(int64_t height, int64_t width) const {
  const auto found = std::find_if(recorded_.begin(), recorded_.end(), [&](const Recorded& each) {
    return each.height == height && each.width == width;
  });
  if (found != recorded_.end()) {
    recorded_.splice(recorded_.begin(), recorded_, found);
    return recorded_.front();
  }
  if (recorded_.size() == kMostSizes) recorded_.pop_back();
  Recorded& added = recorded_.emplace_front();
  added.height = height;
  added.width = width;
  return added;
}

bool DeviceEncoder::EncodeRecorded(const at::Tensor& part, const Region& inside,
                                   const at::Tensor& to) const {
  Await(device_);  // `to` may have been made in the current stream
  absl::MutexLock lock(&mutex_);
  Recorded& entry = Find(part.size(2), part.size(3));
  const bool first = !std::exchange(entry.seen, true);
  if (first || (entry.tried && entry.call == nullptr)) return false;
  if (!stream_ && !device_.is_cpu()) {
    stream_ = c10::impl::VirtualGuardImpl(device_.type()).getStreamFromGlobalPool(device_);
  }
  std::optional<c10::StreamGuard> guard;
  if (stream_) guard.emplace(*stream_);
  if (!entry.tried) {
    entry.tried = true;
    entry.in = at::zeros(part.sizes(), at::TensorOptions().device(device_).dtype(type_))
                   .contiguous(at::MemoryFormat::ChannelsLast);
    entry.call = recorder_([&] { entry.out = EncodeImage(network_, entry.in); });
    if (entry.call == nullptr) {
      entry.in = entry.out = at::Tensor();
      return false;
    }
  }
  entry.in.copy_(part);
  entry.call->Replay();
  to.copy_(entry.out[0]
               .slice(1, inside.y, inside.y + inside.height)
               .slice(2, inside.x, inside.x + inside.width)
               .permute({1, 2, 0}));
  Await(device_);
  return true;
}

}  // namespace hiif
