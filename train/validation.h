// PSNR of a checkpoint on a packed data set, through the same Upscaler that serves.
#ifndef TRAIN_VALIDATION_H_
#define TRAIN_VALIDATION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/config.h"
#include "train/packed_dataset.h"

namespace hiif::train {

struct ValidationOptions {
  std::vector<double> scales = {2, 3, 4};
  int64_t crop = 160;  // the central square of this side of each image, or as much as there is
  std::string device = "cpu";
};

// InvalidArgument: an image is too small for one of the scales, or `config` does not enlarge by it.
absl::Status CheckValidation(const ModelConfig& config, const PackedDataset& dataset,
                             const ValidationOptions& options);

// Mean PSNR of Y over the images in dB, one value a scale, by the protocol of model.md 6: LR by
// bicubic resizing of the crop, ceil(scale) pixels shaved.
absl::StatusOr<std::vector<double>> ValidationPsnr(const std::string& checkpoint,
                                                   const PackedDataset& dataset,
                                                   const ValidationOptions& options);

}  // namespace hiif::train

#endif  // TRAIN_VALIDATION_H_
