"""Pictures of which photographs hold little (dither, screentone, halftone, text, thin lines, noise, gradients) through
every shipped model at scales from 1 to 8, by the command line and a private server: the mean stays, nothing overshoots,
grey stays grey, what repeats in the input repeats in the output.

    patterns.py PROGRAMS [MODEL...] [--scales 2,4] [--keep FOLDER]
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy
from PIL import Image, ImageDraw, ImageFont

SCALES = "1,1.5,2,2.7,3,4,5.5,8"
HEIGHT, WIDTH = 40, 56  # no multiple of a transformer's windows
MEAN = 3.0  # levels that the mean of a channel may move
OVERSHOOT = 0.12  # of the step between the darkest and the lightest of the input
ROUNDING = 1.0  # levels
COLOUR = 6.0  # levels between channels of a grey input's output, 99 of 100 pixels
SEAM = 3.0  # levels between the means of cells that repeat

y, x = numpy.mgrid[:HEIGHT, :WIDTH].astype(float)
random = numpy.random.default_rng(1)


def bayer(bits):
    matrix = numpy.zeros((1, 1))
    for _ in range(bits):
        matrix = numpy.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    side = 2**bits
    return numpy.tile((matrix + 0.5) / side**2, (HEIGHT // side + 1, WIDTH // side + 1))[:HEIGHT, :WIDTH]


def floyd_steinberg(tone):
    tone = tone.copy()
    for i in range(HEIGHT):
        for j in range(WIDTH):
            ink = float(tone[i, j] > 0.5)
            error, tone[i, j] = tone[i, j] - ink, ink
            for di, dj, part in ((0, 1, 7), (1, -1, 3), (1, 0, 5), (1, 1, 1)):
                if i + di < HEIGHT and 0 <= j + dj < WIDTH:
                    tone[i + di, j + dj] += error * part / 16
    return tone


def smaller(function):
    """Of 8 x 8 points a pixel, by Pillow's bicubic."""
    v, u = (numpy.mgrid[: HEIGHT * 8, : WIDTH * 8] + 0.5) / 8
    large = Image.fromarray((function(v, u) * 255).astype(numpy.uint8))
    return numpy.asarray(large.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)) / 255


def halftone(v, u):
    a, b = (u + v) / 8, (u - v) / 8
    return numpy.hypot(a - a.round(), b - b.round()) < 0.3


def text():
    image = Image.new("L", (WIDTH, HEIGHT), 0)
    ImageDraw.Draw(image).multiline_text((2, 0), "Hamburg\n1234 &?\nefontsi", fill=255, font=ImageFont.load_default())
    return numpy.asarray(image) / 255


