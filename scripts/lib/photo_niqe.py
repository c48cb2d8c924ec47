"""NIQE (Mittal, Soundararajan and Bovik, 2013; by scikit-video) of photographs enlarged from small JPEGs: Lanczos, the
model for clean pictures, and the model for photographs at its strengths. Less is more natural.

photo_niqe.py HIIF FOLDER PHOTOGRAPH...: writes small pictures, their enlargements and sheet.png to FOLDER.
"""

import pathlib
import subprocess
import sys

import numpy
import scipy.misc
from PIL import Image

# What scikit-video 1.1.10 takes from old releases of both.
numpy.int, numpy.float = int, float
scipy.misc.imresize = lambda image, factor, interp, mode: numpy.asarray(Image.fromarray(image, mode).resize(
    (int(image.shape[1] * factor), int(image.shape[0] * factor)), Image.Resampling.BICUBIC))
from skvideo.measure import niqe

CLEAN, PHOTO = "edsr-baseline-hiif-fast", "edsr-baseline-hiif-photo"
SCALES = ["2.7", "4"]
SIDE, QUALITY = 320, 80  # of the small picture


def enlarge(program, small, out, scale, *options):
    subprocess.run([program, "upscale", small, "-o", out, "--scale", scale, "--exists", "overwrite", "--quiet", *options],
                   check=True)


def naturalness(path):
    return float(niqe(numpy.asarray(Image.open(path).convert("L"), numpy.float32))[0])


def main():
    program, folder, photographs = sys.argv[1], pathlib.Path(sys.argv[2]), [pathlib.Path(p) for p in sys.argv[3:]]
    worse, rows = [], []
    for photograph in photographs:
        # The wallpapers of one package are all called by their size.
        name = photograph.stem if not photograph.stem[0].isdigit() else photograph.parents[2].name
        small = folder / f"{name}.jpg"
        image = Image.open(photograph).convert("RGB")
        image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        image.save(small, quality=QUALITY)
        for scale in SCALES:
            outs = {kind: folder / f"{name}-x{scale}-{kind}.png" for kind in ("lanczos", "clean", "0", "0.5", "1")}
            enlarge(program, small, outs["lanczos"], scale, "--model", "lanczos")
            enlarge(program, small, outs["clean"], scale, "--model", CLEAN)
            for strength in ("0", "0.5", "1"):
                enlarge(program, small, outs[strength], scale, "--model", PHOTO, "--strength", strength)
            values = {kind: naturalness(path) for kind, path in outs.items()}
            rows.append(values)
            print(f"{name} x{scale}: " + ", ".join(f"{kind} {value:.2f}" for kind, value in values.items()), flush=True)
            if values["1"] >= min(values["lanczos"], values["clean"], values["0"]):
                worse.append(f"{name} x{scale}")
    means = {kind: sum(row[kind] for row in rows) / len(rows) for kind in rows[0]}
    print("mean: " + ", ".join(f"{kind} {value:.2f}" for kind, value in means.items()))
    better = {kind: sum(row["1"] < row[kind] for row in rows) for kind in ("lanczos", "clean", "0")}
    print(f"NIQE: of {len(rows)} enlargements at strength 1 {better['lanczos']} are better than Lanczos, {better['clean']} than "
          f"{CLEAN}, {better['0']} than strength 0; {len(rows) - len(worse)} than all of these"
          + (f", not {', '.join(worse)}" if worse else ""))
    sys.exit(bool(worse))


main()
