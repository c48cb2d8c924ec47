"""The Python package against a server made of unmodified grpcio that fails the way a test says."""

import asyncio
import concurrent.futures
import time

import grpc
import numpy
import pytest

from processes import crc32c

TILE = 4
SIZE = 12  # 3 x 3 tiles


class Script:
    """One entry a call: a function of (context, tile index) before every tile and the trailer, or None."""

    def __init__(self, *steps):
        self.steps = list(steps)
        self.calls = []


def serve(script):
    """A server; its address and itself."""
    from hiif.v1 import super_resolution_pb2 as pb
    from hiif.v1 import super_resolution_pb2_grpc as rpc

    class Service(rpc.SuperResolutionServiceServicer):
        def Upscale(self, request, context):
            script.calls.append((time.monotonic(), pb.UpscaleParameters.FromString(
                request.parameters.SerializeToString())))
            step = script.steps.pop(0) if script.steps else None
            if step is not None:
                step(context, None, None)
            yield pb.UpscaleResponse(header=pb.UpscaleHeader(
                output_width=SIZE, output_height=SIZE, region=pb.Region(width=SIZE, height=SIZE), channels=1,
                sample_type=pb.SAMPLE_TYPE_U8, resume_token=b"token"))
            for index in range(request.parameters.first_tile, 9):
                samples = bytes([index]) * TILE * TILE
                tile = pb.Tile(index=index, x=index % 3 * TILE, y=index // 3 * TILE, width=TILE, height=TILE,
                               samples=samples, crc32c=crc32c(samples))
                if step is not None and step(context, index, tile) == "end":
                    return
                yield pb.UpscaleResponse(tile=tile)
            yield pb.UpscaleResponse(trailer=pb.UpscaleTrailer())

        def ListModels(self, request, context):
            step = script.steps.pop(0) if script.steps else None
            if step is not None:
                step(context, None, None)
            return pb.ListModelsResponse(models=[pb.Model(name="m")])

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    rpc.add_SuperResolutionServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return f"127.0.0.1:{port}", server


def refuse(code, seconds=None, at=None):
    """Ends a call before tile `at` (None: at once) with a status that may name a time."""
    def step(context, index, _):
        if index != at:
            return
        if seconds is not None:
            from google.protobuf import any_pb2, duration_pb2
            from google.rpc import error_details_pb2, status_pb2
            from grpc_status import rpc_status
            detail = any_pb2.Any()
            detail.Pack(error_details_pb2.RetryInfo(
                retry_delay=duration_pb2.Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))))
            context.abort_with_status(rpc_status.to_status(
                status_pb2.Status(code=code.value[0], message="busy", details=[detail])))
        context.abort(code, "no")
    return step


def damage(context, index, tile):
    """Flips a bit of tile 4."""
    if index == 4:
        tile.samples = b"\xff" + tile.samples[1:]


def lose(context, index, tile):
    """Says nothing of tile 4."""
    if index == 4:
        tile.index = 5


def stop(context, index, _):
    """Ends well after 5 tiles, without a trailer."""
    return "end" if index == 5 else None


UNAVAILABLE, EXHAUSTED = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED
EXPECTED = numpy.arange(9, dtype=numpy.uint8).reshape(3, 3).repeat(TILE, 0).repeat(TILE, 1)


@pytest.fixture(params=["sync", "asyncio"])
def call(request):
    """Upscales with a script; result (or the error), and the progress that was reported."""
    import hiif

    def run(script, **options):
        attempts = options.pop("attempts", 8)
        address, server = serve(script)
        seen = []
        picture = numpy.zeros((4, 4), numpy.uint8)
        options["progress"] = lambda done, all_: seen.append((done, all_))

        async def work():
            async with hiif.AsyncClient(address, attempts=attempts) as client:
                return await client.upscale(picture, 3, **options)

        try:
            if request.param == "asyncio":
                return asyncio.run(work()), seen
            with hiif.Client(address, attempts=attempts) as client:
                return client.upscale(picture, 3, **options), seen
        except hiif.Error as error:
            return error, seen
        finally:
            server.stop(None)
    return run


@pytest.mark.parametrize("step,first", [
    (refuse(UNAVAILABLE), 0), (refuse(UNAVAILABLE, at=4), 4), (damage, 4), (lose, 4), (stop, 5),
    (refuse(EXHAUSTED, 0.3), 0)])
def test_goes_on_where_it_stopped(call, step, first):
    script = Script(step)
    result, seen = call(script)
    assert numpy.array_equal(result, EXPECTED), result
    assert [parameters.first_tile for _, parameters in script.calls] == [0, first]
    assert script.calls[1][1].resume_token == (b"token" if script.calls[1][1].first_tile else b"")
    assert seen == [(16 * (n + 1), 144) for n in range(9)]


def test_waits_as_the_server_says(call):
    script = Script(refuse(EXHAUSTED, 0.5), refuse(EXHAUSTED, 0.5))
    result, _ = call(script, attempts=2)  # refusals are no attempts
    assert numpy.array_equal(result, EXPECTED)
    times = [at for at, _ in script.calls]
    assert all(0.5 <= b - a < 1.5 for a, b in zip(times, times[1:]))


def test_another_server_starts_anew(call):
    def other(context, index, _):
        if index is None:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "another model")
    script = Script(refuse(UNAVAILABLE, at=4), other)
    result, seen = call(script)
    assert numpy.array_equal(result, EXPECTED)
    assert [parameters.first_tile for _, parameters in script.calls] == [0, 4, 0]
    assert seen[-1] == (144, 144)


@pytest.mark.parametrize("steps,options,code,calls", [
    ([refuse(UNAVAILABLE)] * 9, {"attempts": 3}, "UNAVAILABLE", 3),
    ([stop] + [refuse(UNAVAILABLE, at=5)] * 9, {"attempts": 3}, "UNAVAILABLE", 3),  # a header is no progress
    ([refuse(EXHAUSTED)] * 9, {}, "RESOURCE_EXHAUSTED", 1),  # no time named: too large a message
    ([refuse(EXHAUSTED, 700)] * 9, {}, "RESOURCE_EXHAUSTED", 1),
    ([refuse(EXHAUSTED, 5)] * 9, {"timeout": 2.0}, "DEADLINE_EXCEEDED", 1),  # said at once, not after 2 s
    ([refuse(grpc.StatusCode.INVALID_ARGUMENT)], {}, "INVALID_ARGUMENT", 1),
])
def test_gives_up(call, steps, options, code, calls):
    script = Script(*steps)
    begin = time.monotonic()
    error, _ = call(script, **options)
    assert error.code == grpc.StatusCode[code], error
    assert len(script.calls) == calls
    assert time.monotonic() - begin < 2


def test_models_are_asked_again():
    import hiif
    address, server = serve(Script(refuse(UNAVAILABLE)))
    with hiif.Client(address) as client:
        assert [model.name for model in client.models()] == ["m"]
    server.stop(None)
