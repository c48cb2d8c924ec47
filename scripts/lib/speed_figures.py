"""Ratios of speed, measured in one run: both sides in turn, several times, the best of each counts."""

import json
import pathlib
import statistics
import subprocess
import sys

BIN = pathlib.Path(sys.argv[1])
FIGURE = sys.argv[2]
SIZE = sys.argv[3] if len(sys.argv) > 3 and FIGURE != "fused-before" else "128"
ROUNDS = 3


def speed(*flags, folder=BIN):
    """hiif-eval speed as a dictionary."""
    result = subprocess.run([folder / "hiif-eval", "speed", "--json", "--size", SIZE, "--scale", "4", *flags],
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


def verdict(ok, text):
    print(f"{FIGURE}: {'ok' if ok else 'FALLS SHORT'}: {text}")
    sys.exit(0 if ok else 1)


def fused_ratio():
    """Fused against reference: time is encode and query. As it is used, and in float32."""
    settings = [("--backend", "reference"), ("--backend", "fused"), ("--backend", "fused", "--precision", "float32")]
    theirs, *ours = best_in_turn(*((*flags, "--threads", "2") for flags in settings))
    print(f"reference {theirs['output_pixels_per_s']:.0f} pixels/s (encode {theirs['encode_s']:.2f} s, query "
          f"{theirs['query_s']:.2f} s)")
    need = {"bfloat16": 4.5, "float32": 2.5}
    ratios = {}
    for run in ours:
        ratios[run["precision"]] = run["output_pixels_per_s"] / theirs["output_pixels_per_s"]
        print(f"fused {run['precision']} {run['output_pixels_per_s']:.0f} pixels/s (encode {run['encode_s']:.2f} s, "
              f"query {run['query_s']:.2f} s: {theirs['query_s'] / run['query_s']:.2f} x alone)")
    verdict(all(ratio >= need[kind] for kind, ratio in ratios.items()),
            ", ".join(f"{kind} {ratio:.2f} x the reference (>= {need[kind]})" for kind, ratio in ratios.items())
            + ("" if "bfloat16" in ratios else "; bfloat16 is not faster on this processor"))


def fused_peak():
    """The query stage against the machine's own matmul of the same factors, by the least multiply-adds there are."""
    peaks, runs = [], []
    for _ in range(ROUNDS):
        peaks.append(peak())
        runs.append(speed("--backend", "fused", "--threads", "2"))
    run = max(runs, key=lambda r: r["query_gflops"])
    machine = max(p[run["precision"] + "_gflops"] for p in peaks)
    share = run["query_gflops"] / machine
    verdict(share >= 0.45, f"query {run['query_gflops']:.0f} of {machine:.0f} GFLOP/s {run['precision']}, "
            f"{share * 100:.0f} % (>= 45)")


def fused_before():
    """Against a build of an earlier commit, with its checkpoint, in pairs: a machine's speed drifts."""
    earlier = pathlib.Path(sys.argv[3])
    flags = ("--backend", "fused", "--threads", "2", "--repeat", "2",
             "--model", str(earlier / "models/edsr-baseline-hiif.safetensors"))
    medians = {}
    for precision in ("bfloat16", "float32"):
        ratios = []
        for _ in range(ROUNDS):
            now, then = (speed(*flags, "--precision", precision, folder=folder)
                         for folder in (BIN, earlier / "build/release/bin"))
            ratios.append(now["output_pixels_per_s"] / then["output_pixels_per_s"])
        medians[precision] = statistics.median(ratios)
        print(f"{precision}: {min(ratios):.3f}, {medians[precision]:.3f}, {max(ratios):.3f} x (least, median, most)",
              flush=True)
    verdict(min(medians.values()) >= 0.97, "pixels/s against the build in " + str(earlier) + ": "
            + ", ".join(f"{kind} {ratio:.3f} x" for kind, ratio in medians.items()) + " (>= 0.97)")


def two_cores():
    """Two threads against one."""
    first, second = best_in_turn(("--backend", "fused", "--threads", "1"), ("--backend", "fused", "--threads", "2"))
    ratio = second["output_pixels_per_s"] / first["output_pixels_per_s"]
    query = first["query_s"] / second["query_s"]
    verdict(ratio >= 1.85, f"{ratio:.2f} x (>= 1.85); the query alone {query:.2f} x, encode "
            f"{first['encode_s']:.2f} s and {second['encode_s']:.2f} s")


{"fused-ratio": fused_ratio, "fused-peak": fused_peak, "fused-before": fused_before, "two-cores": two_cores}[FIGURE]()
