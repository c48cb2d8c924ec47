"""The Python package against a real server."""

import asyncio
import io
import json
import shutil
import struct
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
    another = threading.Thread(target=lambda: start_server("--listen", first.address))
    with hiif.Client(first.address) as client:
        expected = numpy.asarray(client.upscale(photo, 6, tile_size=48))
        seen = []

        def progress(done, _):
            seen.append(done)
            if len(seen) == 5:
                first.process.kill()
                first.process.wait()
                another.start()
                time.sleep(0.1)

        again = numpy.asarray(client.upscale(photo, 6, tile_size=48, progress=progress))
    another.join()  # or it would run on beside the tests that follow
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


def test_pictures_above_a_message_go_in_chunks(start_server, photo):
    """What one message does not hold; sync and asyncio, upscale and query. scripts/verify python-photo sends 36 MB."""
    import hiif
    import hiif._client
    assert hiif._client.UPLOAD_ABOVE < 32 << 20, "the server's limit"
    small = Image.open(photo).convert("RGBA")
    large = numpy.asarray(small.resize((760, 720))).astype(numpy.float32) / 255  # 8.8 MB
    options = {"region": (0, 0, 24, 16), "model": "edsr-baseline-hiif-fast"}
    places = [(x + 0.25, 0.25) for x in range(12)]
    address = start_server("--max-receive-bytes", "4MiB").address

    async def later():
        async with hiif.AsyncClient(address) as client:
            return (await client.upscale(large, 2, **options),
                    await client.query(large, places, scale=2, model=options["model"]))

    with hiif.Client(address) as client:
        part = client.upscale(large, 2, **options)
        seen = client.query(large, places, scale=2, model=options["model"])
        for rows in (3072, 3073, 4096, 4097):  # at the ends of chunks, and one sample behind them
            edge = numpy.arange(rows, dtype=numpy.uint8)[:, None].repeat(1024, 1)
            last = client.upscale(edge, 1, region=(0, rows - 1, 8, 1), model="bicubic")
            assert (last == edge[-1, :8]).all()
    assert part.shape == (16, 24, 4)
    assert numpy.abs(seen - part[0, ::2, :3]).max() < 0.01
    again, colours = asyncio.run(later())
    assert (again == part).all() and colours.shape == seen.shape


def test_uploads_of_raw_pixels_are_checked(server):
    from hiif.v1 import super_resolution_pb2 as pb
    parameters = pb.UpscaleUploadRequest(parameters=pb.UpscaleParameters(scale=pb.Scale(rx=2)))
    query = pb.QueryUploadRequest(query=pb.QueryRequest(coordinates=[0, 0], cell_row=0.1, cell_column=0.1))
    raw = pb.RawImage(width=10, height=10, channels=3)
    stub = server.stub()
    for first, message in ((parameters, pb.UpscaleUploadRequest), (query, pb.QueryUploadRequest)):
        def send(parts, kind=message):
            call = stub.UpscaleUpload if kind is pb.UpscaleUploadRequest else stub.QueryUpload
            answer = call(iter(parts), timeout=60)
            return answer if kind is pb.QueryUploadRequest else list(answer)

        assert send([first, message(raw=raw), message(chunk=bytes(299)), message(chunk=b"1")])
        for parts in ([], [message(chunk=b"1")], [first, first],
                      [first, message(raw=raw), message(raw=raw)],
                      [first, message(chunk=b"1"), message(raw=raw)],
                      [first, message(raw=raw), message(chunk=bytes(299))],
                      [first, message(raw=pb.RawImage(width=10, height=10, channels=3, samples=b"1"))]):
            with pytest.raises(grpc.RpcError) as caught:
                send(parts)
            assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT, parts


