"""The paper's other decoders and the filters through a real server, from converted recorded weights."""

import os
import pathlib
import re
import subprocess

import numpy
import pytest
from PIL import Image

from conversion import convert
from processes import BIN, ROOT, assemble, hiif, run_server

SHARED = pathlib.Path(os.environ.get("HIIF_SHARED", ROOT.parent / "shared"))
RECORDED = SHARED / "recorded" / "decoders"
NAMES = sorted(path.name.split(".")[0] for path in RECORDED.glob("*.weights.safetensors"))
FILTERS = ["bicubic", "lanczos"]
# The same weights asked in integers, which is what a Query is asked in.
EXACT = [f"{name}-exact" for name in NAMES if name.endswith("edsr-baseline")]
ONE_STAGE = "clit-one-stage"
TILES = (16, 48, 4096)

needs_recordings = pytest.mark.skipif(not NAMES, reason=f"{RECORDED} is not here")


def one_stage(folder):
    """CLIT without its later stages: it enlarges by 4 at most."""
    import convert_checkpoint
    import torch
    tensors, _ = convert_checkpoint.read_safetensors(RECORDED / "clit-edsr-baseline.weights.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if not re.match(r"(conv_[qkv]s|imnets)\.[1-9]", name)}
    torch.save({"model": {"name": "clit", "args": {}, "sd": kept}}, folder / "one.pth")
    assert not convert(folder / "one.pth", folder / f"{ONE_STAGE}.safetensors")
    (folder / "one.pth").unlink()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Native checkpoints of the recorded weights, and the filters."""
    pytest.importorskip("torch", reason="needs PyTorch to convert the recorded weights")
    folder = tmp_path_factory.mktemp("models")
    for name in NAMES + EXACT:
        weights = RECORDED / f"{name.removesuffix('-exact')}.weights.safetensors"
        options = ["--coordinates", "exact"] if name in EXACT else []
        assert not convert(weights, folder / f"{name}.safetensors", *options)
    if NAMES:
        one_stage(folder)
    for name in FILTERS:
        (folder / f"{name}.safetensors").write_bytes((ROOT / "models" / f"{name}.safetensors").read_bytes())
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "small.png"
    Image.open(ROOT / "examples" / "chelsea.png").convert("RGB").crop((70, 40, 102, 65)).save(path)
    return path


@pytest.fixture(scope="module")
def serving(models, tmp_path_factory):
    with run_server(tmp_path_factory.mktemp("serving"), "--default-model", "bicubic", model_dir=models) as running:
        yield running


def upscale(serving, small, name, **parameters):
    from hiif.v1 import super_resolution_pb2 as pb
    parameters = pb.UpscaleParameters(scale=pb.Scale(rx=2.7, ry=3.1), model=name, **parameters)
    request = pb.UpscaleRequest(image=pb.ImageSource(encoded=small.read_bytes()), parameters=parameters)
    return assemble(serving.stub().Upscale(request, timeout=120))[:2]


@pytest.mark.parametrize("name", [*NAMES, *FILTERS])
def test_tiles_regions_and_the_command_line_agree_to_the_bit(serving, small, tmp_path, name):
    from hiif.v1 import super_resolution_pb2 as pb
    header, whole = upscale(serving, small, name, tile_size=TILES[0], sample_type=pb.SAMPLE_TYPE_F32)
    assert (header.output_width, header.output_height) == (86, 78) and header.model == name
    for tile_size in TILES[1:]:
        assert (upscale(serving, small, name, tile_size=tile_size, sample_type=pb.SAMPLE_TYPE_F32)[1] == whole).all(), tile_size
    region = upscale(serving, small, name, sample_type=pb.SAMPLE_TYPE_F32, region=pb.Region(x=31, y=17, width=23, height=40))[1]
    assert (region == whole[17:57, 31:54]).all()
    out = tmp_path / "out.png"
    hiif("upscale", small, "-o", out, "--scale-x", 2.7, "--scale-y", 3.1, "-n", name, "--server", serving.address)
    assert (numpy.asarray(Image.open(out)) == upscale(serving, small, name, tile_size=48)[1]).all()


@pytest.mark.parametrize("name", [*EXACT, *FILTERS])
def test_a_query_at_the_pixels_is_the_picture(serving, small, name):
    from hiif.v1 import super_resolution_pb2 as pb
    _, whole = upscale(serving, small, name, sample_type=pb.SAMPLE_TYPE_F32)
    rows, columns = whole.shape[:2]
    places = [(0, 0), (77, 85), (31, 17), (9, 40), (50, 3)]
    coordinates = [c for y, x in places for c in ((2 * y + 1) / rows - 1, (2 * x + 1) / columns - 1)]
    request = pb.QueryRequest(image=pb.ImageSource(encoded=small.read_bytes()), model=name, coordinates=coordinates,
                              cell_row=2 / rows, cell_column=2 / columns)
    rgb = numpy.array(serving.stub().Query(request, timeout=60).rgb, numpy.float32).reshape(-1, 3)
    assert (rgb == [whole[y, x] for y, x in places]).all()


def test_filters_are_those_of_pillow(serving, small):
    for name, filter_ in (("bicubic", Image.BICUBIC), ("lanczos", Image.LANCZOS)):
        _, image = upscale(serving, small, name)
        pillow = numpy.asarray(Image.open(small).resize(image.shape[1::-1], filter_)).astype(int)
        assert numpy.abs(pillow - image.astype(int)).max() <= 2  # it rounds between rows and columns


def test_models_say_what_they_are(serving):
    from hiif.v1 import super_resolution_pb2 as pb
    models = {m.name: m for m in serving.stub().ListModels(pb.ListModelsRequest(), timeout=10).models}
    assert set(models) == {*NAMES, *EXACT, *FILTERS, *([ONE_STAGE] if NAMES else [])}
    for name, model in models.items():
        assert model.state == pb.MODEL_STATE_READY, (name, model.error)
        assert model.decoder == name.split("-")[0] and model.backend == "torch" and model.precision == "float32"
    assert models["bicubic"].encoder == "none" and models["bicubic"].parameters == 0


@needs_recordings
def test_what_the_decoder_cannot_enlarge_is_refused(serving, tmp_path):
    """The answer says so before anything is computed, and what is allowed is served."""
    import grpc
    from hiif.v1 import super_resolution_pb2 as pb
    tiny = tmp_path / "tiny.png"
    Image.new("RGB", (3, 2), (200, 30, 90)).save(tiny)
    arguments = ["upscale", tiny, "-o", tmp_path / "out.png", "-n", ONE_STAGE, "--server", serving.address]
    ran = hiif(*arguments, "-W", 3 * 5, "-H", 2 * 5, check=None)
    assert ran.returncode != 0 and "enlarges by 4 at most" in ran.stderr, ran.stderr
    hiif(*arguments, "-W", 3 * 4, "-H", 2 * 4)
    request = pb.QueryRequest(image=pb.ImageSource(encoded=tiny.read_bytes()), model=ONE_STAGE, coordinates=[0, 0],
                              cell_row=2 / (2 * 5), cell_column=2 / (3 * 5))
    with pytest.raises(grpc.RpcError) as refused:
        serving.stub().Query(request, timeout=60)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT and "at most" in refused.value.details()


@needs_recordings
def test_a_table_leaves_out_what_a_decoder_is_not_made_for(models, small, tmp_path):
    table = tmp_path / "tables.md"
    command = [BIN / "hiif-eval", "report", "--models", f"{models / ONE_STAGE}.safetensors,{models / 'bicubic'}.safetensors",
               "--data", small.parent, "--scales", "2,6", "--cost-size", "16", "--cost-scale", "2", "--tables", table]
    rows = [line for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
            if ONE_STAGE in line]
    assert [row.split("|")[5:7] for row in rows] == [[" 2 ", rows[0].split("|")[6]], [" 6 ", " beyond it "]]
    assert ONE_STAGE in table.read_text(encoding="utf-8")

