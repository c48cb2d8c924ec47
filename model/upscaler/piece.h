// Internal to model/upscaler: what EngineUpscaler keeps of an image and of a context, and what it
// asks its engine at a time.
#ifndef MODEL_UPSCALER_PIECE_H_
#define MODEL_UPSCALER_PIECE_H_

#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "model/engine/engine.h"
#include "model/upscaler/upscaler.h"

namespace hiif {

struct EngineFeatures : Features {
  int64_t height() const override { return image->height; }
  int64_t width() const override { return image->width; }
  int64_t bytes() const override {
    return latents->bytes() + static_cast<int64_t>(image->samples.size());
  }
  std::shared_ptr<const RgbImage> image;
  std::unique_ptr<Engine::Latents> latents;
};

struct EngineContext : Context {
  Grid grid() const override { return size; }
  int64_t bytes() const override { return attention->bytes(); }
  Grid size;
  ContextOptions options;
  std::unique_ptr<Engine::Attention> attention;
  // By the exact engine, made when a pixel was not finite.
  mutable absl::Mutex mutex;
  mutable std::unique_ptr<Engine::Attention> exact ABSL_GUARDED_BY(mutex);
};

// Queries for one group of an engine's call, and where their colours go.
struct Piece {
  const EngineFeatures* features = nullptr;
  const EngineContext* context = nullptr;
  const Positions* positions = nullptr;
  Region region;         // of the positions' tables; width 0: positions i, i from region.y on
  float* out = nullptr;  // of the first query
  int64_t stride = 0;    // values between rows of `out`
  std::vector<PixelIndex> pixels;
  std::vector<hiif::Query> queries;
  std::vector<QueryPoint> points;  // instead, for decoders that are asked so

  bool by_tables = false;  // neither of them: the engine takes the region

  size_t size() const { return by_tables ? region.pixels() : queries.size() + points.size(); }
  int64_t RowOf(int64_t i) const {
    return region.width == 0 ? region.y + i : region.y + i / region.width;
  }
  int64_t ColumnOf(int64_t i) const {
    return region.width == 0 ? region.y + i : region.x + i % region.width;
  }
  float* OutOf(int64_t i) const {
    return region.width == 0 ? out + i * 3 : out + i / region.width * stride + i % region.width * 3;
  }
  Engine::Group Group(const Engine::Attention* attention) const {
    return {features->latents.get(),
            attention,
            positions->cell,
            pixels,
            queries,
            points,
            positions,
            by_tables ? region : Region{}};
  }
  // Query i, whose neighbours are places in `pixels`.
  hiif::Query QueryAt(int64_t i) const {
    return by_tables ? RectangleQuery(RowOf(i), ColumnOf(i)) : queries[i];
  }
  // Of a rectangle, whose neighbours are one too. `tables`: for an engine that takes rectangles.
  void AskRectangle(bool tables);
  // Of `count` positions that lie anywhere.
  void AskAnywhere(int64_t count);

 private:
  // Of an entry of each table within the region.
  hiif::Query RectangleQuery(int64_t y, int64_t x) const;
};

}  // namespace hiif

#endif  // MODEL_UPSCALER_PIECE_H_