MODES = ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "I", "F",
         "I;16", "I;16B"]


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_of_pillow(client, photo, mode):
    import hiif
    rgb = Image.open(photo).convert("RGB")
    grey = numpy.asarray(rgb.convert("L"))
    if mode == "LAB":
        from PIL import ImageCms
        picture = ImageCms.profileToProfile(rgb, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"),
                                            outputMode="LAB")
    elif mode.startswith("I;16"):
        picture = Image.frombytes(mode, rgb.size, (grey.astype(numpy.uint16) * 257).astype(
            ">u2" if mode == "I;16B" else "<u2").tobytes())
    elif mode == "I":
        picture = Image.fromarray(grey.astype(numpy.int32) * 257)
    elif mode == "F":
        picture = Image.fromarray(grey.astype(numpy.float32) / 255)
    elif mode == "La":
        picture = rgb.convert("LA").convert("La")
    elif mode == "RGBa":
        picture = rgb.convert("RGBA").convert("RGBa")
    else:
        picture = rgb.convert(mode)
    assert picture.mode == mode
    result = client.upscale(picture, 2, model="edsr-baseline-hiif-fast")
    expected = {"1": "L", "La": "LA", "P": "RGB", "PA": "RGBA", "RGBa": "RGBA", "RGBX": "RGB", "CMYK": "RGB",
                "YCbCr": "RGB", "LAB": "RGB", "HSV": "RGB", "I;16B": "I;16"}.get(mode, mode)
    assert (result.mode, result.size) == (expected, (96, 80))
    if mode not in ("1", "P", "PA", "CMYK"):  # dithered; through a press
        kind = "RGB" if expected in ("RGB", "RGBA") else "L"
        scale = {"I": 257, "I;16": 257, "F": 1 / 255}.get(expected, 1)
        seen = numpy.asarray(result if expected in ("I", "I;16", "F") else result.convert(kind)).astype(float) / scale
        wanted = numpy.asarray(rgb.convert(kind).resize((96, 80), Image.Resampling.BICUBIC)).astype(float)
        assert numpy.abs(seen - wanted).mean() < 6
    if mode in ("YCbCr", "HSV"):
        with pytest.warns(hiif.LossWarning, match=mode):
            client.upscale(picture, 2, model="edsr-baseline-hiif-fast", region=(0, 0, 8, 8))


def test_what_pillow_keeps_beside_the_pixels(client, photo):
    from PIL import ImageCms
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x013B] = "A. Painter"
    rgb = Image.open(photo).convert("RGB")
    out = photo.with_name("turned.jpg")
    rgb.save(out, exif=exif, icc_profile=profile, dpi=(300, 300))
    with Image.open(out) as picture:
        large = client.upscale(picture, 2, model="edsr-baseline-hiif-fast")
        plain = client.upscale(picture, 2, model="edsr-baseline-hiif-fast", convert_to_srgb=True)
    assert large.size == (96, 80) and large.getexif()[0x0112] == 6 and large.getexif()[0x013B] == "A. Painter"
    assert large.info["icc_profile"] == profile and large.info["dpi"] == (300, 300)
    assert "icc_profile" not in plain.info and plain.size == (96, 80)
    # A file is turned, a Pillow image is as it shows itself.
    assert client.upscale(str(out), 2, model="edsr-baseline-hiif-fast").size == (80, 96)
    for colour_key, mode in ((0, "LA"), ((1, 2, 3), "RGBA")):
        keyed = rgb.convert("L" if mode == "LA" else "RGB")
        keyed.info["transparency"] = colour_key
        assert client.upscale(keyed, 2, model="edsr-baseline-hiif-fast").mode == mode


@pytest.mark.parametrize("tag", [0x0112, 0x011A])
@pytest.mark.parametrize("kind,value", [(1, b"\x06"), (2, b"6\0"), (7, b"\x06\0\0\0"), (8, b"\xff\xff")],
                         ids=["byte", "text", "undefined", "negative"])
