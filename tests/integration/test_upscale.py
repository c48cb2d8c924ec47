"""Upscale, seen by an unmodified grpcio client and by the command line."""

import io
import threading
import time

import grpc
import numpy
import pytest
from PIL import Image

from processes import assemble, hiif


def request(photo, rx=2.7, ry=3.1, **parameters):
    from hiif.v1 import super_resolution_pb2 as pb
    return pb.UpscaleRequest(
        image=pb.ImageSource(encoded=photo.read_bytes()),
        parameters=pb.UpscaleParameters(scale=pb.Scale(rx=rx, ry=ry), **parameters))


def upscale(server, message):
    return assemble(server.stub().Upscale(message, timeout=120))


@pytest.fixture(scope="module")
def whole(server, photo):
    return upscale(server, request(photo))


def test_the_command_line_gives_the_same_pixels(server, photo, whole, tmp_path):
    header, image, trailer = whole
    assert (header.output_width, header.output_height) == (130, 124)
    assert header.model == "edsr-baseline-hiif-fast" and len(header.model_version) == 12
    out = tmp_path / "out.png"
    hiif("upscale", photo, "-o", out, "--scale-x", 2.7, "--scale-y", 3.1, "--server", server.address)
    assert (numpy.asarray(Image.open(out)) == image).all()
    for name in ("decode", "query", "send"):
        assert getattr(trailer.times, name) > 0
    assert trailer.peak_device_memory_bytes > 0


def test_it_enlarges(photo, whole):
    """The result made smaller again is the photograph, and it is not just interpolated."""
    image = Image.fromarray(whole[1])
    source = Image.open(photo)
    back = numpy.asarray(image.resize(source.size, Image.BOX)).astype(float)
    original = numpy.asarray(source).astype(float)
    assert numpy.abs(back - original).mean() < 6
    bicubic = numpy.asarray(source.resize(image.size, Image.BICUBIC)).astype(float)
    difference = numpy.abs(bicubic - whole[1].astype(float)).mean()
    assert 0.3 < difference < 15


@pytest.mark.parametrize("tile_size", [16, 48, 100, 4096])
def test_every_tile_size_gives_the_same_pixels(server, photo, whole, tile_size):
    header, image, _ = upscale(server, request(photo, tile_size=tile_size))
    assert (image == whole[1]).all()
    assert header.grid.columns == -(-130 // header.grid.tile_size)


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (129, 123, 1, 1), (33, 17, 60, 71), (0, 100, 130, 24)])
def test_every_region_gives_the_same_pixels(server, photo, whole, box):
    from hiif.v1 import super_resolution_pb2 as pb
    x, y, width, height = box
    region = pb.Region(x=x, y=y, width=width, height=height)
    _, image, _ = upscale(server, request(photo, region=region, tile_size=32))
    assert (image == whole[1][y:y + height, x:x + width]).all()


def test_raw_pixels_in_and_every_sample_type_out(server, photo, whole):
    from hiif.v1 import super_resolution_pb2 as pb
    pixels = numpy.asarray(Image.open(photo))
    message = request(photo)
    message.image.raw.CopyFrom(pb.RawImage(width=pixels.shape[1], height=pixels.shape[0], channels=3,
                                           samples=pixels.tobytes()))
    assert (upscale(server, message)[1] == whole[1]).all()
    message.parameters.sample_type = pb.SAMPLE_TYPE_F32
    floats = upscale(server, message)[1]
    assert (numpy.floor(floats * 255 + 0.5).astype(numpy.uint8) == whole[1]).mean() > 0.999
    message.parameters.sample_type = pb.SAMPLE_TYPE_U16
    assert numpy.abs(upscale(server, message)[1] / 65535 - floats).max() < 1e-5


@pytest.mark.parametrize("name,mode", [("PNG", "RGB"), ("TIFF", "RGB"), ("WEBP", "RGB")])
def test_one_lossless_file(server, photo, whole, name, mode):
    from hiif.v1 import super_resolution_pb2 as pb
    encoded = pb.EncodedOutput(format=getattr(pb, f"FILE_FORMAT_{name}"))
    data, offset = b"", 0
    for response in server.stub().Upscale(request(photo, encoded=encoded), timeout=120):
        if response.WhichOneof("part") == "chunk":
            assert response.chunk.offset == offset
            data += response.chunk.data
            offset = len(data)
    image = Image.open(io.BytesIO(data))
    assert image.format == name and image.mode == mode
    assert (numpy.asarray(image) == whole[1]).all()


