// A network and data small enough to train in milliseconds.
#ifndef TESTS_UNIT_TRAIN_TRAINING_CASE_H_
#define TESTS_UNIT_TRAIN_TRAINING_CASE_H_

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "train/options.h"
#include "train/packed_dataset.h"

namespace hiif::train {

// An empty path of this test's own.
inline std::string FreshPath(const std::string& name) {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  // A test with parameters has a slash in its name.
  const std::string path = absl::StrCat(::testing::TempDir(), "/",
                                        absl::StrReplaceAll(test->name(), {{"/", "-"}}), ".", name);
  std::filesystem::remove_all(path);
  return path;
}

// Four images of waves; `shift` makes others.
inline std::string PackWaves(const std::string& name, int shift = 0) {
  std::string path = FreshPath(name);
  auto writer = PackedDatasetWriter::Create(path).value();
  for (int i = 0; i < 4; ++i) {
    RgbImage image{SampleType::kU8, 40, 48, {}};
    for (int y = 0; y < 40; ++y) {
      for (int x = 0; x < 48; ++x) {
        for (int c = 0; c < 3; ++c) {
          const double wave = std::sin(0.35 * x + 0.2 * i * y + c + shift);
          image.samples.push_back(static_cast<uint8_t>(127.5 + 100.0 * wave));
        }
      }
    }
    EXPECT_TRUE(writer->Add(std::to_string(i), image).ok());
  }
  EXPECT_TRUE(writer->Commit().ok());
  return path;
}

inline TrainOptions TinyOptions() {
  TrainOptions options;
  options.encoder = R"(edsr-baseline {"features":8,"blocks":1})";
  options.decoder =
      R"(hiif {"width":16,"levels":2,"heads":2,"attention_blocks":1,"ablation":"none"})";
  options.batch = 4;
  options.patch = 8;
  options.queries = 32;
  options.max_scale = 3.0;
  options.learning_rate = 1e-3;
  options.schedule = "constant";
  options.average = 0.9;
  options.steps = 6;
  options.threads = 2;
  options.validate_every = 0;
  options.log_every = 1;
  return options;
}

}  // namespace hiif::train

#endif  // TESTS_UNIT_TRAIN_TRAINING_CASE_H_