def test_exif_of_odd_types_comes_back_as_it_is(client, photo, tag, kind, value):
    """Orientation and resolution, which Pillow reads in every type and writes in one."""
    import hiif
    exif = (b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHI", tag, kind, len(value) if kind == 7 else 1) +
            value.ljust(4, b"\0") + bytes(4))
    file = io.BytesIO()
    Image.open(photo).convert("RGB").save(file, "JPEG", exif=exif)
    picture = Image.open(file)
    large = client.upscale(picture, 2, model="bicubic")
    assert large.size == (96, 80) and large.info["exif"] == picture.info["exif"] == exif
    picture.info.pop("exif")  # of a TIFF, for example
    with pytest.warns(hiif.LossWarning, match="EXIF of a Pillow image"):
        assert "exif" not in client.upscale(picture, 2, model="bicubic").info


def test_what_pillow_cannot_hold_is_said_before_it_is_computed(client, photo):
    wide = numpy.asarray(Image.open(photo).convert("RGB")).astype(numpy.uint16) * 257
    assert client.upscale(wide.astype(">u2"), 2, model="edsr-baseline-hiif-fast").dtype == numpy.uint16
    with pytest.raises(TypeError, match="as_array"):
        client.upscale(wide, 2, as_array=False, model="edsr-baseline-hiif-fast")
    assert client.upscale(str(photo), 2, as_array=True, model="edsr-baseline-hiif-fast").shape == (80, 96, 3)
    with pytest.raises(TypeError, match="float64"):
        client.upscale(numpy.zeros((8, 8)), 2)


def test_what_pillow_shows_of_a_file_is_what_comes_back(client, photo):
    """A TIFF is turned by Pillow while it is loaded, and its tag is gone then; texts may stand behind the pixels."""
    from PIL import PngImagePlugin
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x013B] = "A. Painter"
    rgb = Image.open(photo).convert("RGB")
    tif, png = photo.with_name("turned.tif"), photo.with_name("texts.png")
    rgb.save(tif, exif=exif)
    with Image.open(tif) as picture:
        large = client.upscale(picture, 2, model="bicubic")
        assert large.size == (80, 96) and 0x0112 not in large.getexif()
    assert large.getexif()[0x013B] == "A. Painter" and not {0x0100, 0x0111, 0x0117} & set(large.getexif())
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", "steps: 20")
    texts.add(b"tEXt", b"Comment\0behind", after_idat=True)
    rgb.save(png, pnginfo=texts)
    with Image.open(png) as picture:
        large = client.upscale(picture, 2, model="bicubic")
        assert {"parameters", "Comment"} <= set(large.info) and large.info == picture.resize((96, 80)).info


@pytest.mark.parametrize("mode,values", [("I", (0, 200)), ("I", (-5000, 90000)), ("I", (0, 2**31 - 1)),
                                         ("I", (-2**31, 2**31 - 1)), ("F", (0, 255)), ("F", (-12.5, 3e6))])
def test_values_of_any_range_come_back_in_it(client, mode, values):
    low, high = values
    ramp = numpy.linspace(low, high, 32 * 24).reshape(24, 32).astype(numpy.float32 if mode == "F" else numpy.int32)
    ramp[-1] = high
    large = client.upscale(Image.fromarray(ramp), 2, model="bicubic")
    expected = numpy.asarray(Image.fromarray(ramp.astype(numpy.float32)).resize((64, 48), Image.Resampling.BICUBIC))
    assert large.mode == mode and numpy.abs(numpy.asarray(large) - expected).max() < (high - low) * 0.01
    if mode == "F":
        seen = client.query(Image.fromarray(ramp), [(16, 12)], model="bicubic")
        assert abs(seen[0, 0] - (low + high) / 2) < (high - low) * 0.02
    with pytest.raises(TypeError, match="finite"):
        client.upscale(Image.fromarray(numpy.full((8, 8), numpy.nan, numpy.float32)), 2)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode not in ("CMYK", "LAB")])
