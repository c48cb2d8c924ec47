"""A teacher of Real-ESRGAN's kind in hiif-data cache: what is kept is what PyTorch's layers say of the same patch."""

import json
import pathlib
import struct
import subprocess
import sys

import numpy
import pytest
import torch
from PIL import Image
from torch.nn import functional

from processes import BIN, ROOT

sys.path.insert(0, str(ROOT / "scripts/lib"))
import convert_checkpoint

FEATURES, GROWTH, BLOCKS = 16, 8, 2


def parameters(generator):
    shapes = {"conv_first": (3, FEATURES), "conv_body": (FEATURES, FEATURES), "conv_up1": (FEATURES, FEATURES),
              "conv_up2": (FEATURES, FEATURES), "conv_hr": (FEATURES, FEATURES), "conv_last": (FEATURES, 3)}
    for block in range(BLOCKS):
        for dense in (1, 2, 3):
            for i in range(1, 6):
                shapes[f"body.{block}.rdb{dense}.conv{i}"] = (FEATURES + (i - 1) * GROWTH, GROWTH if i < 5 else FEATURES)
    tensors = {}
    for name, (inputs, outputs) in shapes.items():
        tensors[name + ".weight"] = torch.randn(outputs, inputs, 3, 3, generator=generator) * 0.5 / (3 * inputs**0.5)
        tensors[name + ".bias"] = torch.randn(outputs, generator=generator) * 0.1
    return tensors


def enlarge(tensors, x):
    """RRDBNet as published (ESRGAN, section 3.1): dense blocks whose residuals count a fifth."""
    def conv(y, name):
        return functional.conv2d(y, tensors[name + ".weight"], tensors[name + ".bias"], padding=1)

    first = conv(x, "conv_first")
    y = first
    for block in range(BLOCKS):
        before = y
        for dense in (1, 2, 3):
            seen = [y]
            for i in range(1, 5):
                seen.append(functional.leaky_relu(conv(torch.cat(seen, 1), f"body.{block}.rdb{dense}.conv{i}"), 0.2))
            y = y + 0.2 * conv(torch.cat(seen, 1), f"body.{block}.rdb{dense}.conv5")
        y = before + 0.2 * y
    y = first + conv(y, "conv_body")
    for name in ("conv_up1", "conv_up2"):
        y = functional.leaky_relu(conv(functional.interpolate(y, scale_factor=2, mode="nearest"), name), 0.2)
    return conv(functional.leaky_relu(conv(y, "conv_hr"), 0.2), "conv_last")


def records(path):
    """(patch, what the one teacher says) of every photograph of a cache (train/latent_cache.h)."""
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    settings = json.loads(data[16 : 16 + length])
    side, channels, (scale,) = settings["patch"], settings["channels"], settings["scales"]
    patch, original, output = side * side * 3, 16 * side * side * 3, (scale * side) ** 2 * 3
    stride = -(-(12 + patch + original + output + 4 * channels * side * side) // 64) * 64
    for begin in range(16 + length, len(data), stride):
        place = begin + 12
        yield (numpy.frombuffer(data, "u1", patch, place).reshape(side, side, 3),
               numpy.frombuffer(data, "u1", output, place + patch + original).reshape(scale * side, scale * side, 3))


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    Image.open(ROOT / "examples/chelsea.png").convert("RGB").save(folder / "cat.png")
    subprocess.run([BIN / "hiif-data", "pack", folder, "-o", folder / "photos.pack", "--min-side", "96"], check=True)
    return folder / "photos.pack"


def make(pack, teacher, output):
    return subprocess.run(
        [BIN / "hiif-data", "cache", pack, "-o", output, "--records", "3", "--patch", "24", "--patterns", "0",
         "--degrade", "1", "--encoder", ROOT / "models/edsr-baseline-hiif-fast.safetensors", "--teachers", teacher],
        capture_output=True, text=True)


def test_keeps_what_the_published_network_says(pack, tmp_path):
    tensors = parameters(torch.Generator().manual_seed(1))
    convert_checkpoint.write(str(tmp_path / "teacher.safetensors"), tensors, {"decoder": "rrdbnet"}, torch.float32)
    done = make(pack, tmp_path / "teacher.safetensors", tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    seen = 0
    for patch, kept in records(tmp_path / "cache"):
        image = torch.from_numpy(patch.copy()).permute(2, 0, 1)[None].float() / 255
        said = enlarge(tensors, image)[0].clamp(0, 1).permute(1, 2, 0).numpy() * 255
        assert said.std() > 1  # not a grey square
        assert numpy.abs(said - kept).max() < 0.51
        seen += 1
    assert seen == 3


@pytest.mark.parametrize("spoil, says", [
    (lambda t: t.pop("conv_hr.weight"), "conv_hr.weight"),
    (lambda t: t.pop("body.1.rdb2.conv3.bias"), "body.1.rdb2.conv3.bias"),
    (lambda t: t.update({"body.0.rdb1.conv5.weight": torch.zeros(GROWTH, FEATURES, 3, 3)}), "body.0.rdb1.conv5.weight"),
    (lambda t: t.clear() or t.update({"other": torch.zeros(1)}), "missing"),
])
def test_a_network_that_is_not_whole_is_named(pack, tmp_path, spoil, says):
    tensors = parameters(torch.Generator().manual_seed(1))
    spoil(tensors)
    convert_checkpoint.write(str(tmp_path / "teacher.safetensors"), tensors, {"decoder": "rrdbnet"}, torch.float32)
    done = make(pack, tmp_path / "teacher.safetensors", tmp_path / "cache")
    assert done.returncode == 1
    assert says in done.stderr
    assert not (tmp_path / "cache").exists()
