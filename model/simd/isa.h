// Which instructions this process uses: the only place that asks the processor.
#ifndef MODEL_SIMD_ISA_H_
#define MODEL_SIMD_ISA_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace hiif::kernels {

// Each has those before it too.
enum class Isa {
  kSse2,        // what every x86-64 has
  kSse4,        // 4.2, AES and CLMUL
  kAvx2,        // with FMA
  kAvx512,      // F, BW, DQ, VL
  kAvx512Bf16,  // products of pairs of bfloat16
  kAmx,         // tiles of bfloat16, and the process may use them
};
const char* IsaName(Isa isa);  // "sse2", "sse4", "avx2", "avx512", "avx512bf16", "amx"

// What the machine has, least first: capabilities, not what was compiled for.
const std::vector<Isa>& MachineIsas();

// What is used: the best of the machine, or what the environment variable HIIF_FORCE_ISA names.
Isa ActiveIsa();
// The vectors of it, kAvx512 at most: what is beyond makes no difference to float32.
Isa ActiveVectors();
// Takes another one from now on, also for what was made before, whose last bits may change; its
// identity does not. Not while kernels run. InvalidArgument, naming what there is: not an
// instruction set of this machine.
absl::Status ForceIsa(const std::string& name);
// What became of HIIF_FORCE_ISA; where it is not OK the best is used.
const absl::Status& IsaStatus();

// Whether the processor does bfloat16 faster than float32 by kAvx512Bf16: AMD's does. Intel's
// multiplies as many values a cycle as of float32, and packing comes on top (0.67 x float32 on
// Sapphire Rapids).
bool HasFastPairs();

}  // namespace hiif::kernels

#endif  // MODEL_SIMD_ISA_H_