def test_every_mode_with_a_profile_to_srgb(client, photo, mode):
    from PIL import ImageCms
    rgb = Image.open(photo).convert("RGB")
    if mode.startswith("I;16"):
        grey = numpy.asarray(rgb.convert("L")).astype(">u2" if mode == "I;16B" else "<u2") * 257
        picture = Image.frombytes(mode, rgb.size, grey.astype(">u2" if mode == "I;16B" else "<u2").tobytes())
    else:
        via = {"La": "LA", "RGBa": "RGBA"}.get(mode, "RGB")
        picture = rgb.convert(via).convert(mode)
    picture.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    large = client.upscale(picture, 2, model="bicubic", convert_to_srgb=True)
    assert large.size == (96, 80) and "icc_profile" not in large.info


def test_transparency_that_is_lost_is_told(client):
    import hiif
    picture = Image.fromarray(numpy.full((8, 8), 40000, numpy.uint16))
    picture.info["transparency"] = 40000
    with pytest.warns(hiif.LossWarning, match="transparent colour"):
        assert "transparency" not in client.upscale(picture, 2, model="bicubic").info


def test_open_files_and_what_is_no_picture(client, photo):
    with open(photo, "rb") as file:
        assert client.upscale(file, 2, model="bicubic").size == (96, 80)
    with pytest.raises(TypeError, match="a path.*not NoneType"):
        client.upscale(None, 2)


def test_a_file_of_text_is_no_path(photo, tmp_path):
    """What is in it may well be one, and what is there is not to be sent."""
    import hiif
    text = tmp_path / "text"
    text.write_text(str(photo))

    class Reads:
        def __init__(self, what):
            self.read = lambda: what

    with hiif.Client("127.0.0.1:9", attempts=1) as nobody, open(text, encoding="utf-8") as file, \
            open(photo, encoding="utf-8") as of_bytes:
        for picture in file, of_bytes, io.StringIO(str(photo)), Reads(str(photo)), Reads(photo), Reads(None):
            with pytest.raises(TypeError, match='"rb"'):
                nobody.upscale(picture, 2)
        for picture in io.BytesIO(photo.read_bytes()), Reads(memoryview(photo.read_bytes())):
            with pytest.raises(hiif.Error, match="UNAVAILABLE"):  # it would be sent
                nobody.upscale(picture, 2)


def test_addresses_of_this_machine_ask_no_proxy():
    import hiif._common as common
    seen = []
    for address in ("[::ffff:127.0.0.1]:1", "[::1]:1", "LOCALHOST:1", "127.9.9.9:1", "[::ffff:10.0.0.1]:1", "a.example:1"):
        common.channel_of(address, None, lambda _, options: seen.append(("grpc.enable_http_proxy", 0) in options), None)
    assert seen == [True, True, True, True, False, False]


def test_channels_find_a_server_again():
    """As those of hiif: gRPC itself waits up to two minutes for a server that was away, and for ever for one that is
    gone without a word."""
    import hiif._common as common
    seen = []
    common.channel_of("a.example:1", None, lambda _, options: seen.append(dict(options)), None)
    assert seen[0]["grpc.max_reconnect_backoff_ms"] == 5000 and seen[0]["grpc.initial_reconnect_backoff_ms"] == 200
    assert seen[0]["grpc.keepalive_time_ms"] == 300_000 and seen[0]["grpc.keepalive_timeout_ms"] == 20_000
    assert seen[0]["grpc.use_local_subchannel_pool"] == 1  # or another client's waits would be this one's


@pytest.mark.parametrize("address,target,tls", [
    ("localhost:1", "localhost:1", False), ("http://a.example:1", "a.example:1", False),
    ("http://a.example:1/", "a.example:1", False), ("grpc://a.example:1", "a.example:1", False),
    ("https://a.example:1/", "a.example:1", True), ("grpcs://a.example:1", "a.example:1", True),
    ("https://a.example", "a.example:443", True), ("https://[::1]/", "[::1]:443", True),
    ("dns:///a.example:1", "dns:///a.example:1", False), ("unix:/run/a b", "unix:/run/a%20b", False),
    ("http://a.example:1/service", "names a path", None), ("grpcs://a.example/v1/", "names a path", None),
    ("http://a.example", "host:port", None), ("https://", "host:port", None)])
