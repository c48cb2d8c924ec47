"""Measured peak memory against Upscaler::Footprint(), for each encoder at three sizes.

footprint.py FOLDER: of hiif-eval."""
import json
import subprocess
import sys

ENCODERS = {
    "edsr-baseline": ["--model", "edsr-baseline-hiif"],
    "rdn small": ["--model", "rdn-hiif-small"],
    "swinir small": ["--model", "swinir-hiif-small"],
    "dat light": ["--model", "dat-light-hiif-fast"],
    "rdn paper": ["--encoder", 'rdn:{"base_features": 64, "blocks": 16, "layers_per_block": 8, "growth": 64}'],
    "swinir paper": ["--encoder", 'swinir:{"embed_dim": 180, "depths": [6, 6, 6, 6, 6, 6], '
                     '"heads": [6, 6, 6, 6, 6, 6], "window": 8, "mlp_hidden": 360, "output_features": 64}'],
}
SIZES = {"paper": [(96, 96), (256, 256), (384, 400)], "light": [(64, 64), (128, 128), (512, 512)]}
OTHERS = [(96, 96), (256, 256), (1024, 1024)]


def main():
    program, threads = sys.argv[1] + "/hiif-eval", "2"
    worst = []
    print("| encoder | height x width | footprint MB | measured MB | ratio |\n| --- | --- | --- | --- | --- |")
    for name, arguments in ENCODERS.items():
        for height, width in SIZES.get(name.split()[-1], OTHERS):
            out = subprocess.run(
                [program, "footprint", *arguments, "--height", str(height), "--width", str(width), "--scale", "1",
                 "--threads", threads], check=True, capture_output=True, text=True).stdout
            result = json.loads(out)
            print(f"| {name} | {height} x {width} | {result['footprint'] / 1e6:.0f} | {result['measured'] / 1e6:.0f} | "
                  f"{result['ratio']:.2f} |", flush=True)
            worst.append(result["ratio"])
    ok = min(worst) >= 0.6 and max(worst) <= 1.0
    print(f"footprint: {'ok' if ok else 'FALLS SHORT'}: measured peak {min(worst):.2f} to {max(worst):.2f} of "
          f"Footprint (0.6 to 1.0), {len(worst)} cases")
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
