#include "model/simd/isa.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/environment.h"
#include "hwy/targets.h"

namespace hiif::kernels {
namespace {

// Leaf 7 of CPUID.
struct Leaf7 {
  Leaf7() {
    uint32_t unused;
    __get_cpuid_count(7, 0, &unused, &unused, &unused, &edx);
    __get_cpuid_count(7, 1, &eax1, &unused, &unused, &unused);
  }
  bool avx512_bf16() const { return eax1 >> 5 & 1; }
  bool amx_bf16() const { return (edx >> 22 & 1) != 0 && (edx >> 24 & 1) != 0; }
  uint32_t edx = 0;   // of sub-leaf 0
  uint32_t eax1 = 0;  // of sub-leaf 1
};

// Tile registers are 8 KiB that Linux saves for a process only after it asked.
bool AllowAmx() {
  constexpr int kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM of asm/prctl.h, Linux 5.16
  constexpr int kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

std::vector<Isa> Detect() {
  std::vector<Isa> isas = {Isa::kSse2};
  // Highway knows whether the system saves the registers too.
  const int64_t targets = hwy::SupportedTargets();
  if ((targets & HWY_SSE4) == 0) return isas;
  isas.push_back(Isa::kSse4);
  if ((targets & HWY_AVX2) == 0) return isas;
  isas.push_back(Isa::kAvx2);
  if ((targets & HWY_AVX3) == 0) return isas;
  isas.push_back(Isa::kAvx512);
  const Leaf7 leaf;
  if (!leaf.avx512_bf16()) return isas;
  isas.push_back(Isa::kAvx512Bf16);
  if (leaf.amx_bf16() && AllowAmx()) isas.push_back(Isa::kAmx);
  return isas;
}

// Highway's targets wider than `isa`; a wider target is a lower bit.
int64_t TargetsBeyond(Isa isa) {
  switch (isa) {
    case Isa::kSse2:
      return 2 * HWY_SSSE3 - 1;
    case Isa::kSse4:
      return HWY_SSE4 - 1;
    case Isa::kAvx2:
      return HWY_AVX2 - 1;
    default:
      return 0;
  }
}

absl::Status Use(const std::string& name, std::atomic<Isa>& active) {
  std::vector<std::string> names;
  for (const Isa isa : MachineIsas()) {
    names.emplace_back(IsaName(isa));
    if (names.back() != name) continue;
    active = isa;
    hwy::DisableTargets(TargetsBeyond(isa));
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "HIIF_FORCE_ISA: \"", name, "\" is none of this machine's ", absl::StrJoin(names, ", ")));
}

struct FromEnvironment {
  FromEnvironment() : active(MachineIsas().back()) {
    const char* name = EnvironmentVariable("HIIF_FORCE_ISA");
    if (name != nullptr && *name != '\0') status = Use(name, active);
  }
  std::atomic<Isa> active;
  absl::Status status;
};

FromEnvironment& Environment() {
  static auto* const kEnvironment = new FromEnvironment;
  return *kEnvironment;
}

}  // namespace

const char* IsaName(Isa isa) {
  switch (isa) {
    case Isa::kSse2:
      return "sse2";
    case Isa::kSse4:
      return "sse4";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx512Bf16:
      return "avx512bf16";
    case Isa::kAmx:
      return "amx";
  }
  return "";
}

const std::vector<Isa>& MachineIsas() {
  static const auto* const kIsas = new std::vector<Isa>(Detect());
  return *kIsas;
}

Isa ActiveIsa() { return Environment().active; }

Isa ActiveVectors() { return std::min(ActiveIsa(), Isa::kAvx512); }

absl::Status ForceIsa(const std::string& name) { return Use(name, Environment().active); }

const absl::Status& IsaStatus() { return Environment().status; }

bool HasFastPairs() { return ActiveIsa() >= Isa::kAvx512Bf16 && __builtin_cpu_is("amd") != 0; }

}  // namespace hiif::kernels
