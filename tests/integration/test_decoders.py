"""The paper's other decoders and the filters through a real server, from converted recorded weights."""

import os
import pathlib
import subprocess
import sys

import numpy
import pytest
from PIL import Image

from processes import ROOT, assemble, hiif

SHARED = pathlib.Path(os.environ.get("HIIF_SHARED", ROOT.parent / "shared"))
RECORDED = SHARED / "recorded" / "decoders"
NAMES = sorted(path.name.split(".")[0] for path in RECORDED.glob("*.weights.safetensors"))
TILES = (16, 48, 100, 4096)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Native checkpoints of the recorded weights, and the filters."""
    folder = tmp_path_factory.mktemp("models")
    for name in NAMES:
        command = [sys.executable, ROOT / "scripts" / "lib" / "convert_checkpoint.py",
                   RECORDED / f"{name}.weights.safetensors", folder / f"{name}.safetensors"]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    for name in ("bicubic", "lanczos"):
        (folder / f"{name}.safetensors").symlink_to(ROOT / "models" / f"{name}.safetensors")
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "small.png"
    Image.open(ROOT / "examples" / "chelsea.png").convert("RGB").crop((70, 40, 102, 65)).save(path)
    return path


@pytest.fixture(scope="module")
def serving(models, tmp_path_factory):
    from processes import run_server
    with run_server(tmp_path_factory.mktemp("serving"), "--default-model", "bicubic", model_dir=models) as running:
        yield running


@pytest.mark.parametrize("name", [*NAMES, "bicubic", "lanczos"])
def test_tiles_queries_and_the_command_line_agree_to_the_bit(serving, small, tmp_path, name):
    from hiif.v1 import super_resolution_pb2 as pb
    source = pb.ImageSource(encoded=small.read_bytes())

    def upscale(tile_size):
        parameters = pb.UpscaleParameters(scale=pb.Scale(rx=2.7, ry=3.1), tile_size=tile_size, model=name)
        return assemble(serving.stub().Upscale(pb.UpscaleRequest(image=source, parameters=parameters), timeout=120))

    header, whole, _ = upscale(TILES[0])
    assert (header.output_width, header.output_height) == (86, 78) and header.model == name
    for tile_size in TILES[1:]:
        assert (upscale(tile_size)[1] == whole).all(), tile_size
    out = tmp_path / "out.png"
    hiif("upscale", small, "-o", out, "--scale-x", 2.7, "--scale-y", 3.1, "-n", name, "--server", serving.address)
    assert (numpy.asarray(Image.open(out)) == whole).all()


def test_filters_are_those_of_pillow(serving, small):
    from hiif.v1 import super_resolution_pb2 as pb
    for name, filter_ in (("bicubic", Image.BICUBIC), ("lanczos", Image.LANCZOS)):
        parameters = pb.UpscaleParameters(scale=pb.Scale(rx=2.7, ry=3.1), model=name)
        request = pb.UpscaleRequest(image=pb.ImageSource(encoded=small.read_bytes()), parameters=parameters)
        _, image, _ = assemble(serving.stub().Upscale(request, timeout=60))
        pillow = numpy.asarray(Image.open(small).resize(image.shape[1::-1], filter_)).astype(int)
        assert numpy.abs(pillow - image.astype(int)).max() <= 2  # it rounds between rows and columns


def test_models_say_what_they_are(serving):
    from hiif.v1 import super_resolution_pb2 as pb
    models = {m.name: m for m in serving.stub().ListModels(pb.ListModelsRequest(), timeout=10).models}
    assert set(models) == {*NAMES, "bicubic", "lanczos"}
    for name, model in models.items():
        assert model.state == pb.MODEL_STATE_READY, (name, model.error)
        assert model.decoder == name.split("-")[0]
    assert models["bicubic"].encoder == "none" and models["bicubic"].parameters == 0


@pytest.mark.skipif(not NAMES, reason=f"{RECORDED} is not here")
def test_what_the_decoder_cannot_enlarge_is_refused(serving, tmp_path):
    """CLIT's stages end at 4^3; the answer says so, and the server lives on."""
    tiny = tmp_path / "tiny.png"
    Image.new("RGB", (3, 2), (200, 30, 90)).save(tiny)
    ran = hiif("upscale", tiny, "-o", tmp_path / "out.png", "-W", 3 * 65, "-H", 2 * 65, "-n", "clit-edsr-baseline",
               "--server", serving.address, check=None)
    assert ran.returncode != 0 and "64" in ran.stderr, ran.stderr
    hiif("upscale", tiny, "-o", tmp_path / "out.png", "-W", 3 * 20, "-H", 2 * 20, "-n", "clit-edsr-baseline",
         "--server", serving.address)