def test_resume_at_a_tile(server, photo, whole):
    message = request(photo, tile_size=48)
    full = list(server.stub().Upscale(message, timeout=120))
    tiles = [r.tile for r in full if r.WhichOneof("part") == "tile"]
    message.parameters.resume_token = full[0].header.resume_token
    for first in (1, len(tiles) - 1, len(tiles)):
        message.parameters.first_tile = first
        rest = list(server.stub().Upscale(message, timeout=120))
        assert [r.tile for r in rest if r.WhichOneof("part") == "tile"] == tiles[first:]
        assert rest[-1].trailer.messages_sent == len(tiles) - first


def test_validate_only_computes_nothing(server, photo):
    responses = list(server.stub().Upscale(request(photo, validate_only=True), timeout=60))
    assert [r.WhichOneof("part") for r in responses] == ["header", "trailer"]
    assert responses[0].header.output_width == 130
    assert responses[0].header.estimated_seconds >= 0
    assert responses[1].trailer.times.query == 0


def test_the_second_request_finds_the_features(server, photo):
    upscale(server, request(photo, 1.5, 1.5))
    trailer = upscale(server, request(photo, 2.25, 2.25))[2]
    assert trailer.features_cached and trailer.times.encode == 0


def test_self_ensemble(server, photo, whole):
    image = upscale(server, request(photo, self_ensemble=True))[1]
    difference = numpy.abs(image.astype(int) - whole[1])
    assert 0 < difference.mean() < 3
    # A mean over flips: the flipped photograph gives the flipped result, but for rounding.
    flipped = request(photo, self_ensemble=True)
    out = io.BytesIO()
    Image.open(photo).transpose(Image.FLIP_LEFT_RIGHT).save(out, "PNG")
    flipped.image.encoded = out.getvalue()
    again = upscale(server, flipped)[1][:, ::-1]
    assert numpy.abs(image.astype(int) - again).max() <= 2


def test_grey_alpha_and_orientation(server):
    from hiif.v1 import super_resolution_pb2 as pb
    gradient = numpy.add.outer(numpy.arange(20), numpy.arange(30)).astype(numpy.uint8) * 4
    for mode, channels in [("L", 1), ("LA", 2), ("RGBA", 4)]:
        out = io.BytesIO()
        Image.fromarray(gradient).convert(mode).save(out, "PNG")
        message = pb.UpscaleRequest(image=pb.ImageSource(encoded=out.getvalue()),
                                    parameters=pb.UpscaleParameters(scale=pb.Scale(rx=2)))
        header, image, _ = upscale(server, message)
        assert header.channels == channels and image.shape == (40, 60, channels)
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    Image.fromarray(gradient).save(out, "JPEG", exif=exif)
    message.image.encoded = out.getvalue()
    header, image, _ = upscale(server, message)
    assert header.orientation_applied == 6 and image.shape[:2] == (60, 40)


def test_a_file_in_chunks(server, photo, whole):
    from hiif.v1 import super_resolution_pb2 as pb
    data = photo.read_bytes()

    def messages():
        yield pb.UpscaleUploadRequest(parameters=request(photo).parameters)
        for begin in range(0, len(data), 1000):
            yield pb.UpscaleUploadRequest(chunk=data[begin:begin + 1000])

    image = assemble(server.stub().UpscaleUpload(messages(), timeout=120))[1]
    assert (image == whole[1]).all()

    for wrong in ([], [pb.UpscaleUploadRequest(chunk=data)],
                  [pb.UpscaleUploadRequest(parameters=request(photo).parameters)] * 2):
        with pytest.raises(grpc.RpcError) as caught:
            list(server.stub().UpscaleUpload(iter(wrong), timeout=60))
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_the_implicit_function_at_the_pixels_is_the_image(server, photo, whole):
    from hiif.v1 import super_resolution_pb2 as pb
    rows, columns = 124, 130
    points = [(0, 0), (123, 129), (60, 64), (17, 101)]
    message = pb.QueryRequest(
        image=pb.ImageSource(encoded=photo.read_bytes()), cell_row=2 / rows, cell_column=2 / columns,
        coordinates=[c for r, k in points for c in ((2 * r + 1) / rows - 1, (2 * k + 1) / columns - 1)])
    answer = server.stub().Query(message, timeout=60)
    rgb = numpy.array(answer.rgb).reshape(-1, 3)
    for value, (r, k) in zip(rgb, points):
        assert numpy.abs(value * 255 - whole[1][r, k]).max() <= 0.51
    assert len(answer.image_digest) == 32
    # By digest: nothing is sent again, between the pixels as well.
    message.image.digest = answer.image_digest
    again = server.stub().Query(message, timeout=60)
    assert list(again.rgb) == list(answer.rgb) and again.times.encode == 0
    message.coordinates[0] += 1e-3
    assert list(server.stub().Query(message, timeout=60).rgb) != list(answer.rgb)


