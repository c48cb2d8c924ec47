#include "train/gradient.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <optional>
#include <thread>

#include "model/decoders/point_decoder.h"
#include "model/hiif/query_tensors.h"
#include "model/layers/autocast.h"

namespace hiif::train {
namespace {

// Patch by patch.
at::Tensor DecodePoints(const PointDecoder& decoder, const Network& network,
                        const at::Tensor& latents, const Batch& batch) {
  std::vector<at::Tensor> out;
  for (size_t i = 0; i < batch.points.size(); ++i) {
    const auto n = static_cast<int64_t>(i);
    const ImageCodes image =
        MakeImageCodes(decoder, network.parameters, latents.slice(0, n, n + 1));
    out.push_back(DecodeInOneCall(decoder, network.parameters, image, batch.points[i]));
  }
  return at::stack(out).to(at::kFloat);
}

at::Tensor Decode(const Network& network, const at::Tensor& latents, const Batch& batch) {
  const DecoderConfig& decoder = network.config.decoder;
  if (decoder->points() != nullptr) {
    return DecodePoints(*decoder->points(), network, latents, batch);
  }
  const at::Tensor features = DecoderFeatures(network, latents).flatten(2).transpose(1, 2);
  const at::Tensor out = decoder.hiif() != nullptr ? HiifDecode(network, features, batch.queries)
                                                   : LiifDecode(network, features, batch.queries);
  return out.to(at::kFloat);
}

// What the teacher is off the truth, (N,Q,3). Decoders differ in what they add the bilinear
// residual to; the difference does not.
at::Tensor TeacherError(const Teacher& teacher, const at::Tensor& latents, const Batch& batch) {
  const at::AutoGradMode grad(false);
  const at::Tensor own =
      teacher.shares_encoder ? latents : EncodeImage(teacher.network, batch.images);
  return Decode(teacher.network, own, batch) - batch.target;
}

at::Tensor FeatureLoss(const Teacher& teacher, const at::Tensor& latents, const Batch& batch) {
  at::Tensor target;
  {
    const at::AutoGradMode grad(false);
    target = EncodeImage(teacher.network, batch.images);
  }
  return (latents - target).abs().mean();
}

at::Tensor Loss(const Network& network, const GradientOptions& options, const Batch& batch,
                const Batch& teacher_batch) {
  const Teacher* const teacher = options.teacher;
  const at::Tensor latents = options.latents_given && batch.latents.defined()
                                 ? batch.latents
                                 : EncodeImage(network, batch.images);
  if (teacher != nullptr && teacher->of_features) return FeatureLoss(*teacher, latents, batch);
  at::Tensor target = batch.target;
  if (teacher != nullptr) {
    target = target + teacher->weight * batch.open * TeacherError(*teacher, latents, teacher_batch);
  }
  const at::Tensor difference = Decode(network, latents, batch) - target;
  return options.squares ? difference.square().mean() : difference.abs().mean();
}

Gradient ComputeShard(const Network& network, const std::vector<std::string>& names,
                      const Shard& shard, const GradientOptions& options) {
  at::globalContext().setFlushDenormal(true);  // of this thread
  const Batch batch = ToDevice(shard.batch, options.device);
  Batch teacher_batch;
  if (options.teacher != nullptr) teacher_batch = ToDevice(shard.teacher, options.device);
  torch::autograd::variable_list leaves;
  for (const std::string& name : names) leaves.push_back(network.parameters.at(name));
  at::Tensor loss;
  {
    const at::AutoGradMode grad(true);
    const ScopedAutocast autocast(options.device, options.bfloat16);
    loss = Loss(network, options, batch, teacher_batch);
  }
  Gradient out;
  // Parameters that no query of the shard needs have none: CLIT's stages above the scales asked
  // for.
  out.gradient = torch::autograd::grad({loss}, leaves, /*grad_outputs=*/{},
                                       /*retain_graph=*/std::nullopt, /*create_graph=*/false,
                                       /*allow_unused=*/true);
  for (size_t i = 0; i < leaves.size(); ++i) {
    if (!out.gradient[i].defined()) out.gradient[i] = at::zeros_like(leaves[i]);
  }
  out.loss = loss.item<double>();
  return out;
}

}  // namespace

std::vector<Shard> MakeShards(absl::Span<const Sample> samples, int64_t patch,
                              const ModelConfig& config, const GradientOptions& options) {
  const size_t size = samples.size() / options.shards;
  std::vector<Shard> shards;
  for (int64_t i = 0; i < options.shards; ++i) {
    const auto part = samples.subspan(i * size, size);
    Shard& shard = shards.emplace_back();
    shard.batch = Pinned(MakeBatch(part, patch, config), options.device);
    if (options.teacher != nullptr) {
      shard.teacher =
          Pinned(MakeBatch(part, patch, options.teacher->network.config), options.device);
    }
  }
  return shards;
}

Gradient ComputeGradient(const Network& network, const std::vector<std::string>& names,
                         absl::Span<const Shard> shards, const GradientOptions& options) {
  const auto count = static_cast<int64_t>(shards.size());
  std::vector<Gradient> parts(count);
  std::atomic<int64_t> next = 0;
  std::vector<std::exception_ptr> errors(count);
  const auto work = [&] {
    for (int64_t i = next++; i < count; i = next++) {
      try {
        parts[i] = ComputeShard(network, names, shards[i], options);
      } catch (...) {
        errors[i] = std::current_exception();
      }
    }
  };
  const int64_t threads = options.device.is_cpu() ? std::min<int64_t>(options.threads, count) : 1;
  if (threads <= 1) {
    work();
  } else {
    std::vector<std::thread> workers;
    for (int64_t i = 0; i < threads; ++i) workers.emplace_back(work);
    for (std::thread& worker : workers) worker.join();
  }
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  Gradient sum = std::move(parts[0]);
  for (int64_t i = 1; i < count; ++i) {
    sum.loss += parts[i].loss;
    at::_foreach_add_(sum.gradient, parts[i].gradient);
  }
  if (count > 1) {
    sum.loss /= static_cast<double>(count);
    at::_foreach_mul_(sum.gradient, 1.0 / static_cast<double>(count));
  }
  return sum;
}

}  // namespace hiif::train
