"""How good against how fast: Set5 dB and output pixels a second, encoding included, of every shipped model at x2 and x4.

    model_plot.py PROGRAMS SET5 OUT.svg [--figures FILE.json]

Measures, writes FILE.json (which a later call takes instead of measuring what is in it) and draws.
"""

import argparse
import json
import math
import pathlib
import subprocess

from model_psnr import psnr

SCALES = (2, 4)
FILTERS = ("bicubic", "lanczos")  # so fast that everything else would be one spot
SIDE = 256  # of the input whose time is taken
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 460, 330, 52, 34, 44


def speed(programs, model, scale):
    command = [programs / "hiif-eval", "speed", "--model", model, "--size", str(SIDE), "--scale", str(scale), "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["output_pixels_per_s"]


def measured(programs, model, set5):
    return {"psnr": dict(zip(map(str, (2, 3, 4)), psnr(programs, model, set5))),
            "speed": {str(scale): speed(programs, model, scale) for scale in SCALES}}  # fmt: skip


def ticks(low, high, step):
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def panel(figures, scale, left):
    """One scale's points as SVG: pixels a second, logarithmic, to the right; dB upwards."""
    points = {name: (f["speed"][str(scale)] / 1e3, f["psnr"][str(scale)]) for name, f in figures.items()}
    xs, ys = zip(*((math.log2(x), y) for x, y in points.values()))
    x0, x1, y0, y1 = min(xs) - 0.5, max(xs) + 1.3, min(ys) - 0.15, max(ys) + 0.15
    inner = WIDTH - LEFT - 10
    place = lambda x, y: (left + LEFT + (x - x0) / (x1 - x0) * inner,  # noqa: E731
                          HEIGHT - BOTTOM - (y - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM))  # fmt: skip
    out = [f'<text x="{left + LEFT}" y="20" font-weight="bold">x{scale}</text>',
           f'<text x="{left + LEFT + inner}" y="{HEIGHT - 8}" text-anchor="end">thousand output pixels a second</text>',
           f'<text x="{left + 6}" y="{TOP - 4}">dB</text>']  # fmt: skip
    for y in ticks(y0, y1, 0.5):
        _, v = place(x0, y)
        out.append(f'<path d="M{left + LEFT} {v:.1f}h{inner}" stroke="#ddd"/>'
                   f'<text x="{left + LEFT - 6}" y="{v + 4:.1f}" text-anchor="end">{y:.1f}</text>')  # fmt: skip
    for x in ticks(x0, x1, 1):
        u, _ = place(x, y0)
        out.append(f'<path d="M{u:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#eee"/><text x="{u:.1f}" '
                   f'y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{2**x:g}</text>')  # fmt: skip
    for name, (x, y) in points.items():
        u, v = place(math.log2(x), y)
        right = u > left + LEFT + 0.62 * inner
        # Nothing is both faster and better.
        best = not any(a > x and b > y for a, b in points.values())
        out.append(f'<circle cx="{u:.1f}" cy="{v:.1f}" r="4.5" fill="{"#c33" if best else "#999"}"/>'
                   f'<text x="{u + (-8 if right else 8):.1f}" y="{v + (16 if right else -6):.1f}" text-anchor="{"end" if right else "start"}">'
                   f"{name}</text>")  # fmt: skip
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", type=pathlib.Path)
    parser.add_argument("set5", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--figures", type=pathlib.Path)
    arguments = parser.parse_args()
    figures = json.loads(arguments.figures.read_text()) if arguments.figures and arguments.figures.exists() else {}
    # Those that are trained for something else are not judged by Set5.
    for path in sorted(pathlib.Path("models").glob("*.safetensors")):
        if path.stem not in figures and path.stem not in FILTERS and not path.stem.endswith("-photo"):
            figures[path.stem] = measured(arguments.programs, path.stem, arguments.set5)
    if arguments.figures:
        arguments.figures.write_text(json.dumps(figures, indent=1) + "\n")
    for name, f in figures.items():
        print(f"| `{name}` | " + " / ".join(f"{f['psnr'][s]:.2f}" for s in ("2", "3", "4")) + " | "
              + " / ".join(f"{f['speed'][str(s)] / 1e3:.0f}" for s in SCALES) + " |")  # fmt: skip
    panels = "\n".join(panel(figures, scale, i * WIDTH) for i, scale in enumerate(SCALES))
    arguments.out.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/>\n{panels}\n</svg>\n')  # fmt: skip


main()
