"""Ratios of speed, measured in one run: both sides in turn, several times, the best of each counts."""

import json
import pathlib
import subprocess
import sys

BIN = pathlib.Path(sys.argv[1])
FIGURE = sys.argv[2]
SIZE = sys.argv[3] if len(sys.argv) > 3 else "128"
ROUNDS = 3


def speed(*flags):
    """hiif-eval speed as a dictionary."""
    result = subprocess.run([BIN / "hiif-eval", "speed", "--json", "--size", SIZE, "--scale", "4", *flags],
                            check=True, capture_output=True, text=True)
    return json.loads(result.stdout)


def best_in_turn(*settings):
    """The fastest run with each of the flags, which take turns."""
    rounds = [[speed(*flags) for flags in settings] for _ in range(ROUNDS)]
    return [max(runs, key=lambda run: run["output_pixels_per_s"]) for runs in zip(*rounds)]


def peak():
    """GFLOP/s of both cores at once."""
    result = subprocess.run([BIN / "hiif-peak"], check=True, capture_output=True, text=True)
    return json.loads(result.stdout)


def has_bfloat16():
    """Whether this processor has bfloat16 products, for which the higher figures are promised."""
    return "avx512_bf16" in pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii")


def bfloat16_note():
    return "" if has_bfloat16() else "; bfloat16 not measurable here: no AVX512_BF16"


def verdict(ok, text):
    print(f"{FIGURE}: {'ok' if ok else 'FALLS SHORT'}: {text}")
    sys.exit(0 if ok else 1)


def fused_ratio():
    """Fused against reference: time is encode and query."""
    theirs, ours = best_in_turn(("--backend", "reference", "--threads", "2"), ("--backend", "fused", "--threads", "2"))
    ratio = ours["output_pixels_per_s"] / theirs["output_pixels_per_s"]
    query = theirs["query_s"] / ours["query_s"]
    need = 4.5 if has_bfloat16() else 2.5
    print(f"fused {ours['output_pixels_per_s']:.0f} pixels/s (encode {ours['encode_s']:.2f} s, query "
          f"{ours['query_s']:.2f} s), reference {theirs['output_pixels_per_s']:.0f} (encode "
          f"{theirs['encode_s']:.2f} s, query {theirs['query_s']:.2f} s)")
    verdict(ratio >= need, f"{ours['precision']}: {ratio:.2f} x the reference (>= {need}), the query alone "
            f"{query:.2f} x{bfloat16_note()}")


def fused_peak():
    """The query stage against the machine's own matmul, by the least multiply-adds there are."""
    peaks, runs = [], []
    for _ in range(ROUNDS):
        peaks.append(peak())
        runs.append(speed("--backend", "fused", "--threads", "2"))
    run = max(runs, key=lambda r: r["query_gflops"])
    kind = "bfloat16" if has_bfloat16() else "float32"
    machine = max(p[kind + "_gflops"] for p in peaks)
    share = run["query_gflops"] / machine
    verdict(share >= 0.45, f"query {run['query_gflops']:.0f} of {machine:.0f} GFLOP/s {kind}, "
            f"{share * 100:.0f} % (>= 45){bfloat16_note()}")


def two_cores():
    """Two threads against one."""
    first, second = best_in_turn(("--backend", "fused", "--threads", "1"), ("--backend", "fused", "--threads", "2"))
    ratio = second["output_pixels_per_s"] / first["output_pixels_per_s"]
    query = first["query_s"] / second["query_s"]
    verdict(ratio >= 1.85, f"{ratio:.2f} x (>= 1.85); the query alone {query:.2f} x, encode "
            f"{first['encode_s']:.2f} s and {second['encode_s']:.2f} s")


{"fused-ratio": fused_ratio, "fused-peak": fused_peak, "two-cores": two_cores}[FIGURE]()