def test_addresses_are_those_of_the_command_line(address, target, tls):
    """client/address.cc."""
    import hiif._common as common

    def made():
        return common.channel_of(address, None, lambda to, _: (to, False), lambda to, *_: (to, True))

    if tls is None:
        with pytest.raises(ValueError, match=target):
            made()
    else:
        assert made() == (target, tls)


@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_a_query_of_a_file_asks_its_own_model_alone(start_server, photo, tmp_path, kind):
    """For the size, too: neither the default model need work, nor the whole picture be a possible output."""
    import hiif
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(ROOT / "models/bicubic.safetensors", models)
    (models / "broken.safetensors").write_bytes(b"broken")
    address = start_server("--default-model", "broken", "--max-output-pixels", "1000", model_dir=models).address

    async def ask():
        async with hiif.AsyncClient(address, attempts=1) as client:
            return await client.query(photo, [(5, 5)], model="bicubic")

    if kind == "AsyncClient":
        colours = asyncio.run(ask())
    else:
        with hiif.Client(address, attempts=1) as client:
            colours = client.query(photo, [(5, 5)], model="bicubic")
    assert numpy.abs(colours[0] * 255 - numpy.asarray(Image.open(photo))[4:6, 4:6].mean((0, 1))).max() < 20


@pytest.mark.parametrize("address,goes", [
    ("unix:/run/hiif.sock", True), ("unix-abstract:hiif", True), ("127.0.0.1:1", True), ("127.9.9.9:1", True),
    ("[::1]:1", True), ("[::ffff:127.0.0.1]:1", True), ("LOCALHOST:1", True), ("http://localhost:1", True),
    ("dns:///localhost:1", True), ("ipv4:127.0.0.1:1", True), ("https://a.example:1", True),
    ("a.example:1", False), ("http://a.example:1/", False), ("10.0.0.1:1", False), ("127.0.0.1.example:1", False),
    ("localhost.example:1", False), ("dns:///a.example:1", False), ("dns://localhost/a.example:1", False),
    ("ipv4:127.0.0.1:1,10.0.0.1:1", False), ("[::ffff:10.0.0.1]:1", False), ("0.0.0.0:1", False)])
def test_a_token_goes_only_where_it_is_safe(address, goes):
    import hiif

    def client(kind, **options):
        async def make():
            kind(address, **options)
        asyncio.run(make())

    for kind in (hiif.Client, hiif.AsyncClient):
        if goes:
            client(kind, token="secret")
            continue
        with pytest.raises(ValueError, match="in clear text"):
            client(kind, token="secret")
        client(kind)
        client(kind, token="secret", allow_token_over_plaintext=True)
        client(kind, token="secret", credentials=grpc.ssl_channel_credentials())


def test_a_token_is_one_line_of_what_a_header_holds(start_server, tmp_path):
    import hiif
    tokens = tmp_path / "tokens"
    tokens.write_text(json.dumps({"tokens": [{"name": "a", "token": "s3cret"}]}))
    server = start_server("--token-file", tokens)

    async def later(token):
        async with hiif.AsyncClient(server.address, token=token) as client:
            return await client.models()

    with hiif.Client(server.address, token=" s3cret\n") as client:  # as a file holds it
        assert client.models() == asyncio.run(later("s3cret\r\n"))
    for wrong in ("s3cret\ns3cret", '{"tokens": [\n]}', "schlüssel"):
        with pytest.raises(ValueError, match="token has characters"):
            hiif.Client(server.address, token=wrong)
        with pytest.raises(ValueError, match="token has characters"):
            asyncio.run(later(wrong))
