#include "model/upscaler/torch.h"

#include <ATen/ATen.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <deque>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "model/decoders/folded.h"
#include "model/upscaler/encoder.h"
#include "model/upscaler/reference.h"
#include "model/upscaler/tensors.h"

namespace hiif {
namespace {

// Shape of every call. Kernels may round differently for other row counts, so a call always has
// `groups` groups of `rows` queries, and low-resolution pixels are projected `low_rows` at a time;
// what is missing is filled up. A pixel's value then does not depend on what it shares a call with.
struct CallShape {
  int64_t groups;
  int64_t rows;
  int64_t piece_rows;  // of output pixels in a group, so that its neighbours are few
  int64_t low_rows;
};
// 65,536 queries fill a large device, and are a tile of 256 x 256.
constexpr CallShape kCudaShape = {16, 4096, 64, 1024};
// A third of the default context sample; the buffers stay in the last-level cache.
constexpr CallShape kCpuShape = {2, 384, 16, 96};

struct DeviceAxis {
  at::Tensor index;     // (2,n) int64
  at::Tensor distance;  // (2,n) float32
  at::Tensor local;     // (n) float32
  at::Tensor bits;      // (levels,n) float32
  at::Tensor sample;    // (n) int64
  at::Tensor fraction;  // (n) float32
};

struct DeviceTables {
  CoordinateMode mode;
  DeviceAxis rows;
  DeviceAxis columns;
  at::Tensor cell;  // (1,2)
};

struct TorchFeatures : Features {
  int64_t height() const override { return image->height; }
  int64_t width() const override { return image->width; }
  int64_t bytes() const override {
    return static_cast<int64_t>(latents.nbytes() + pixels.nbytes() + image->samples.size());
  }
  std::shared_ptr<const RgbImage> image;
  at::Tensor pixels;   // (h*w,3) float32, normalised
  at::Tensor latents;  // (h*w+1,C_e) in the compute type; the last row is zero: beyond the border
};

struct TorchContext : Context {
  Grid grid() const override { return size; }
  int64_t bytes() const override {
    int64_t bytes = 0;
    for (const at::Tensor& block : attention.projection)
      bytes += static_cast<int64_t>(block.nbytes());
    return bytes;
  }
  Grid size;
  FoldedAttention attention;
};

// Up to `rows` queries of one image and context.
struct Piece {
  const TorchFeatures* features;
  const DeviceTables* tables;
  const FoldedAttention* attention;
  std::vector<int64_t> rows;  // entries of the row table
  std::vector<int64_t> columns;
};

DeviceAxis Upload(const AxisTable& axis, at::Device device) {
  const int64_t size = axis.size();
  const auto integers = [&](const std::vector<int32_t>& values) {
    return at::from_blob(const_cast<int32_t*>(values.data()), {size}, at::kInt)
        .to(device, at::kLong, /*non_blocking=*/false, /*copy=*/true);
  };
  const auto floats = [&](const std::vector<float>& values) {
    return at::from_blob(const_cast<float*>(values.data()), {size}, at::kFloat)
        .to(device, at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  };
  return {at::stack({integers(axis.index[0]), integers(axis.index[1])}),
          at::stack({floats(axis.distance[0]), floats(axis.distance[1])}),
          floats(axis.local),
          at::from_blob(const_cast<uint8_t*>(axis.bits.data()), {axis.levels, size}, at::kByte)
              .to(device, at::kFloat),
          integers(axis.sample),
          floats(axis.fraction)};
}

DeviceTables Upload(const GridTables& tables, at::Device device) {
  return {tables.rows.mode, Upload(tables.rows, device), Upload(tables.columns, device),
          at::tensor({tables.cell[0], tables.cell[1]}).unsqueeze(0).to(device)};
}

// EnsembleWeights() of positions given as entries of the tables: (n,4).
at::Tensor Weights(const DeviceTables& tables, const at::Tensor& row, const at::Tensor& column) {
  if (tables.mode == CoordinateMode::kExact) {
    const at::Tensor r = tables.rows.local.index_select(0, row);
    const at::Tensor c = tables.columns.local.index_select(0, column);
    return at::stack({(1.0 - r) * (1.0 - c), (1.0 - r) * c, r * (1.0 - c), r * c}, 1);
  }
  const at::Tensor r = tables.rows.distance.index_select(1, row);
  const at::Tensor c = tables.columns.distance.index_select(1, column);
  std::array<at::Tensor, 4> area;
  for (int k = 0; k < 4; ++k) area[k] = (r[k / 2] * c[k % 2]).abs() + 1e-9;
  const at::Tensor total = ((area[0] + area[1]) + area[2]) + area[3];
  return at::stack({area[3] / total, area[2] / total, area[1] / total, area[0] / total}, 1);
}

// Bilinear sample of the image, (n,3).
at::Tensor Residual(const TorchFeatures& features, const DeviceTables& tables,
                    const at::Tensor& row, const at::Tensor& column) {
  const at::Tensor r0 = tables.rows.sample.index_select(0, row);
  const at::Tensor c0 = tables.columns.sample.index_select(0, column);
  const at::Tensor r1 = (r0 + 1).clamp_max(features.height() - 1);
  const at::Tensor c1 = (c0 + 1).clamp_max(features.width() - 1);
  const at::Tensor fr = tables.rows.fraction.index_select(0, row).unsqueeze(1);
  const at::Tensor fc = tables.columns.fraction.index_select(0, column).unsqueeze(1);
  const auto at = [&](const at::Tensor& y, const at::Tensor& x) {
    return features.pixels.index_select(0, y * features.width() + x);
  };
  return at(r0, c0) * (1 - fr) * (1 - fc) + at(r0, c1) * (1 - fr) * fc +
         at(r1, c0) * fr * (1 - fc) + at(r1, c1) * fr * fc;
}

// The 3x3 neighbourhoods of low-resolution pixels, (L,9*C_e), zero beyond the border.
at::Tensor Patches(const TorchFeatures& features, const at::Tensor& pixels) {
  const at::Tensor row = at::floor_divide(pixels, features.width());
  const at::Tensor column = at::remainder(pixels, features.width());
  const at::Tensor step = at::arange(-1, 2, pixels.options());
  const at::Tensor r = (row.unsqueeze(1) + step).unsqueeze(2);     // (L,3,1)
  const at::Tensor c = (column.unsqueeze(1) + step).unsqueeze(1);  // (L,1,3)
  const at::Tensor inside = (r >= 0)
                                .logical_and(r < features.height())
                                .logical_and((c >= 0).logical_and(c < features.width()));
  const at::Tensor index =
      at::where(inside, r * features.width() + c,
                at::full({}, features.height() * features.width(), pixels.options()));
  return features.latents.index_select(0, index.flatten()).reshape({pixels.size(0), -1});
}

class TorchUpscaler : public Upscaler {
 public:
  TorchUpscaler(Network network, FoldedDecoder decoder, at::Device device, at::ScalarType type)
      : encoder_(std::move(network)),
        decoder_(std::move(decoder)),
        device_(device),
        type_(type),
        shape_(device.is_cuda() ? kCudaShape : kCpuShape) {}

  const ModelConfig& config() const override { return encoder_.config; }
  std::string backend() const override { return "torch"; }
  std::string precision() const override {
    return type_ == at::kFloat ? "float32" : type_ == at::kHalf ? "float16" : "bfloat16";
  }
  int64_t weights_bytes() const override {
    int64_t bytes = decoder_.weights_bytes();
    for (const auto& [name, tensor] : encoder_.parameters)
      bytes += static_cast<int64_t>(tensor.nbytes());
    return bytes;
  }

  absl::StatusOr<std::unique_ptr<Encoding>> StartEncoding(
      std::shared_ptr<const RgbImage> image) const override {
    HIIF_RETURN_IF_ERROR(CheckImage(image.get()));
    return CatchTorch([&]() -> absl::StatusOr<std::unique_ptr<Encoding>> {
      const c10::InferenceMode inference;
      return std::make_unique<BlockEncoding>(this, std::move(image));
    });
  }

  absl::StatusOr<std::shared_ptr<const Context>> MakeContext(
      const Features& any, Grid grid, const ContextOptions& options) const override {
    const auto& features = static_cast<const TorchFeatures&>(any);
    HIIF_RETURN_IF_ERROR(CheckGrid(grid, features.height(), features.width()));
    return CatchTorch([&]() -> absl::StatusOr<std::shared_ptr<const Context>> {
      const c10::InferenceMode inference;
      auto context = std::make_shared<TorchContext>();
      context->size = grid;
      const int64_t all = grid.height * grid.width;
      const bool whole = options.samples <= 0 || options.samples >= all;
      const int64_t count = whole ? all : options.samples;
      const int64_t call = shape_.groups * shape_.rows;
      // x of every sample is kept, 1 KiB each at width 256 and float32.
      std::vector<at::Tensor> x;
      for (int64_t begin = 0; begin < count; begin += call) {
        std::vector<GridPosition> pixels;
        for (int64_t i = begin; i < std::min(count, begin + call); ++i) {
          pixels.push_back(whole ? GridPosition{i / grid.width, i % grid.width}
                                 : SamplePosition(grid, i));
        }
        const DeviceTables tables = Upload(
            MakePixelTables(config(), features.height(), features.width(), grid, pixels), device_);
        std::vector<Piece> pieces;
        for (int64_t i = 0; i < static_cast<int64_t>(pixels.size()); ++i) {
          if (i % shape_.rows == 0) {
            pieces.push_back({&features, &tables, &context->attention, {}, {}});
          }
          pieces.back().rows.push_back(i);
          pieces.back().columns.push_back(i);
        }
        const Call prepared = Prepare(pieces);
        x.push_back(decoder_.Begin(prepared.pixels, prepared.queries));
      }
      const int blocks = decoder_.config().attention_blocks;
      for (int block = 0; block < blocks; ++block) {
        at::Tensor sum;
        for (size_t i = 0; i < x.size(); ++i) {
          const int64_t rows = std::min(call, count - static_cast<int64_t>(i) * call);
          const at::Tensor part = decoder_.ContextSum(block, x[i].slice(0, 0, rows));
          sum = sum.defined() ? sum + part : part;
        }
        decoder_.Fold(block, sum / static_cast<double>(count), context->attention);
        if (block + 1 == blocks) break;
        const std::vector<const FoldedAttention*> same(shape_.groups, &context->attention);
        for (at::Tensor& part : x) part = Attend(block, part, same);
      }
      return context;
    });
  }

  absl::Status Render(absl::Span<const RenderTile> tiles) const override {
    for (const RenderTile& tile : tiles) HIIF_RETURN_IF_ERROR(CheckTile(tile));
    return CatchTorch([&]() -> absl::Status {
      const c10::InferenceMode inference;
      std::vector<Piece> pieces;
      std::vector<const RenderTile*> owners;
      std::deque<DeviceTables> tables;  // of the tiles, as pieces point to them
      for (const RenderTile& tile : tiles) {
        const auto& features = static_cast<const TorchFeatures&>(*tile.features);
        const auto& context = static_cast<const TorchContext&>(*tile.context);
        const Region& region = tile.region;
        tables.push_back(Upload(
            MakeRegionTables(config(), features.height(), features.width(), context.size, region),
            device_));
        const int64_t height = std::min(region.height, shape_.piece_rows);
        const int64_t width = shape_.rows / height;
        for (int64_t y0 = 0; y0 < region.height; y0 += height) {
          for (int64_t x0 = 0; x0 < region.width; x0 += width) {
            Piece piece{&features, &tables.back(), &context.attention, {}, {}};
            for (int64_t y = y0; y < std::min(y0 + height, region.height); ++y) {
              for (int64_t x = x0; x < std::min(x0 + width, region.width); ++x) {
                piece.rows.push_back(y);
                piece.columns.push_back(x);
              }
            }
            pieces.push_back(std::move(piece));
            owners.push_back(&tile);
            if (static_cast<int64_t>(pieces.size()) == shape_.groups) {
              HIIF_RETURN_IF_ERROR(RenderPieces(pieces, owners));
              pieces.clear();
              owners.clear();
            }
          }
        }
      }
      return pieces.empty() ? absl::OkStatus() : RenderPieces(pieces, owners);
    });
  }

  absl::Status Query(const Features& any, const Context& context, Cell cell,
                     absl::Span<const Coordinate> coordinates,
                     absl::Span<float> out) const override {
    if (out.size() != coordinates.size() * 3) {
      return absl::InvalidArgumentError("the output of a query has the wrong size");
    }
    if (coordinates.empty()) return absl::OkStatus();
    const auto& features = static_cast<const TorchFeatures&>(any);
    return CatchTorch([&]() -> absl::Status {
      const c10::InferenceMode inference;
      const DeviceTables tables =
          Upload(MakeQueryTables(config(), features.height(), features.width(), cell, coordinates),
                 device_);
      const int64_t count = static_cast<int64_t>(coordinates.size());
      const int64_t call = shape_.groups * shape_.rows;
      for (int64_t begin = 0; begin < count; begin += call) {
        std::vector<Piece> pieces;
        const int64_t end = std::min(count, begin + call);
        for (int64_t i = begin; i < end; ++i) {
          if ((i - begin) % shape_.rows == 0) {
            pieces.push_back(
                {&features, &tables, &static_cast<const TorchContext&>(context).attention, {}, {}});
          }
          pieces.back().rows.push_back(i);
          pieces.back().columns.push_back(i);
        }
        const at::Tensor rgb = Decode(pieces);
        const float* values = rgb.const_data_ptr<float>();
        for (int64_t i = 0; i < (end - begin) * 3; ++i) {
          if (!std::isfinite(values[i])) return NotFinite();
          out[begin * 3 + i] = values[i];
        }
      }
      return absl::OkStatus();
    });
  }

 private:
  class BlockEncoding : public Encoding {
   public:
    BlockEncoding(const TorchUpscaler* owner, std::shared_ptr<const RgbImage> image)
        : owner_(owner),
          plan_(PlanEncoding(owner->config().encoder, image->height, image->width)),
          left_(static_cast<int>(plan_.blocks.size())),
          features_(std::make_shared<TorchFeatures>()) {
      const int64_t pixels = image->height * image->width;
      features_->pixels = NormalisedImage(*image, {0, 0, image->width, image->height})
                              .permute({0, 2, 3, 1})
                              .reshape({pixels, 3})
                              .to(owner->device_, at::kFloat, /*non_blocking=*/false,
                                  /*copy=*/true);
      features_->latents =
          at::zeros({pixels + 1, EncoderFeatures(owner->config().encoder)},
                    at::TensorOptions().device(owner->device_).dtype(owner->type_));
      features_->image = std::move(image);
    }
    int blocks() const override { return static_cast<int>(plan_.blocks.size()); }
    int64_t BlockPixels(int block) const override {
      return plan_.BlockPixels(block, features_->height(), features_->width());
    }
    absl::Status EncodeBlock(int block, int threads) override {
      return CatchTorch([&]() -> absl::Status {
        const ScopedEncoderThreads scope(owner_->config().encoder, threads);
        const c10::InferenceMode inference;
        const int64_t height = features_->height();
        const int64_t width = features_->width();
        const Region& r = plan_.blocks[block];
        const Region read = WithHalo(r, plan_.halo, height, width);
        const at::Tensor part = NormalisedImage(*features_->image, read)
                                    .to(owner_->device_, owner_->type_)
                                    .contiguous(at::MemoryFormat::ChannelsLast);
        const at::Tensor codes = EncodeImage(owner_->encoder_, part)[0]
                                     .slice(1, r.y - read.y, r.y - read.y + r.height)
                                     .slice(2, r.x - read.x, r.x - read.x + r.width)
                                     .permute({1, 2, 0});
        features_->latents.slice(0, 0, height * width)
            .view({height, width, -1})
            .slice(0, r.y, r.y + r.height)
            .slice(1, r.x, r.x + r.width)
            .copy_(codes);
        left_.fetch_sub(1, std::memory_order_acq_rel);
        return absl::OkStatus();
      });
    }
    absl::StatusOr<std::shared_ptr<const Features>> Finish() override {
      if (left_.load(std::memory_order_acquire) != 0) {
        return absl::FailedPreconditionError("not every block was encoded");
      }
      return std::shared_ptr<const Features>(std::move(features_));
    }

   private:
    const TorchUpscaler* owner_;
    const EncodingPlan plan_;
    std::atomic<int> left_;
    std::shared_ptr<TorchFeatures> features_;
  };

  struct Call {
    FoldedQueries queries;
    ProjectedPixels pixels;
    at::Tensor residual;  // (n,3)
  };

  static absl::Status NotFinite() {
    return absl::InternalError("the network's output is not finite");
  }

  // Each of `pixels`, a block of low_rows at a time.
  ProjectedPixels Project(const TorchFeatures& features, const at::Tensor& pixels) const {
    const int64_t count = pixels.size(0);
    const int64_t padded = (count + shape_.low_rows - 1) / shape_.low_rows * shape_.low_rows;
    const at::Tensor filled = at::constant_pad_nd(pixels, {0, padded - count});
    std::vector<at::Tensor> slots, sum, sum_squares;
    for (int64_t begin = 0; begin < padded; begin += shape_.low_rows) {
      const ProjectedPixels part =
          decoder_.Project(Patches(features, filled.slice(0, begin, begin + shape_.low_rows)));
      slots.push_back(part.slots);
      sum.push_back(part.sum);
      sum_squares.push_back(part.sum_squares);
    }
    return {at::cat(slots), at::cat(sum), at::cat(sum_squares)};
  }

  // The tensors of up to `groups` pieces, filled up by repeating the last.
  Call Prepare(const std::vector<Piece>& pieces) const {
    std::vector<at::Tensor> pixel, weight, bits, cell, residual, slots, sum, sum_squares;
    int64_t projected = 0;
    // Pieces of one image and grid go together.
    for (size_t first = 0; first < pieces.size();) {
      const TorchFeatures& features = *pieces[first].features;
      const DeviceTables& tables = *pieces[first].tables;
      size_t last = first + 1;
      while (last < pieces.size() && pieces[last].features == &features &&
             pieces[last].tables == &tables) {
        ++last;
      }
      const size_t missing = last == pieces.size() ? shape_.groups - pieces.size() : 0;
      const int64_t rows = static_cast<int64_t>(last - first + missing) * shape_.rows;
      at::Tensor positions = at::empty({2, rows}, at::kLong);
      int64_t* out = positions.mutable_data_ptr<int64_t>();
      for (size_t i = first; i < last + missing; ++i, out += shape_.rows) {
        const Piece& piece = pieces[std::min(i, last - 1)];
        const auto fill = [&](const std::vector<int64_t>& values, int64_t* to) {
          std::fill(std::copy(values.begin(), values.end(), to), to + shape_.rows, values.back());
        };
        fill(piece.rows, out);
        fill(piece.columns, out + rows);
      }
      positions = positions.to(device_);
      const at::Tensor row = positions[0];
      const at::Tensor column = positions[1];
      const at::Tensor r = tables.rows.index.index_select(1, row);
      const at::Tensor c = tables.columns.index.index_select(1, column);
      const at::Tensor neighbour =
          (r.unsqueeze(1) * features.width() + c.unsqueeze(0)).reshape({4, rows}).t();
      const auto [low, place, counts] =
          at::_unique2(neighbour.contiguous(), /*sorted=*/true, /*return_inverse=*/true);
      const ProjectedPixels part = Project(features, low);
      pixel.push_back(place + projected);
      projected += part.sum.size(0);
      slots.push_back(part.slots);
      sum.push_back(part.sum);
      sum_squares.push_back(part.sum_squares);
      weight.push_back(Weights(tables, row, column));
      bits.push_back(at::stack(
          {tables.rows.bits.index_select(1, row), tables.columns.bits.index_select(1, column)}, 2));
      cell.push_back(tables.cell.expand({rows, 2}));
      residual.push_back(Residual(features, tables, row, column));
      first = last;
    }
    return {{shape_.groups, at::cat(pixel), at::cat(weight), at::cat(bits, 1), at::cat(cell)},
            {at::cat(slots), at::cat(sum), at::cat(sum_squares)},
            at::cat(residual)};
  }

  at::Tensor Attend(int block, const at::Tensor& x,
                    const std::vector<const FoldedAttention*>& groups) const {
    std::vector<at::Tensor> projection, bias;
    for (const FoldedAttention* group : groups) {
      projection.push_back(group->projection[block]);
      bias.push_back(group->bias[block]);
    }
    return decoder_.Attend(block, x, at::stack(projection), at::stack(bias));
  }

  // (n,3) float32 on the CPU, the residual added.
  at::Tensor Decode(const std::vector<Piece>& pieces) const {
    const Call call = Prepare(pieces);
    std::vector<const FoldedAttention*> contexts;
    for (int64_t i = 0; i < shape_.groups; ++i) {
      contexts.push_back(pieces[std::min<size_t>(i, pieces.size() - 1)].attention);
    }
    at::Tensor x = decoder_.Begin(call.pixels, call.queries);
    for (int block = 0; block < decoder_.config().attention_blocks; ++block) {
      x = Attend(block, x, contexts);
    }
    return (decoder_.Finish(x, call.queries) + call.residual).to(at::kCPU).contiguous();
  }

  absl::Status RenderPieces(const std::vector<Piece>& pieces,
                            const std::vector<const RenderTile*>& owners) const {
    const at::Tensor rgb = Decode(pieces);
    for (size_t i = 0; i < pieces.size(); ++i) {
      const float* values = rgb.const_data_ptr<float>() + i * shape_.rows * 3;
      const Region& region = owners[i]->region;
      float* out = owners[i]->out.data();
      for (size_t q = 0; q < pieces[i].rows.size(); ++q, values += 3) {
        for (int c = 0; c < 3; ++c) {
          if (!std::isfinite(values[c])) return NotFinite();
        }
        const int64_t offset = pieces[i].rows[q] * region.width + pieces[i].columns[q];
        std::copy_n(values, 3, out + offset * 3);
      }
    }
    return absl::OkStatus();
  }

  const Network encoder_;  // its decoder's parameters are dropped
  const FoldedDecoder decoder_;
  const at::Device device_;
  const at::ScalarType type_;
  const CallShape shape_;
};

absl::StatusOr<at::Device> FindDevice(const std::string& name) {
  if (name == "cpu") return at::Device(at::kCPU);
  absl::string_view number = name;
  int index = 0;
  if (!absl::ConsumePrefix(&number, "cuda") ||
      (!number.empty() &&
       !(absl::ConsumePrefix(&number, ":") && absl::SimpleAtoi(number, &index)))) {
    return absl::InvalidArgumentError(
        absl::StrCat("device \"", name, "\": \"cpu\", \"cuda\" or \"cuda:N\" is needed"));
  }
  if (!at::globalContext().hasCUDA()) {
    return absl::UnimplementedError(
        absl::StrCat("device \"", name,
                     "\" is not there: a build with the preset \"cuda\" and a "
                     "machine with a CUDA driver are needed"));
  }
  const auto devices = static_cast<int>(at::detail::getCUDAHooks().deviceCount());
  if (index < 0 || index >= devices) {
    return absl::UnimplementedError(
        absl::StrCat("device \"", name, "\" is not there: this machine has ", devices));
  }
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Upscaler>> MakeTorchUpscaler(const Checkpoint& checkpoint,
                                                            Precision precision,
                                                            const std::string& device_name) {
  return CatchTorch([&]() -> absl::StatusOr<std::unique_ptr<Upscaler>> {
    HIIF_ASSIGN_OR_RETURN(const at::Device device, FindDevice(device_name));
    at::ScalarType type = at::kFloat;
    if (precision == Precision::kFloat16) type = at::kHalf;
    if (precision == Precision::kBFloat16 || (precision == Precision::kAuto && device.is_cuda())) {
      type = at::kBFloat16;
    }
    HIIF_RETURN_IF_ERROR(CheckNormalisation(checkpoint.config()));
    HIIF_ASSIGN_OR_RETURN(Network network, LoadNetwork(checkpoint));
    HIIF_ASSIGN_OR_RETURN(FoldedDecoder decoder, FoldedDecoder::Create(network, device, type));
    std::erase_if(network.parameters,
                  [](const auto& p) { return !p.first.starts_with("encoder."); });
    for (auto& [name, tensor] : network.parameters) {
      tensor = tensor.to(device, type);
      if (tensor.dim() == 4) tensor = tensor.contiguous(at::MemoryFormat::ChannelsLast);
    }
    return std::make_unique<TorchUpscaler>(std::move(network), std::move(decoder), device, type);
  });
}

}  // namespace hiif
