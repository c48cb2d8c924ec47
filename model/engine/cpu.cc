// The `fused` backend: a block of queries goes through all levels while it stays in the cache, by
// the kernels of model/kernels, over latent codes that LibTorch encoded in the same precision.
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/status_macros.h"
#include "model/engine/engines.h"
#include "model/engine/latents.h"
#include "model/engine/stepped_engine.h"
#include "model/engine/tensors.h"
#include "model/kernels/hiif_decoder.h"
#include "model/simd/isa.h"

namespace hiif {
namespace {

using kernels::HiifDecoder;
using kernels::Number;

// Projections of so many low-resolution pixels (4 KiB each at width 256) stay in the last-level
// cache.
constexpr CallShape kShape = {.groups = 1, .columns = 128, .pixels = 1024};

struct CpuAttention : Engine::Attention {
  int64_t bytes() const override {
    int64_t bytes = 0;
    for (const kernels::FoldedBlock& block : blocks) {
      bytes += block.projection.bytes() + static_cast<int64_t>(block.bias.size() * sizeof(float));
    }
    return bytes;
  }
  kernels::FoldedBlocks blocks;
};

// Buffers of one thread at work.
struct Scratch {
  explicit Scratch(const HiifDecoder& decoder) : workspace(decoder.NewWorkspace()) {}
  std::unique_ptr<HiifDecoder::Workspace, void (*)(HiifDecoder::Workspace*)> workspace;
  kernels::LatentTable table;
};

class CpuEngine : public SteppedEngine {
 public:
  CpuEngine(ModelConfig config, std::shared_ptr<const HostEncoder> encoder, int64_t encoder_bytes,
            std::unique_ptr<HiifDecoder> decoder, Number number)
      : config_(std::move(config)),
        encoder_(std::move(encoder)),
        encoder_bytes_(encoder_bytes),
        decoder_(std::move(decoder)),
        number_(number),
        identity_(HostIdentity(absl::StrCat("cpu/", kernels::NumberName(number)))) {}

  std::string Identity() const override { return identity_; }
  std::string precision() const override {
    return number_.arithmetic == kernels::Arithmetic::kBFloat16 ? "bfloat16" : "float32";
  }
  CallShape shape() const override { return kShape; }
  int width() const override { return decoder_->width(); }
  int attention_blocks() const override { return config_.decoder.hiif()->attention_blocks; }

  EngineCost Costs(Grid, Grid) const override {
    const int64_t width = decoder_->width();
    const int64_t channels = config_.encoder->features();
    const int factor = number_.arithmetic == kernels::Arithmetic::kBFloat16 ? 2 : 4;
    EngineCost cost = FoldedCost(config_);
    cost.weights_bytes = decoder_->weights_bytes() + encoder_bytes_;
    cost.value_bytes = config_.encoder->keeps_float32() ? 4 : factor;
    cost.pixel_bytes = channels * 4;
    cost.projected_bytes = 4 * width * 4 + 8;
    cost.query_bytes = sizeof(Query) + 3 * sizeof(float);
    cost.sample_bytes = width * 4 + static_cast<int64_t>(sizeof(Query));
    cost.context_bytes = attention_blocks() * width * width * factor;
    cost.call_bytes = kernels::kBlockRows * (9 * channels * 4 * 2 + width * 4 * 6);
    cost.call_pixels = kShape.pixels;
    return cost;
  }

  EncodingPlan Plan(Grid size) const override { return PlanEncoding(*config_.encoder, size); }
  std::unique_ptr<Latents> NewLatents(Grid size) const override {
    return std::make_unique<HostLatents>(size, config_.encoder->features());
  }
  absl::Status Encode(const RgbImage& image, const EncodingPlan& plan, int block, int threads,
                      const Heartbeat& beat, Latents& latents) const override {
    encoder_->Encode(image, plan, block, threads, beat, static_cast<HostLatents&>(latents));
    return absl::OkStatus();
  }

  std::unique_ptr<Attention> NewAttention() const override {
    return std::make_unique<CpuAttention>();
  }
  void Begin(const Group& group, float* x) const override {
    const Lease scratch(this);
    Project(group, *scratch);
    decoder_->Begin(scratch->table, group.queries, group.cell, *scratch->workspace, x);
  }
  std::vector<double> ContextSum(int block, const float* x, int64_t rows) const override {
    const Lease scratch(this);
    return decoder_->ContextSum(block, x, rows, *scratch->workspace);
  }
  void Fold(absl::Span<const double> kv, Attention& attention) const override {
    decoder_->Fold(kv, static_cast<CpuAttention&>(attention).blocks);
  }
  void Attend(int block, const Attention& attention, int64_t rows, float* x) const override {
    const Lease scratch(this);
    decoder_->Attend(block, static_cast<const CpuAttention&>(attention).blocks, rows,
                     *scratch->workspace, x);
  }

