"""Strength: between the faithful and the sharp network of a model for photographs, by every door."""

import concurrent.futures
import json
import struct
import urllib.error
import urllib.request

import grpc
import numpy
import pytest
from PIL import Image

from processes import ROOT, assemble, hiif

MODEL = "edsr-baseline-hiif-photo"


def request(photo, strength=None, factor=2.5, **parameters):
    from hiif.v1 import super_resolution_pb2 as pb
    message = pb.UpscaleRequest(
        image=pb.ImageSource(encoded=photo.read_bytes()),
        parameters=pb.UpscaleParameters(scale=pb.Scale(rx=factor), **{"model": MODEL, **parameters}))
    if strength is not None:
        message.parameters.strength = strength
    return message


def pixels(server, message):
    return assemble(server.stub().Upscale(message, timeout=120))[1].astype(int)


def refusal(server, message):
    with pytest.raises(grpc.RpcError) as error:
        list(server.stub().Upscale(message, timeout=60))
    return error.value.code(), error.value.details()


def test_it_leads_from_one_network_to_the_other(server, photo):
    faithful, half, sharp = (pixels(server, request(photo, s)) for s in (0, 0.5, 1))
    assert (pixels(server, request(photo)) == sharp).all()  # the default
    assert numpy.abs(faithful - sharp).mean() > 0.5
    inside = (numpy.minimum(faithful, sharp) > 0) & (numpy.maximum(faithful, sharp) < 255)  # not clipped
    assert inside.mean() > 0.5 and numpy.abs(half - (faithful + sharp) / 2)[inside].max() <= 1
    assert numpy.abs(pixels(server, request(photo, 0.01)) - faithful).mean() < 0.3


def test_the_ends_are_the_networks_by_themselves(server, photo, tmp_path):
    """What hiif-eval's checkpoints of one network give: the same file taken apart."""
    data = (ROOT / "models" / f"{MODEL}.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    metadata = header.pop("__metadata__")
    metadata.pop("data_sha256")
    for kind, wanted in (("faithful.", 0), ("", 1)):
        entries, values = {"__metadata__": metadata}, b""
        for name, entry in sorted(header.items()):
            if name.startswith("faithful.") != bool(kind):
                continue
            begin, end = entry["data_offsets"]
            entries[name.removeprefix("faithful.")] = {**entry, "data_offsets": [len(values), len(values) + end - begin]}
            values += data[8 + size + begin : 8 + size + end]
        text = json.dumps(entries).encode()
        (tmp_path / f"one{wanted}.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + values)
    for wanted in (0, 1):
        out = tmp_path / f"{wanted}.png"
        hiif("upscale", photo, "-o", out, "--scale", 2.5, "-n", f"one{wanted}", "--model-dir", tmp_path)
        assert (numpy.asarray(Image.open(out)) == pixels(server, request(photo, wanted))).all()


def test_tiles_regions_and_neighbours_do_not_show(server, photo):
    from hiif.v1 import super_resolution_pb2 as pb
    whole = pixels(server, request(photo, 0.3))
    assert (pixels(server, request(photo, 0.3, tile_size=32)) == whole).all()
    region = pb.Region(x=17, y=9, width=50, height=40)
    assert (pixels(server, request(photo, 0.3, region=region)) == whole[9:49, 17:67]).all()
    strengths = [0, 0.25, 0.5, 0.75, 1] * 3
    alone = {s: pixels(server, request(photo, s)) for s in set(strengths)}
    with concurrent.futures.ThreadPoolExecutor(len(strengths)) as pool:
        for strength, image in zip(strengths, pool.map(lambda s: pixels(server, request(photo, s)), strengths)):
            assert (image == alone[strength]).all()


def test_strengths_between_share_the_encoding(server, photo):
    fresh = photo.parent / "fresh.png"
    Image.open(photo).crop((3, 3, 40, 33)).save(fresh)
    trailers = [assemble(server.stub().Upscale(request(fresh, s), timeout=120))[2] for s in (0.25, 0.75, 1)]
    assert [t.features_cached for t in trailers] == [False, True, False]


def test_with_self_ensemble(server, photo):
    image = pixels(server, request(photo, 0.5, factor=1.5, self_ensemble=True))
    assert 0 < numpy.abs(image - pixels(server, request(photo, 0.5, factor=1.5))).mean() < 3


def test_a_stream_of_another_strength_is_not_gone_on_with(server, photo):
    message = request(photo, 0.5, tile_size=32)
    token = next(iter(server.stub().Upscale(message, timeout=60))).header.resume_token
    message.parameters.resume_token = token
    message.parameters.first_tile = 1
    assert len(list(server.stub().Upscale(message, timeout=60))) > 2
    message.parameters.strength = 0.6
    assert refusal(server, message)[0] == grpc.StatusCode.FAILED_PRECONDITION


def test_models_say_whether_they_have_one(server):
    from hiif.v1 import super_resolution_pb2 as pb
    models = {m.name: m for m in server.stub().ListModels(pb.ListModelsRequest(), timeout=60).models}
    assert [name for name, model in models.items() if model.has_strength] == [MODEL]
    one = models["edsr-baseline-hiif-fast"]
    assert models[MODEL].parameters == 2 * one.parameters
    assert models[MODEL].memory_bytes == 2 * one.memory_bytes


@pytest.mark.parametrize("model", ["edsr-baseline-hiif-fast", "bicubic"])
def test_a_model_of_one_network_refuses(server, photo, model):
    code, details = refusal(server, request(photo, 0.5, model=model))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "parameters.strength" in details and "has_strength" in details
    assert pixels(server, request(photo, 1, model=model)).any()  # as if nothing were said


@pytest.mark.parametrize("strength", [-0.5, 1.5, float("nan"), float("inf")])
def test_out_of_range(server, photo, strength):
    code, details = refusal(server, request(photo, strength))
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "parameters.strength" in details


def test_the_command_line(server, photo, tmp_path):
    out = tmp_path / "out.png"
    hiif("upscale", photo, "-o", out, "--scale", 2.5, "-n", MODEL, "--strength", 0.5, "--server", server.address)
    assert (numpy.asarray(Image.open(out)) == pixels(server, request(photo, 0.5))).all()
    done = hiif("upscale", photo, "-o", tmp_path / "no.png", "--scale", 2, "--strength", 2, check=2)
    assert "--strength" in done.stderr


def test_http(start_server, photo, tmp_path):
    front = start_server("--http-listen", "127.0.0.1:0", model_dir=ROOT / "models")

    def ask(query):
        ask = urllib.request.Request(f"http://127.0.0.1:{front.http}/v1/upscale?scale=2.5&model={MODEL}&{query}",
                                     photo.read_bytes(), {"Accept": "image/png"})
        return urllib.request.urlopen(ask, timeout=60).read()

    (tmp_path / "half.png").write_bytes(ask("strength=0.5"))
    assert (numpy.asarray(Image.open(tmp_path / "half.png")) == pixels(front, request(photo, 0.5))).all()
    for wrong in ("strength=strong", "strength=7", "strength="):
        with pytest.raises(urllib.error.HTTPError) as error:
            ask(wrong)
        assert error.value.code == 400 and b"strength" in error.value.read()


def test_python(server, photo):
    import hiif
    with hiif.Client(server.address) as client:
        image = client.upscale(Image.open(photo), 2.5, model=MODEL, strength=0.5)
        with pytest.raises(hiif.Error, match="strength"):
            client.upscale(Image.open(photo), 2.5, model=MODEL, strength=1.5)
    assert (numpy.asarray(image) == pixels(server, request(photo, 0.5))).all()
