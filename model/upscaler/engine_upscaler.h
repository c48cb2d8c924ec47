// The Upscaler: over an engine, which computes. It owns the blocks of an encoding, the context's
// sample, the cutting of tiles into what an engine takes at a time, the residual, and what is not
// finite; and it is where exceptions of LibTorch and the allocator become a status.
#ifndef MODEL_UPSCALER_ENGINE_UPSCALER_H_
#define MODEL_UPSCALER_ENGINE_UPSCALER_H_

#include <memory>
#include <string>
#include <vector>

#include "model/engine/engine.h"
#include "model/upscaler/upscaler.h"

namespace hiif {

struct EngineFeatures;  // piece.h
struct Piece;

class EngineUpscaler : public Upscaler {
 public:
  // `exact`, over the same latent codes, takes the pixels that are not finite by `engine`; may be
  // null.
  EngineUpscaler(ModelConfig config, std::string backend, std::unique_ptr<Engine> engine,
                 std::unique_ptr<Engine> exact);

  const ModelConfig& config() const override { return config_; }
  std::string backend() const override { return backend_; }
  std::string identity() const override { return engine_->Identity(); }
  std::string precision() const override { return engine_->precision(); }
  int64_t weights_bytes() const override;

  WorkCost Cost(Grid input, Grid grid, const Region& region,
                const ContextOptions& options) const override;
  MemoryFootprint Footprint(Grid input, Grid grid, const Region& region,
                            const ContextOptions& options) const override;

  absl::Status CheckGrid(Grid input, Grid grid) const override;
  absl::StatusOr<std::unique_ptr<Encoding>> StartEncoding(
      std::shared_ptr<const RgbImage> image) const override;
  absl::StatusOr<std::shared_ptr<const Context>> MakeContext(
      const Features& features, Grid grid, const ContextOptions& options) const override;
  absl::Status Render(absl::Span<const RenderTile> tiles) const override;
  absl::Status Query(const Features& features, const Context& context, Cell cell,
                     absl::Span<const Coordinate> coordinates,
                     absl::Span<float> out) const override;
  std::vector<float> FeaturePlanes(const Features& features) const override;
  std::vector<float> JoinedPlanes(const Features& features) const override;

 private:
  std::unique_ptr<Engine::Attention> MakeAttention(const Engine& engine,
                                                   const EngineFeatures& features, Grid grid,
                                                   const ContextOptions& options,
                                                   const Heartbeat& beat) const;
  // The piece of a tile that begins at a pixel of it: as large as the engine likes.
  Region Cut(const Positions& positions, int64_t y, int64_t x) const;
  absl::Status Run(std::vector<Piece>& pieces) const;
  absl::Status Finish(const Piece& piece, float* rgb) const;
  // Of queries of `piece`, whose places are `at`: by the exact engine, into rgb.
  absl::Status Recompute(const Piece& piece, const std::vector<int64_t>& at, float* rgb) const;

  const ModelConfig config_;
  const std::string backend_;
  const std::unique_ptr<Engine> engine_;
  const std::unique_ptr<Engine> exact_;
};

}  // namespace hiif

#endif  // MODEL_UPSCALER_ENGINE_UPSCALER_H_
