"""The model for photographs on Set14 whose low-resolution images were saved as JPEG 75, against the model for clean
images and against Lanczos: PSNR of Y by the protocol of docs/results.md."""

import io
import pathlib
import sys
import tempfile

import numpy
from PIL import Image

from model_psnr import SCALES, psnr

BIN, SHARED = map(pathlib.Path, sys.argv[1:3])
QUALITY = 75
ROWS = {"edsr-baseline-hiif-photo --faithful": ("edsr-baseline-hiif-photo", "--faithful"),
        "edsr-baseline-hiif": ("edsr-baseline-hiif",), "edsr-baseline-hiif-photo": ("edsr-baseline-hiif-photo",)}


def luma_psnr(image, original, shave):
    weights = numpy.array([65.738, 129.057, 25.064]) / 256
    difference = (numpy.asarray(image, float) - numpy.asarray(original, float)) / 255 @ weights
    return -10 * numpy.log10(numpy.mean(difference[shave:-shave, shave:-shave] ** 2))


def make_set(folder):
    """Set14 with its low-resolution images through JPEG; returns Lanczos' dB by scale."""
    lanczos = []
    for scale in SCALES:
        pairs = folder / f"image_SRF_{scale}"
        pairs.mkdir()
        values = []
        for low_path in sorted((SHARED / "data/Set14" / pairs.name).glob("*_LR.*")):
            high_path = low_path.with_name(low_path.name.replace("_LR.", "_HR."))
            coded = io.BytesIO()
            Image.open(low_path).convert("RGB").save(coded, "JPEG", quality=QUALITY)
            low = Image.open(coded).convert("RGB")
            low.save(pairs / (low_path.stem + ".png"))
            factor = int(scale)
            high = Image.open(high_path).convert("RGB").crop((0, 0, low.width * factor, low.height * factor))
            high.save(pairs / (high_path.stem + ".png"))
            values.append(luma_psnr(low.resize(high.size, Image.Resampling.LANCZOS), high, factor))
        lanczos.append(sum(values) / len(values))
    return lanczos


def main():
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary) / "Set14-JPEG75"
        folder.mkdir()
        rows = {"Lanczos": make_set(folder)}
        for name, (model, *options) in ROWS.items():
            rows[name] = psnr(BIN, model, folder, *options)
    for name, values in rows.items():
        print(f"{name}: " + ", ".join(f"x{s} {v:.3f}" for s, v in zip(SCALES, values)))
    lanczos, faithful, clean, _ = rows.values()
    lead = min(f - max(others) for f, *others in zip(faithful, clean, lanczos))
    print(f"PSNR: {'ok' if lead > 0 else 'FALLS SHORT'}: at strength 0 at least {lead:.2f} dB above Lanczos and the clean "
          f"model on Set14 through JPEG {QUALITY}, x2 to x4")
    sys.exit(lead <= 0)


main()
