"""The Python package against a real server."""

import asyncio
import subprocess
import sys
import threading
import time

import grpc
import numpy
import pytest
from PIL import Image

from processes import ROOT, hiif as cli


@pytest.fixture
def client(server):
    import hiif
    with hiif.Client(server.address) as made:
        yield made


def test_pictures_of_every_kind(client, server, photo, tmp_path):
    out = tmp_path / "cli.png"
    cli("upscale", photo, "-o", out, "--scale", 2.7, "--server", server.address)
    expected = numpy.asarray(Image.open(out))
    picture = Image.open(photo)
    assert (numpy.asarray(client.upscale(picture, 2.7)) == expected).all()
    assert (numpy.asarray(client.upscale(str(photo), 2.7)) == expected).all()
    assert (numpy.asarray(client.upscale(photo.read_bytes(), (2.7, 2.7))) == expected).all()
    array = client.upscale(numpy.asarray(picture), size=(130, 108))
    assert isinstance(array, numpy.ndarray) and (array == expected).all()
    part = client.upscale(picture, 2.7, region=(10, 20, 30, 40))
    assert part.size == (30, 40) and (numpy.asarray(part) == expected[20:60, 10:40]).all()
    wide = client.upscale(numpy.asarray(picture).astype(numpy.uint16) * 257, 2)
    assert wide.dtype == numpy.uint16 and wide.shape == (80, 96, 3)
    grey = client.upscale(numpy.asarray(picture.convert("L")), 2)
    assert grey.shape == (80, 96)
    assert client.upscale(picture.convert("P"), 2).size == (96, 80)


def test_progress_query_and_models(client, photo):
    seen = []
    client.upscale(photo, 3, tile_size=48, progress=lambda done, all: seen.append((done, all)))
    assert seen[-1][0] == seen[-1][1] == 144 * 120 and len(seen) == 9
    picture = Image.open(photo)
    colours = client.query(picture, [(0.5, 0.5), (20.25, 11)], scale=2)
    assert colours.shape == (2, 3) and colours.min() >= 0 and colours.max() <= 1
    assert numpy.abs(colours[0] * 255 - numpy.asarray(picture)[0, 0]).max() < 40
    assert "edsr-baseline-hiif" in [m.name for m in client.models()]


def test_errors(client, server):
    import hiif
    for call, code in [(lambda: client.upscale(b"not an image", 2), "INVALID_ARGUMENT"),
                       (lambda: client.upscale(Image.new("RGB", (8, 8)), 99), "INVALID_ARGUMENT"),
                       (lambda: client.upscale(Image.new("RGB", (8, 8)), 2, model="none"), "NOT_FOUND")]:
        with pytest.raises(hiif.Error) as caught:
            call()
        assert caught.value.code == grpc.StatusCode[code]
    with pytest.raises(TypeError):
        client.upscale(Image.new("RGB", (8, 8)))
    with pytest.raises(TypeError):
        client.upscale(numpy.zeros((4, 4), numpy.int64), 2)
    with pytest.raises(hiif.Error) as caught, hiif.Client("127.0.0.1:9", attempts=2) as nobody:
        nobody.upscale(Image.new("RGB", (8, 8)), 2)
    assert caught.value.code == grpc.StatusCode.UNAVAILABLE


def test_asyncio(server, photo):
    import hiif

    async def work():
        async with hiif.AsyncClient(server.address) as client:
            images = await asyncio.gather(*(client.upscale(photo, s) for s in (1.5, 2.0, 2.5)))
            return [i.size for i in images], [m.name for m in await client.models()]

    sizes, models = asyncio.run(work())
    assert sizes == [(72, 60), (96, 80), (120, 100)] and "edsr-baseline-hiif" in models


def test_a_stream_that_breaks_goes_on_at_its_tile(start_server, photo):
    """The server is killed in mid-stream and another one takes its place and port."""
    import hiif
    first = start_server()
    expected = None
    with hiif.Client(first.address) as client:
        expected = numpy.asarray(client.upscale(photo, 6, tile_size=48))
        seen = []

        def progress(done, _):
            seen.append(done)
            if len(seen) == 5:
                first.process.kill()
                first.process.wait()
                threading.Thread(target=lambda: start_server("--listen", first.address)).start()
                time.sleep(0.1)

        again = numpy.asarray(client.upscale(photo, 6, tile_size=48, progress=progress))
    assert (again == expected).all()
    assert len(seen) == 30 and sorted(set(seen)) == seen, "a tile came twice"


def test_the_package_installs(tmp_path):
    """As pip would, without fetching anything."""
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation",
                    "--target", tmp_path / "site", ROOT / "clients" / "python"], check=True,
                   capture_output=True)
    code = "import hiif; from hiif.v1 import super_resolution_pb2; print(hiif.Client.__doc__[:3])"
    result = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(tmp_path / "site"),
                                                              "PATH": "/usr/bin"},
                            cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.startswith("Any")
