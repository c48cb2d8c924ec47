// An Upscaler that computes nothing: a pixel's value says where it is, and hooks say what happens
// meanwhile. For tests of what stands above the model.
#ifndef TESTS_TESTING_FAKE_UPSCALER_H_
#define TESTS_TESTING_FAKE_UPSCALER_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/upscaler/upscaler.h"

namespace hiif::testing {

struct FakeFeatures : Features {
  int64_t height() const override { return image->height; }
  int64_t width() const override { return image->width; }
  int64_t bytes() const override { return size; }
  std::shared_ptr<const RgbImage> image;
  int64_t size = 0;
};

struct FakeContext : Context {
  Grid grid() const override { return size; }
  int64_t bytes() const override { return 64; }
  Grid size;
};

// What a test hears and decides. Hooks are called on the workers' threads; empty: all is well.
struct FakeScript {
  int blocks = 3;            // of an encoding
  double encode_work = 100;  // multiply-adds of a block
  int64_t bytes_a_pixel = 16;
  int64_t bytes_a_tile = 0;  // of a worker that decodes
  std::function<absl::Status(int block, const Heartbeat& beat)> on_encode;
  std::function<absl::Status(const Heartbeat& beat)> on_context;
  std::function<absl::Status(absl::Span<const RenderTile>)> on_render;
  std::atomic<int> encoded = 0;  // blocks
  std::atomic<int> contexts = 0;
  std::atomic<int> renders = 0;  // calls
};

class FakeUpscaler : public Upscaler {
 public:
  explicit FakeUpscaler(FakeScript* script) : script_(script) {}

  // Of a pixel of the grid, as it leaves in 8 bits.
  static uint8_t Sample(int64_t y, int64_t x, int channel) {
    return static_cast<uint8_t>((y * 13 + x * 7 + channel * 5) % 256);
  }

  const ModelConfig& config() const override { return config_; }
  std::string backend() const override { return "fused"; }
  std::string identity() const override { return "fake/float32"; }
  std::string precision() const override { return "float32"; }
  int64_t weights_bytes() const override { return 1000; }

  WorkCost Cost(Grid, Grid, const Region& region, const ContextOptions&) const override {
    WorkCost cost;
    cost.encode.assign(script_->blocks, script_->encode_work);
    cost.coordinate = 1;
    cost.decode = static_cast<double>(region.pixels());
    return cost;
  }
  MemoryFootprint Footprint(Grid input, Grid, const Region& region,
                            const ContextOptions&) const override {
    MemoryFootprint footprint;
    footprint.decode_worker = script_->bytes_a_tile;
    footprint.decode_tiles =
        (region.pixels() + MemoryFootprint::kTilePixels - 1) / MemoryFootprint::kTilePixels;
    footprint.features = input.height * input.width * script_->bytes_a_pixel;
    return footprint;
  }

  absl::StatusOr<std::unique_ptr<Encoding>> StartEncoding(
      std::shared_ptr<const RgbImage> image) const override {
    return std::make_unique<FakeEncoding>(script_, std::move(image));
  }
  absl::StatusOr<std::shared_ptr<const Context>> MakeContext(
      const Features&, Grid grid, const ContextOptions& options) const override {
    ++script_->contexts;
    if (script_->on_context) {
      if (const absl::Status status = script_->on_context(options.beat); !status.ok())
        return status;
    }
    auto context = std::make_shared<FakeContext>();
    context->size = grid;
    return context;
  }
  absl::Status Render(absl::Span<const RenderTile> tiles) const override {
    ++script_->renders;
    if (script_->on_render) {
      if (const absl::Status status = script_->on_render(tiles); !status.ok()) return status;
    }
    for (const RenderTile& tile : tiles) {
      float* out = tile.out.data();
      const Region& r = tile.region;
      for (int64_t y = r.y; y < r.y + r.height; ++y) {
        for (int64_t x = r.x; x < r.x + r.width; ++x) {
          for (int c = 0; c < 3; ++c) *out++ = Sample(y, x, c) / 127.5f - 1.0f;
        }
      }
    }
    return absl::OkStatus();
  }
  absl::Status Query(const Features&, const Context&, Cell,
                     absl::Span<const Coordinate> coordinates,
                     absl::Span<float> out) const override {
    for (size_t i = 0; i < coordinates.size(); ++i) {
      out[i * 3] = static_cast<float>(coordinates[i].row);
      out[i * 3 + 1] = static_cast<float>(coordinates[i].column);
      out[i * 3 + 2] = 0;
    }
    return absl::OkStatus();
  }

 private:
  class FakeEncoding : public Encoding {
   public:
    FakeEncoding(FakeScript* script, std::shared_ptr<const RgbImage> image)
        : script_(script), image_(std::move(image)) {}
    int blocks() const override { return script_->blocks; }
    absl::Status EncodeBlock(int block, int, const Heartbeat& beat) override {
      ++script_->encoded;
      return script_->on_encode ? script_->on_encode(block, beat) : absl::OkStatus();
    }
    absl::StatusOr<std::shared_ptr<const Features>> Finish() override {
      auto features = std::make_shared<FakeFeatures>();
      features->size = image_->height * image_->width * script_->bytes_a_pixel;
      features->image = image_;
      return features;
    }

   private:
    FakeScript* const script_;
    const std::shared_ptr<const RgbImage> image_;
  };

  FakeScript* const script_;
  const ModelConfig config_;
};

}  // namespace hiif::testing

#endif  // TESTS_TESTING_FAKE_UPSCALER_H_