  void Decode(absl::Span<const Group> groups, float* rgb) const override {
    const Lease scratch(this);
    for (const Group& group : groups) {
      Project(group, *scratch);
      decoder_->Decode(scratch->table, group.queries, group.cell,
                       static_cast<const CpuAttention&>(*group.attention).blocks,
                       *scratch->workspace, rgb);
      rgb += group.queries.size() * 3;
    }
  }

 private:
  // A Scratch for the time of one call; as many exist as calls ever ran at once.
  class Lease {
   public:
    explicit Lease(const CpuEngine* owner) : owner_(owner) {
      absl::MutexLock lock(&owner->mutex_);
      if (owner->scratch_.empty()) {
        scratch_ = std::make_unique<Scratch>(*owner->decoder_);
        owner->scratch_.reserve(++owner->leased_);  // to give it back needs no memory
      } else {
        scratch_ = std::move(owner->scratch_.back());
        owner->scratch_.pop_back();
      }
    }
    ~Lease() {
      absl::MutexLock lock(&owner_->mutex_);
      owner_->scratch_.push_back(std::move(scratch_));
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Scratch& operator*() const { return *scratch_; }
    Scratch* operator->() const { return scratch_.get(); }

   private:
    const CpuEngine* owner_;
    std::unique_ptr<Scratch> scratch_;
  };

  void Project(const Group& group, Scratch& scratch) const {
    const auto& latents = static_cast<const HostLatents&>(*group.latents);
    decoder_->Project({latents.values.data(), latents.size.height, latents.size.width,
                       static_cast<int>(latents.channels)},
                      group.pixels, *scratch.workspace, scratch.table);
  }

  const ModelConfig config_;
  const std::shared_ptr<const HostEncoder> encoder_;
  const int64_t encoder_bytes_;  // 0: another engine, which has the same encoder, counts it
  const std::unique_ptr<HiifDecoder> decoder_;
  const Number number_;
  const std::string identity_;
  mutable absl::Mutex mutex_;
  mutable std::vector<std::unique_ptr<Scratch>> scratch_ ABSL_GUARDED_BY(mutex_);  // free ones
  mutable size_t leased_ ABSL_GUARDED_BY(mutex_) = 0;  // that were ever made
};

}  // namespace

absl::StatusOr<CpuEngines> MakeCpuEngines(const Checkpoint& checkpoint, Precision precision) {
  HIIF_RETURN_IF_ERROR(kernels::IsaStatus());
  const ModelConfig& config = checkpoint.config();
  const auto* hiif = config.decoder.hiif();
  if (hiif == nullptr)
    return absl::UnimplementedError("the fused backend serves the HIIF decoder only");
  Number number = kernels::FastestNumber();
  if (precision == Precision::kBFloat16) number = kernels::BFloat16Number();
  if (precision == Precision::kFloat32) number = kernels::Float32Number();
  HIIF_ASSIGN_OR_RETURN(const FoldedHiif folded, FoldedHiif::Create(checkpoint.tensors(), *hiif,
                                                                    config.encoder->features()));
  HIIF_ASSIGN_OR_RETURN(auto decoder, HiifDecoder::Create(folded, number));
  HIIF_ASSIGN_OR_RETURN(
      std::shared_ptr<const HostEncoder> encoder,
      HostEncoder::Create(checkpoint, number.arithmetic == kernels::Arithmetic::kBFloat16));
  CpuEngines engines;
  if (number != Number::kFloat32) {
    HIIF_ASSIGN_OR_RETURN(auto exact, HiifDecoder::Create(folded, Number::kFloat32));
    engines.exact =
        std::make_unique<CpuEngine>(config, encoder, 0, std::move(exact), Number::kFloat32);
  }
  const int64_t encoder_bytes = encoder->weights_bytes();
  engines.engine = std::make_unique<CpuEngine>(config, std::move(encoder), encoder_bytes,
                                               std::move(decoder), number);
  return engines;
}

}  // namespace hiif
