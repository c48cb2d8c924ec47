#include "train/batch.h"

#include <vector>

#include "model/decoders/decoder.h"
#include "model/hiif/queries.h"

namespace hiif::train {
namespace {

// Interleaved levels to [-1,1].
template <class Level>
at::Tensor Normalised(const std::vector<Level>& levels, int64_t pixels) {
  at::Tensor out = at::empty({pixels, 3}, at::kFloat);
  float* value = out.data_ptr<float>();
  for (const Level level : levels) *value++ = (static_cast<float>(level) / 255.0f - 0.5f) / 0.5f;
  return out;
}

// A batch whose tensors are f of another's.
template <class F>
Batch Each(const Batch& batch, const F& f) {
  Batch out = batch;
  std::vector<at::Tensor*> tensors = {&out.images,
                                      &out.target,
                                      &out.open,
                                      &out.latents,
                                      &out.queries.neighbour,
                                      &out.queries.weight,
                                      &out.queries.distance,
                                      &out.queries.bits,
                                      &out.queries.local,
                                      &out.queries.cell};
  for (at::Tensor* tensor : tensors) {
    if (tensor->defined()) *tensor = f(*tensor);
  }
  return out;
}

}  // namespace

Batch MakeBatch(absl::Span<const Sample> samples, int64_t patch, const ModelConfig& config) {
  const auto* hiif = config.decoder.hiif();
  const int levels = hiif != nullptr ? hiif->levels : 0;
  std::vector<at::Tensor> images;
  std::vector<at::Tensor> targets;
  std::vector<QueryTensors> queries;
  Batch batch;
  for (const Sample& sample : samples) {
    images.push_back(
        Normalised(sample.patch, patch * patch).t().reshape({1, 3, patch, patch}).contiguous());
    const Positions positions = RegionPositions(config, {patch, patch}, {sample.side, sample.side},
                                                {0, 0, sample.side, sample.side});
    if (positions.by_points()) {
      std::vector<QueryPoint>& points = batch.points.emplace_back();
      for (size_t q = 0; q < sample.rows.size(); ++q) {
        points.push_back(positions.PointAt(sample.rows[q], sample.columns[q]));
      }
    } else {
      std::vector<Query> asked;
      for (size_t q = 0; q < sample.rows.size(); ++q) {
        asked.push_back(positions.At(sample.rows[q], sample.columns[q]));
      }
      queries.push_back(MakeQueries(asked, levels, positions.cell));
    }
    at::Tensor target = Normalised(sample.colours, static_cast<int64_t>(sample.rows.size()));
    if (config.decoder->residual()) {
      const RgbImage image{SampleType::kU8, patch, patch, sample.patch};
      at::Tensor residual = at::zeros_like(target);
      float* rgb = residual.mutable_data_ptr<float>();
      for (size_t q = 0; q < sample.rows.size(); ++q) {
        AddResidual(image, positions, sample.rows[q], sample.columns[q], rgb + q * 3);
      }
      target = target - residual;
    }
    targets.push_back(target.unsqueeze(0));
  }
  std::vector<at::Tensor> latents;
  batch.open = at::ones({static_cast<int64_t>(samples.size()), 1, 1}, at::kFloat);
  for (size_t i = 0; i < samples.size(); ++i) {
    if (samples[i].final_colours) batch.open[static_cast<int64_t>(i)] = 0.0f;
    const absl::Span<const float> codes = samples[i].latents;
    if (codes.empty()) continue;
    const auto channels = static_cast<int64_t>(codes.size()) / (patch * patch);
    latents.push_back(
        at::from_blob(const_cast<float*>(codes.data()), {1, channels, patch, patch}, at::kFloat));
  }
  if (latents.size() == samples.size()) batch.latents = at::cat(latents);
  batch.images = at::cat(images);
  batch.target = at::cat(targets);
  if (queries.empty()) return batch;
  const auto join = [&](at::Tensor QueryTensors::*member) {
    std::vector<at::Tensor> parts;
    for (const QueryTensors& part : queries) parts.push_back(part.*member);
    batch.queries.*member = at::cat(parts);
  };
  join(&QueryTensors::neighbour);
  join(&QueryTensors::weight);
  join(&QueryTensors::distance);
  join(&QueryTensors::bits);
  join(&QueryTensors::local);
  join(&QueryTensors::cell);
  return batch;
}

Batch Pinned(const Batch& batch, const at::Device& device) {
  if (!device.is_cuda()) return batch;
  return Each(batch, [](const at::Tensor& tensor) { return tensor.pin_memory(); });
}

Batch ToDevice(const Batch& batch, const at::Device& device) {
  if (device.is_cpu()) return batch;
  return Each(batch,
              [&](const at::Tensor& tensor) { return tensor.to(device, /*non_blocking=*/true); });
}

}  // namespace hiif::train
