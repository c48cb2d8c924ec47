#include "client/cli/parameters.h"

namespace hiif::cli {
namespace {

v1::SampleType ToProto(SampleType type) {
  return type == SampleType::kU16   ? v1::SAMPLE_TYPE_U16
         : type == SampleType::kF32 ? v1::SAMPLE_TYPE_F32
                                    : v1::SAMPLE_TYPE_U8;
}

}  // namespace

v1::UpscaleParameters MakeParameters(const UpscaleFlags& flags, const OutputPlan& plan,
                                     SampleType type) {
  v1::UpscaleParameters parameters;
  parameters.mutable_target()->set_width(static_cast<int32_t>(plan.whole.width));
  parameters.mutable_target()->set_height(static_cast<int32_t>(plan.whole.height));
  if (plan.size() != plan.whole) {
    v1::Region* region = parameters.mutable_region();
    region->set_x(plan.region.x);
    region->set_y(plan.region.y);
    region->set_width(plan.region.width);
    region->set_height(plan.region.height);
  }
  parameters.set_model(flags.model);
  parameters.set_model_version(flags.model_version);
  parameters.set_tile_size(flags.tile_size);
  parameters.set_sample_type(ToProto(type));
  parameters.set_convert_to_srgb(flags.srgb);
  parameters.set_priority(flags.priority);
  parameters.set_self_ensemble(flags.self_ensemble);
  parameters.set_clip(flags.clip);
  if (flags.strength) parameters.set_strength(*flags.strength);
  return parameters;
}

}  // namespace hiif::cli
