// Internal to model/upscaler: several images or networks as one, for upscalers over others.
#ifndef MODEL_UPSCALER_JOINED_H_
#define MODEL_UPSCALER_JOINED_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "model/upscaler/upscaler.h"

namespace hiif {

// Sizes are those of the first part, bytes the sum.
struct JoinedFeatures : Features {
  explicit JoinedFeatures(std::vector<std::shared_ptr<const Features>> all)
      : parts(std::move(all)) {}
  int64_t height() const override { return parts[0]->height(); }
  int64_t width() const override { return parts[0]->width(); }
  int64_t bytes() const override;
  const std::vector<std::shared_ptr<const Features>> parts;
};

struct JoinedContext : Context {
  explicit JoinedContext(std::vector<std::shared_ptr<const Context>> all) : parts(std::move(all)) {}
  Grid grid() const override { return parts[0]->grid(); }
  int64_t bytes() const override;
  const std::vector<std::shared_ptr<const Context>> parts;
};

// The blocks of every part, one part after the other. Finish() gives JoinedFeatures.
class JoinedEncoding : public Encoding {
 public:
  explicit JoinedEncoding(std::vector<std::unique_ptr<Encoding>> parts)
      : parts_(std::move(parts)) {}
  int blocks() const override;
  absl::Status EncodeBlock(int block, int threads, const Heartbeat& beat) override;
  absl::StatusOr<std::shared_ptr<const Features>> Finish() override;

 private:
  const std::vector<std::unique_ptr<Encoding>> parts_;
};

// Adds `one` to what all parts cost.
void AddCost(const WorkCost& one, WorkCost& sum);
// Adds `one` to what all parts hold: features and contexts of all, while buffers are those of the
// part that is being worked on.
void AddFootprint(const MemoryFootprint& one, MemoryFootprint& most);

}  // namespace hiif

#endif  // MODEL_UPSCALER_JOINED_H_
