// Arithmetic that a user may ask for.
#ifndef MODEL_ENGINE_PRECISION_H_
#define MODEL_ENGINE_PRECISION_H_

namespace hiif {

// Of the products; sums and results are float32. kAuto: bfloat16 on CUDA and, by the fused backend,
// on processors that are faster with it (AMX, or AVX512_BF16 of AMD); else float32. kBFloat16
// without such instructions is computed as if there were, slower than float32: to see what it costs
// in PSNR. kFloat32 by the fused backend on AMX: factors of 16 bits (kernels::Number::kAmxFloat32).
// Upscaler::identity() says what came of it.
enum class Precision { kAuto, kFloat32, kBFloat16, kFloat16 };

}  // namespace hiif

#endif  // MODEL_ENGINE_PRECISION_H_