@pytest.mark.parametrize("change,code,words", [
    (dict(coordinates=[0.0]), "INVALID_ARGUMENT", "coordinates"),
    (dict(coordinates=[0.0, 1.5]), "INVALID_ARGUMENT", "coordinates[1]"),
    (dict(coordinates=[float("nan"), 0.0]), "INVALID_ARGUMENT", "coordinates[0]"),
    (dict(cell_row=0.0), "INVALID_ARGUMENT", "cell_row"),
    (dict(cell_column=float("nan")), "INVALID_ARGUMENT", "cell_column"),
    (dict(cell_column=2.0), "INVALID_ARGUMENT", "cell_column"),
    (dict(digest=b"short"), "INVALID_ARGUMENT", "image.digest"),
    (dict(digest=b"\0" * 32), "NOT_FOUND", "send the image again"),
    (dict(model="no-such"), "NOT_FOUND", "edsr-baseline-hiif"),
])
def test_queries_that_are_refused(server, photo, change, code, words):
    from hiif.v1 import super_resolution_pb2 as pb
    fields = dict(coordinates=[0.0, 0.0], cell_row=2 / 80, cell_column=2 / 96)
    digest = change.pop("digest", None)
    fields.update(change)
    source = pb.ImageSource(encoded=photo.read_bytes()) if digest is None else pb.ImageSource(
        digest=digest)
    with pytest.raises(grpc.RpcError) as caught:
        server.stub().Query(pb.QueryRequest(image=source, **fields), timeout=60)
    assert caught.value.code().name == code and words in caught.value.details()


def test_deadline_and_cancellation_end_the_work(server, photo):
    """A long request is given up within a tile; the worker is free for the next one."""
    big = request(photo, 30, 30, tile_size=64, model="edsr-baseline-hiif")  # 1.7 Mpx: tens of seconds
    with pytest.raises(grpc.RpcError) as caught:
        list(server.stub().Upscale(big, timeout=0.5))
    assert caught.value.code() in (grpc.StatusCode.DEADLINE_EXCEEDED,
                                   grpc.StatusCode.RESOURCE_EXHAUSTED)
    call = server.stub().Upscale(big, timeout=600)
    for response in call:
        if response.WhichOneof("part") == "tile":
            break
    call.cancel()
    start = time.monotonic()
    while queued(server) > 0:
        assert time.monotonic() - start < 20, "cancelled work goes on"
        time.sleep(0.05)
    upscale(server, request(photo, 1, 1))


def queued(server):
    import requests
    for line in requests.get(server.management + "/metrics", timeout=10).text.splitlines():
        if line.startswith("hiif_queue_coordinates "):
            return float(line.split()[1])
    raise AssertionError("no hiif_queue_coordinates")


def test_requests_at_once_give_what_each_gives_alone(server, photo):
    scales = [1.3, 2.0, 2.5, 3.3, 1.0, 4.0, 1.7, 2.2]
    alone = {s: upscale(server, request(photo, s, s))[1] for s in scales}
    results = {}

    def work(scale):
        results[scale] = upscale(server, request(photo, scale, scale, tile_size=64))[1]

    threads = [threading.Thread(daemon=True, target=work, args=(s,)) for s in scales]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for scale in scales:
        assert (results[scale] == alone[scale]).all(), scale
