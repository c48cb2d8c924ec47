"""What a client can get wrong: INVALID_ARGUMENT names the field, and the server goes on."""

import io
import math

import grpc
import pytest
from google.rpc import error_details_pb2  # part of googleapis-common-protos, which grpcio-status brings
from grpc_status import rpc_status
from PIL import Image


def png(size=(16, 12), **options):
    out = io.BytesIO()
    Image.new("RGB", size, (10, 120, 200)).save(out, "PNG", **options)
    return out.getvalue()


def request(image=None, **parameters):
    from hiif.v1 import super_resolution_pb2 as pb
    scale = parameters.pop("scale", (2, 2))
    message = pb.UpscaleRequest(image=pb.ImageSource(encoded=png() if image is None else image),
                                parameters=pb.UpscaleParameters(**parameters))
    if scale is not None:
        message.parameters.scale.rx, message.parameters.scale.ry = scale
    return message


def refused(server, message, code=grpc.StatusCode.INVALID_ARGUMENT):
    """The error of a request that must fail before anything is sent."""
    with pytest.raises(grpc.RpcError) as caught:
        list(server.stub().Upscale(message, timeout=60))
    assert caught.value.code() == code, caught.value
    return caught.value


def field_of(error):
    """The field that the BadRequest of an error names."""
    for detail in rpc_status.from_call(error).details:
        if detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest()
            detail.Unpack(bad)
            return bad.field_violations[0].field
    return None


def still_serves(server):
    responses = list(server.stub().Upscale(request(), timeout=60))
    assert responses[-1].WhichOneof("part") == "trailer"


@pytest.mark.parametrize("data,words", [
    (b"", "empty"),
    (b"hello, this is not an image\n" * 20, "not"),
    (png((200, 200))[:300], ""),
    (png()[:20], ""),
    (b"\x89PNG\r\n\x1a\n", ""),
    (b"\xff\xd8\xff\xe0" + b"\0" * 100, ""),
    (b"GIF89a", ""),
], ids=["empty", "text", "truncated", "half-header", "signature", "jpeg-zeros", "gif-stub"])
def test_not_an_image(server, data, words):
    error = refused(server, request(data))
    assert field_of(error) == "image.encoded", error.details()
    assert words in error.details()
    still_serves(server)


def test_truncated_pixels_are_found_when_decoding(server):
    out = io.BytesIO()
    Image.effect_noise((120, 90), 60).convert("RGB").save(out, "PNG")
    error = refused(server, request(out.getvalue()[:-3000]))
    assert "image.encoded" in error.details()
    still_serves(server)


@pytest.mark.parametrize("factor", [0.0, -1.0, 0.5, math.nan, math.inf, -math.inf, 1e9, 32.1])
def test_scale_out_of_range(server, factor):
    assert field_of(refused(server, request(scale=(factor, 2)))) == "parameters.scale.rx"
    if factor != 0:  # 0 stands for rx
        assert field_of(refused(server, request(scale=(2, factor)))) == "parameters.scale.ry"
    still_serves(server)


@pytest.mark.parametrize("region,field", [
    (dict(x=0, y=0, width=0, height=4), "parameters.region.width"),
    (dict(x=0, y=0, width=4, height=0), "parameters.region.height"),
    (dict(x=-1, y=0, width=4, height=4), "parameters.region.x"),
    (dict(x=0, y=-1, width=4, height=4), "parameters.region.y"),
    (dict(x=32, y=0, width=1, height=1), "parameters.region"),
    (dict(x=0, y=23, width=1, height=2), "parameters.region"),
    (dict(x=2**62, y=0, width=2**62, height=1), "parameters.region"),
])
def test_region_outside(server, region, field):
    from hiif.v1 import super_resolution_pb2 as pb
    error = refused(server, request(region=pb.Region(**region)))
    assert field_of(error) == field, error.details()


@pytest.mark.parametrize("parameters,field", [
    (dict(scale=None), "parameters.size"),
    (dict(tile_size=-1), "parameters.tile_size"),
    (dict(tile_size=5), "parameters.tile_size"),
    (dict(tile_size=5000), "parameters.tile_size"),
    (dict(sample_type=9), "parameters.sample_type"),
    (dict(priority=11), "parameters.priority"),
    (dict(first_tile=1), "parameters.resume_token"),
    (dict(frame=2), "parameters.frame"),
    (dict(request_id="x" * 129), "parameters.request_id"),
])
def test_other_parameters(server, parameters, field):
    error = refused(server, request(**parameters))
    assert field_of(error) == field, error.details()


def test_targets(server):
    from hiif.v1 import super_resolution_pb2 as pb
    for target, field in [((0, 0), "parameters.target"), ((-4, 0), "parameters.target.width"),
                          ((8, 6), "parameters.target"), ((100000, 100000), "parameters.target")]:
        message = request(scale=None)
        message.parameters.target.CopyFrom(pb.TargetSize(width=target[0], height=target[1]))
        assert field_of(refused(server, message)).startswith(field)


@pytest.mark.parametrize("raw,field", [
    (dict(width=0, height=2, channels=3, samples=b""), "image.raw.width"),
    (dict(width=2, height=2, channels=5, samples=b"\0" * 20), "image.raw.channels"),
    (dict(width=2, height=2, channels=3, samples=b"\0" * 11), "image.raw.samples"),
    (dict(width=2**31 - 1, height=2**31 - 1, channels=4, samples=b""), "image.raw"),
    (dict(width=2, height=2, channels=3, sample_type=42, samples=b""), "image.raw.sample_type"),
])
def test_raw_pixels(server, raw, field):
    from hiif.v1 import super_resolution_pb2 as pb
    message = request()
    message.image.raw.CopyFrom(pb.RawImage(**raw))
    error = refused(server, message)
    assert field_of(error) == field, error.details()
    still_serves(server)


def test_no_image_at_all(server):
    message = request()
    message.ClearField("image")
    assert field_of(refused(server, message)) == "image"


def test_unknown_model_names_those_there_are(server):
    error = refused(server, request(model="no-such"), grpc.StatusCode.NOT_FOUND)
    assert "edsr-baseline-hiif" in error.details()
    error = refused(server, request(model_version="000000000000"), grpc.StatusCode.NOT_FOUND)
    assert "version" in error.details()


def test_wrong_resume_token(server):
    refused(server, request(resume_token=b"nonsense"), grpc.StatusCode.FAILED_PRECONDITION)


def test_limits_are_read_from_the_header(start_server):
    """A file that says it is huge is refused without decoding it."""
    running = start_server("--max-input-pixels", "1000", "--max-output-pixels", "4000")
    error = refused(running, request(png((1001, 1))))
    assert field_of(error) == "image.encoded" and "at most 0.001 megapixels" in error.details()
    error = refused(running, request(png((40, 20)), scale=(3, 3)))
    assert field_of(error) == "parameters.size" and "4000" in error.details()
    still_serves(running)


def test_a_message_over_the_limit(start_server):
    running = start_server("--max-receive-bytes", "2MiB")
    refused(running, request(b"\0" * (2 << 20)), grpc.StatusCode.RESOURCE_EXHAUSTED)
    still_serves(running)


def test_an_animation_needs_a_frame(server):
    frames = [Image.new("RGB", (12, 12), (40 * i, 90, 10)) for i in range(3)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    error = refused(server, request(out.getvalue()))
    assert "3 frames" in error.details()
    responses = list(server.stub().Upscale(request(out.getvalue(), frame=3), timeout=60))
    assert responses[0].header.output_width == 24
    assert field_of(refused(server, request(out.getvalue(), frame=4))) == "parameters.frame"
