"""Tiles of several requests in one call of the torch backend, as on a GPU: on the CPU, where it is asked for by name."""

import concurrent.futures
import io
import re
import shutil

import numpy
import pytest
import requests
from PIL import Image

from processes import ROOT, assemble

FLAGS = ("--backend", "torch", "--device", "cpu", "--precision", "float32", "--workers", "1", "--context-samples", "200")


def message(i):
    """A picture, factors and grid of its own."""
    from hiif.v1 import super_resolution_pb2 as pb
    file = io.BytesIO()
    picture = Image.open(ROOT / "examples" / "chelsea.png").convert("RGB")
    picture.crop((60 + 20 * i, 40, 72 + 21 * i, 53 + i)).save(file, "PNG")
    return pb.UpscaleRequest(
        image=pb.ImageSource(encoded=file.getvalue()),
        parameters=pb.UpscaleParameters(scale=pb.Scale(rx=1.5 + 0.4 * i, ry=3.1 - 0.3 * i), tile_size=16))


def batches(server):
    """Batches and requests in them, so far."""
    text = requests.get(server.management + "/metrics", timeout=10).text
    return [float(re.search(rf"^hiif_batch_requests_{what}(?:{{.*}})? (\S+)$", text, re.M)[1]) for what in ("count", "sum")]


@pytest.mark.parametrize("decoder", ["layers", "fused"])
def test_what_shares_a_call_is_as_alone(start_server, tmp_path, decoder):
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(ROOT / "models" / "edsr-baseline-hiif.safetensors", models)
    server = start_server(*FLAGS, model_dir=models, environment={"HIIF_CUDA_DECODER": decoder})
    count = 4

    def upscale(i):
        return assemble(server.stub().Upscale(message(i), timeout=120))[1]

    alone = [upscale(i) for i in range(count)]
    runs, jobs = batches(server)
    assert runs == jobs  # nobody to share with
    with concurrent.futures.ThreadPoolExecutor(2 * count) as pool:
        together = list(pool.map(upscale, [*range(count)] * 2))
    runs, jobs = (now - before for now, before in zip(batches(server), (runs, jobs)))
    assert jobs > runs, "no batch had tiles of two requests"
    for i, image in enumerate(together):
        assert (image == alone[i % count]).all()
    assert len({image.shape for image in alone}) == count
    assert all(numpy.ptp(image) > 20 for image in alone)
