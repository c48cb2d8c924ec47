#include "model/simd/isa.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "model/checkpoint/checkpoint.h"
#include "model/kernels/gemm.h"
#include "model/upscaler/factory.h"
#include "tests/testing/paths.h"

namespace hiif::kernels {
namespace {

TEST(Isa, HasAtLeastThatOfEveryMachineAndRefusesOthers) {
  ASSERT_FALSE(MachineIsas().empty());
  EXPECT_EQ(MachineIsas().front(), Isa::kSse2);
  EXPECT_EQ(ActiveIsa(), MachineIsas().back());
  EXPECT_EQ(ForceIsa("avx9000").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ActiveIsa(), MachineIsas().back());
}

// Every instruction set of the machine gives the same image, by another name.
TEST(Isa, EachGivesTheSameImage) {
  const auto checkpoint =
      Checkpoint::Open(testing::RepositoryPath("models/edsr-baseline-hiif-fast.safetensors"));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  auto image = std::make_shared<RgbImage>();
  image->height = 12;
  image->width = 16;
  for (int i = 0; i < 12 * 16 * 3; ++i) image->samples.push_back(i * 37 % 251);
  std::vector<float> first;
  std::string before;
  for (const Isa isa : MachineIsas()) {
    ASSERT_TRUE(ForceIsa(IsaName(isa)).ok());
    EXPECT_EQ(ActiveIsa(), isa);
    const auto upscaler =
        MakeUpscaler(*checkpoint, {.backend = Backend::kFused, .precision = Precision::kFloat32});
    ASSERT_TRUE(upscaler.ok()) << upscaler.status();
    if (isa <= Isa::kAvx512) {  // beyond, float32 is that of AVX-512, or of AMX
      EXPECT_NE((*upscaler)->identity(), before);
      before = (*upscaler)->identity();
    }
    const auto features = (*upscaler)->Encode(image);
    ASSERT_TRUE(features.ok());
    const Grid grid{30, 40};
    const auto context = (*upscaler)->MakeContext(**features, grid, {});
    std::vector<float> out(30 * 40 * 3);
    const RenderTile tile{features->get(), context->get(), {0, 0, 40, 30}, absl::MakeSpan(out)};
    ASSERT_TRUE((*upscaler)->Render({&tile, 1}).ok());
    if (first.empty()) first = out;
    for (size_t i = 0; i < out.size(); ++i) ASSERT_NEAR(out[i], first[i], 5e-4) << IsaName(isa);
  }
}

}  // namespace
}  // namespace hiif::kernels
