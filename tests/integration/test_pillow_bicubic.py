"""ResizeBicubic, by way of hiif-data resize, against Pillow's BICUBIC."""

import pathlib
import random
import subprocess

import numpy
import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
HIIF_DATA = ROOT / "build" / "release" / "bin" / "hiif-data"
EXAMPLE = ROOT / "examples" / "chelsea.png"


def ours(image, size, folder):
    source = folder / "source.png"
    result = folder / "result.ppm"
    image.save(source)
    subprocess.run([HIIF_DATA, "resize", source, result, str(size[0]), str(size[1])], check=True)
    return numpy.asarray(Image.open(result)).astype(int)


def pillows(image, size):
    """Rows first, as every Pillow before 13 does: since then it begins with the columns where that
    is less work, which rounds elsewhere. A resize of one axis has no order."""
    rows = image.resize((size[0], image.height), Image.BICUBIC)
    return numpy.asarray(rows.resize(size, Image.BICUBIC)).astype(int)


@pytest.mark.parametrize("scale", [1.0, 1.3, 2.0, 2.5, 3.0, 3.7, 4.0, 8.0])
def test_a_photograph_made_smaller_as_for_training_and_evaluation(scale, tmp_path):
    image = Image.open(EXAMPLE).convert("RGB")
    size = (int(image.width / scale), int(image.height / scale))
    # In one call, whatever Pillow is installed.
    expected = numpy.asarray(image.resize(size, Image.BICUBIC)).astype(int)
    assert numpy.abs(ours(image, size, tmp_path) - expected).max() <= 1
    assert (ours(image, size, tmp_path) == pillows(image, size)).all()


@pytest.mark.parametrize("scale", [(2, 2), (1.7, 3.1), (4, 1), (0.5, 2.5)])
def test_a_photograph_made_larger(scale, tmp_path):
    image = Image.open(EXAMPLE).convert("RGB").crop((50, 40, 170, 130))
    size = (round(image.width * scale[0]), round(image.height * scale[1]))
    assert (ours(image, size, tmp_path) == pillows(image, size)).all()


def test_noise_of_random_sizes(tmp_path):
    chance = random.Random(7)
    for _ in range(40):
        width, height = chance.randint(1, 70), chance.randint(1, 70)
        size = chance.randint(1, 150), chance.randint(1, 150)
        generator = numpy.random.default_rng(chance.randrange(2**32))
        image = Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=numpy.uint8))
        assert (ours(image, size, tmp_path) == pillows(image, size)).all(), (width, height, size)