# Name: values in [0,1], and the side of the cell that repeats (0: none).
PATTERNS = {
    "checkerboard-1": ((x + y) % 2, 8),
    "checkerboard-2": ((x // 2 + y // 2) % 2, 8),
    "checkerboard-4": ((x // 4 + y // 4) % 2, 8),
    "bayer-30": ((bayer(2) < 0.3).astype(float), 8),
    "bayer-ramp": ((bayer(3) < x / WIDTH).astype(float), 0),
    "error-diffusion-25": (floyd_steinberg(numpy.full_like(x, 0.25)), 0),
    "error-diffusion-ramp": (floyd_steinberg(x / WIDTH), 0),
    "screentone-1-of-3": (((x % 3 == 0) & (y % 3 == 0)).astype(float), 0),
    "screentone-2-of-4": (((x % 4 < 2) & (y % 4 < 2)).astype(float), 8),
    "halftone": (smaller(halftone), 8),
    "lines-1-of-2": (x % 2, 8),
    "lines-1-of-3": ((y % 3 == 0).astype(float), 0),
    "lines-1-of-8": ((x % 8 == 3).astype(float), 8),
    "diagonals": (((x + y) % 8 == 0).astype(float), 8),
    "text": (text(), 0),
    "noise": (numpy.clip(0.5 + 0.06 * random.standard_normal(x.shape), 0, 1), 0),
    "faint-noise": (0.5 + 0.01 * random.standard_normal(x.shape), 0),
    "gradient": (x / (WIDTH - 1), 0),
    "edge": ((x >= WIDTH // 2).astype(float), 0),
    "flat": (numpy.full_like(x, 0.5), 8),
}
# Black and white, where clipping hides what overshoots but dither is mostly met; and two greys.
INKS = {"full": (0, 255), "grey": (64, 192)}


def judge(low, high, cell):
    """(check, how far, allowed) of an output against its input, both of 8 bits."""
    low, high = low.astype(float), high.astype(float)
    yield "mean", abs(high.mean((0, 1)) - low.mean((0, 1))).max(), MEAN
    step = low.max() - low.min()
    yield "overshoot", max(low.min() - high.min(), high.max() - low.max()), OVERSHOOT * step + ROUNDING
    yield "colour", numpy.percentile(high.max(2) - high.min(2), 99), COLOUR
    if cell:  # whole cells, away from the border
        scale = high.shape[0] / HEIGHT
        edges = [round(i * scale) for i in range(cell, HEIGHT - cell + 1, cell)]
        sides = [round(i * scale) for i in range(cell, WIDTH - cell + 1, cell)]
        means = [[high[a:b, c:d].mean() for c, d in zip(sides, sides[1:])] for a, b in zip(edges, edges[1:])]
        # A cell of a fraction of pixels holds a little more or less of its pattern.
        if all(float(i * scale).is_integer() for i in range(cell, WIDTH, cell)):
            yield "seam", numpy.max(means) - numpy.min(means), SEAM


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", type=pathlib.Path)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--model-dir", default="models")
    parser.add_argument("--scales", default=SCALES)
    parser.add_argument("--keep", help="leave the pictures in this folder")
    arguments = parser.parse_args()
    models = arguments.models or sorted(
        p.stem for p in pathlib.Path(arguments.model_dir).glob("*.safetensors") if p.stat().st_size > 1 << 16)  # networks
    failed = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(arguments.keep or temporary)
        source = folder / "in"
        source.mkdir(parents=True, exist_ok=True)
        inputs = {}
        for name, (values, cell) in PATTERNS.items():
            for inks, (dark, light) in INKS.items():
                grey = numpy.round(dark + (light - dark) * values).astype(numpy.uint8)
                inputs[f"{name}.{inks}"] = (numpy.repeat(grey[..., None], 3, 2), cell)
                Image.fromarray(inputs[f"{name}.{inks}"][0]).save(source / f"{name}.{inks}.png")
        for model in models:
            worst = {}
            for scale in arguments.scales.split(","):
                out = folder / model / scale
                ran = subprocess.run([arguments.programs / "hiif", "upscale", source, "-o", out, "--scale", scale,
                                      "--model", model, "--model-dir", arguments.model_dir, "--name", "{stem}.{ext}",
                                      "--exists", "overwrite"], capture_output=True, text=True)  # fmt: skip
                if ran.returncode:
                    sys.exit(f"patterns: {model} x{scale}: hiif upscale failed: {ran.stderr[-1000:]}")
                for name, (low, cell) in inputs.items():
                    high = numpy.asarray(Image.open(out / f"{name}.png").convert("RGB"))
                    for check, value, allowed in judge(low, high, cell):
                        if value > allowed:
                            failed.append(f"{model} x{scale} {name}: {check} {value:.1f}, allowed {allowed:.1f}")
                        worst[check] = max(worst.get(check, (0, 0, "")), (value / allowed, value, f"{name} x{scale}"))
            print(f"{model}: " + "; ".join(f"{check} {value:.1f} ({what}, {100 * part:.0f} % of what is allowed)"
                                           for check, (part, value, what) in worst.items()), flush=True)  # fmt: skip
    for line in failed:
        print(f"  {line}")
    count = f"{len(models)} models, {len(PATTERNS) * len(INKS)} patterns, scales {arguments.scales}"
    print(f"patterns: FALLS SHORT: {len(failed)} of {count}" if failed else f"patterns: ok: {count}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
