"""What the programs of this folder share: servers, requests, and how a figure is printed."""

import argparse
import atexit
import io
import pathlib
import random
import shutil
import sys
import tempfile
import time

import numpy
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "testing"))

from processes import assemble, make_stubs, run_server  # noqa: E402,F401

FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="hiif-bench-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
make_stubs(FOLDER)

from hiif.v1 import super_resolution_pb2 as pb  # noqa: E402


def picture(width, height, seed=0):
    """A PNG cut from the example photograph, with noise so that every seed is another image."""
    source = Image.open(ROOT / "examples" / "chelsea.png").convert("RGB").resize((512, 512))
    rng = random.Random(seed)
    left, top = rng.randint(0, 512 - width), rng.randint(0, 512 - height)
    pixels = numpy.asarray(source.crop((left, top, left + width, top + height))).astype(int)
    noise = numpy.random.default_rng(seed).integers(-3, 4, pixels.shape)
    out = io.BytesIO()
    Image.fromarray(numpy.clip(pixels + noise, 0, 255).astype(numpy.uint8)).save(out, "PNG")
    return out.getvalue()


def picture_of(width, height, seed):
    """A photograph of any size: the example, enlarged, with noise so that every seed is another image."""
    source = Image.open(ROOT / "examples" / "chelsea.png").convert("RGB").resize((width, height))
    noise = numpy.random.default_rng(seed).integers(-3, 4, (height, width, 3))
    out = io.BytesIO()
    Image.fromarray(numpy.clip(numpy.asarray(source) + noise, 0, 255).astype(numpy.uint8)).save(
        out, "PNG", compress_level=1)
    return out.getvalue()


def request(image, scale, **parameters):
    """An Upscale by one factor."""
    return pb.UpscaleRequest(
        image=pb.ImageSource(encoded=image),
        parameters=pb.UpscaleParameters(scale=pb.Scale(rx=scale), **parameters))


def metric(server, name):
    """One series without labels."""
    import requests
    for line in requests.get(server.management + "/metrics", timeout=10).text.splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise KeyError(name)


def wait_for(condition, seconds=60):
    """Until it is so; AssertionError after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def arguments(description, **defaults):
    """Flags of a program: numbers with defaults, so that a short form is a matter of flags."""
    parser = argparse.ArgumentParser(description=description)
    for name, value in defaults.items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(value), default=value)
    return parser.parse_args()


def verdict(name, ok, text):
    """The last line, and the exit status."""
    print(f"{name}: {'ok' if ok else 'FALLS SHORT'}: {text}", flush=True)
    sys.exit(0 if ok else 1)
