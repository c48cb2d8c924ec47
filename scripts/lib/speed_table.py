"""The table of scripts/bench: speed, share of the machine's peak and memory of every backend."""

import json
import pathlib
import subprocess
import sys

BIN, SIZE, LARGE, MODELS = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "large", sys.argv[4:]
# A backend as it is used, and fused in float32 where that is not the same.
BACKENDS = [("reference", "auto"), ("torch", "auto"), ("fused", "auto"), ("fused", "float32")]
# Side of the input, and scale; the last gives 4096 x 4096.
ROWS = [(SIZE, "2"), (SIZE, "4"), (SIZE, "2.7")] + ([("1024", "4")] if LARGE else [])


def run(*command):
    return subprocess.run([BIN / command[0], *command[1:]], capture_output=True, text=True, check=False)


peak = json.loads(run("hiif-peak").stdout)
print(f"Peak of the machine, oneDNN matmul 1024 x 256 x 256 on {peak['threads']} threads: float32 "
      f"{peak['float32_gflops']:.0f} GFLOP/s, bfloat16 {peak['bfloat16_gflops'] or 'none'}\n")
print("Share of the peak by the least multiply-adds of a HIIF decoder of that width\n")
print("| model | input | scale | backend | precision | pixels/s | encode s | query s | share of peak | peak MB | "
      "dB to reference |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
failed = []
for model in MODELS or sorted(path.stem for path in pathlib.Path("models").glob("*.safetensors") if path.stat().st_size > 1 << 16):  # networks
    for size, scale in ROWS:
        precisions = set()
        for backend, precision in BACKENDS:
            if (backend, precision) in precisions:
                continue
            result = run("hiif-eval", "speed", "--model", model, "--size", size, "--scale", scale, "--backend",
                         backend, "--precision", precision, "--against-reference", "--json")
            if result.returncode:
                failed.append(f"{model}, {backend}: {result.stderr.strip()}")
                continue
            got = json.loads(result.stdout)
            precisions.add((backend, got["precision"]))
            kind = "bfloat16" if got["precision"] == "bfloat16" else "float32"
            work = got["query_gflops"]  # null: not HIIF
            share = f"{work / peak[kind + '_gflops'] * 100:.0f} %" if work else "-"
            print(f"| {model} | {size} | {scale} | {got['backend']} | {got['precision']} | {got['output_pixels_per_s']:.0f} | "
                  f"{got['encode_s']:.2f} | {got['query_s']:.2f} | {share} | {got['peak_rss_bytes'] / 1e6:.0f} | "
                  f"{got['psnr_to_reference_db'] or 'same'} |",
                  flush=True)
print()
# A backend may not have a model's decoder (fused has no LIIF): said, not hidden.
for line in dict.fromkeys(failed):
    print(line)
