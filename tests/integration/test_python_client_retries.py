"""The Python package against a server made of unmodified grpcio that fails the way a test says."""

import asyncio
import concurrent.futures
import copy
import pickle
import threading
import time
import warnings

import grpc
import numpy
import pytest

from processes import crc32c
from stalling_proxy import StallingProxy

TILE = 4
SIZE = 12  # 3 x 3 tiles


class Script:
    """One entry a call: a function of (context, tile index) before every tile and the trailer, or None. lie: changes
    every header and trailer. left: seconds until the deadline of each query and page of models."""

    def __init__(self, *steps, lie=lambda message: None):
        self.steps = list(steps)
        self.lie = lie
        self.calls = []
        self.contexts = []
        self.left = []

    def live(self):
        """How many streams are neither over nor cancelled."""
        return sum(context.is_active() for context in self.contexts)


def serve(script):
    """A server; its address and itself."""
    from hiif.v1 import super_resolution_pb2 as pb
    from hiif.v1 import super_resolution_pb2_grpc as rpc

    class Service(rpc.SuperResolutionServiceServicer):
        def Upscale(self, request, context):
            script.contexts.append(context)
            script.calls.append((time.monotonic(), pb.UpscaleParameters.FromString(
                request.parameters.SerializeToString())))
            step = script.steps.pop(0) if script.steps else None
            if step is not None:
                step(context, None, None)
            header = pb.UpscaleHeader(
                output_width=SIZE, output_height=SIZE, region=pb.Region(width=SIZE, height=SIZE), channels=1,
                sample_type=pb.SAMPLE_TYPE_U8, resume_token=b"token", input_width=4, input_height=4,
                grid=pb.TileGrid(tile_size=TILE, columns=3, rows=3), orientation_applied=1)
            script.lie(header)
            yield pb.UpscaleResponse(header=header)
            trailer = pb.UpscaleTrailer()
            for index in range(request.parameters.first_tile, 0 if request.parameters.validate_only else 9):
                samples = bytes([index]) * TILE * TILE
                tile = pb.Tile(index=index, x=index % 3 * TILE, y=index // 3 * TILE, width=TILE, height=TILE,
                               samples=samples, crc32c=crc32c(samples))
                if step is not None and step(context, index, tile) == "end":
                    return
                yield pb.UpscaleResponse(tile=tile)
                trailer.crc32c = crc32c(samples, trailer.crc32c)
                trailer.messages_sent += 1
            script.lie(trailer)
            yield pb.UpscaleResponse(trailer=trailer)

        def Query(self, request, context):
            script.left.append(context.time_remaining())
            response = pb.QueryResponse(rgb=[0.5] * (len(request.coordinates) // 2 * 3), warnings=["a loss"])
            script.lie(response)
            return response

        def ListModels(self, request, context):
            script.left.append(context.time_remaining())
            step = script.steps.pop(0) if script.steps else None
            if step is not None:
                step(context, None, None)
            response = pb.ListModelsResponse(models=[pb.Model(name="m")])
            script.lie(response)
            return response

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
CANCELLED = grpc.StatusCode.CANCELLED
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
    (refuse(EXHAUSTED, 0.3), 0), (refuse(CANCELLED, at=4), 4)])
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


@pytest.mark.parametrize("change,first", [
    ({"sample_type": 2}, 0), ({"model_version": "2"}, 0), ({"orientation_applied": 6}, 0), ({"icc_profile": b"p3"}, 0),
    ({"estimated_seconds": 9.0, "request_id": "other", "resume_token": b"other"}, 5)])
def test_goes_on_with_the_same_output_alone(call, change, first):
    """The second call answers another header."""
    script = Script(stop)

    def lie(message):
        if len(script.calls) == 2:
            changed("UpscaleHeader", **change)(message)

    def wide(_, index, tile):
        if index is not None and "sample_type" in change:
            tile.samples *= 2
            tile.crc32c = crc32c(tile.samples)

    script.lie = lie
    script.steps.append(wide)
    result, seen = call(script)
    assert numpy.array_equal(result, EXPECTED), result
    assert [parameters.first_tile for _, parameters in script.calls] == ([0, 5] if first else [0, 5, 0])
    assert seen[-1] == (144, 144)


@pytest.mark.parametrize("steps,options,code,calls", [
    ([refuse(UNAVAILABLE)] * 9, {"attempts": 3}, "UNAVAILABLE", 3),
    ([stop] + [refuse(UNAVAILABLE, at=5)] * 9, {"attempts": 3}, "UNAVAILABLE", 3),  # a header is no progress
    ([refuse(EXHAUSTED)] * 9, {}, "RESOURCE_EXHAUSTED", 1),  # no time named: too large a message
    ([refuse(EXHAUSTED, 700)] * 9, {}, "RESOURCE_EXHAUSTED", 1),
    ([refuse(EXHAUSTED, 5)] * 9, {"timeout": 2.0}, "DEADLINE_EXCEEDED", 1),  # said at once, not after 2 s
    ([refuse(grpc.StatusCode.INVALID_ARGUMENT)], {}, "INVALID_ARGUMENT", 1),
    ([refuse(CANCELLED)] * 9, {"attempts": 3}, "CANCELLED", 3),  # by a proxy, say
])
def test_gives_up(call, steps, options, code, calls):
    script = Script(*steps)
    begin = time.monotonic()
    error, _ = call(script, **options)
    assert error.code == grpc.StatusCode[code], error
    assert len(script.calls) == calls
    assert time.monotonic() - begin < 10  # not the minute that more attempts would take


def test_a_client_that_is_closed_does_not_try_again():
    """Its own cancellation is the end of what is under way."""
    import hiif
    begun = threading.Event()

    def wait(context, index, _):
        begun.set()
        time.sleep(3)

    script = Script(wait)
    address, server = serve(script)
    client = hiif.Client(address)

    def close():
        begun.wait(30)
        client.close()

    closer = threading.Thread(target=close)
    closer.start()
    with pytest.raises(hiif.Error) as caught:
        client.upscale(numpy.zeros((4, 4), numpy.uint8), 3)
    closer.join()
    server.stop(None)
    assert caught.value.code == CANCELLED and len(script.calls) == 1


def test_tiles_that_come_again_are_no_progress(call):
    """Of a server whose outputs cannot be resumed."""
    script = Script(*[refuse(UNAVAILABLE, at=5)] * 20, lie=changed("UpscaleHeader", resume_token=b""))
    error, _ = call(script, attempts=3)
    assert error.code == UNAVAILABLE and len(script.calls) == 3
    assert [parameters.first_tile for _, parameters in script.calls] == [0, 0, 0]
    once = Script(refuse(UNAVAILABLE, at=5), lie=changed("UpscaleHeader", resume_token=b""))
    result, seen = call(once)
    assert numpy.array_equal(result, EXPECTED) and seen[-1] == (144, 144)


def test_starting_over_has_an_end(call):
    """Two servers that cannot go on from where the other one stopped; one that says so of its own output."""
    script = Script(*[refuse(UNAVAILABLE, at=2), refuse(grpc.StatusCode.FAILED_PRECONDITION)] * 20)
    error, _ = call(script, attempts=3)
    assert error.code == UNAVAILABLE and len(script.calls) == 3
    script = Script(*[refuse(grpc.StatusCode.FAILED_PRECONDITION, at=0)] * 20)
    error, _ = call(script)
    assert error.code == grpc.StatusCode.FAILED_PRECONDITION and len(script.calls) == 1


def test_validate_only_gives_the_header(call):
    header, seen = call(Script(), validate_only=True)
    assert (header.output_width, header.output_height, header.grid.columns, seen) == (SIZE, SIZE, 3, [])


@pytest.mark.parametrize("options", [{"first_tile": 3}, {"resume_token": b"x"}, {"encoded": None}])
def test_what_the_client_does_itself_is_refused(call, options):
    with pytest.raises(TypeError, match=next(iter(options))):
        call(Script(), **options)


def test_models_are_asked_again():
    import hiif
    address, server = serve(Script(refuse(UNAVAILABLE)))
    with hiif.Client(address) as client:
        assert [model.name for model in client.models()] == ["m"]
    server.stop(None)


@pytest.mark.parametrize("way", ["damaged", "progress", "query"])
@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_a_stream_that_is_left_ends_at_the_server(kind, way):
    """Also while the client lives: a damaged tile and every attempt after it, a progress that raises, a header alone."""
    import hiif

    def step(context, index, tile):
        if index == 0 and way == "damaged":
            tile.crc32c += 1
        while index == 1 and context.is_active():  # the rest comes when the client asks for nothing more
            time.sleep(0.01)

    def lie(message):
        while type(message).__name__ == "UpscaleTrailer" and script.contexts[-1].is_active():
            time.sleep(0.01)

    def progress(*_):
        raise RuntimeError("enough")

    async def asynchronous():
        return hiif.AsyncClient(address, attempts=3)

    script = Script(step, step, step, lie=lie)
    address, server = serve(script)
    with asyncio.Runner() as runner:
        run = runner.run if kind == "AsyncClient" else lambda result: result
        client = runner.run(asynchronous()) if kind == "AsyncClient" else hiif.Client(address, attempts=3)
        picture = numpy.zeros((4, 4), numpy.uint8)
        if way == "damaged":
            with pytest.raises(hiif.Error, match="checksum"):
                run(client.upscale(picture, 3))
        elif way == "progress":
            with pytest.raises(RuntimeError, match="enough"):
                run(client.upscale(picture, 3, progress=progress))
        else:
            with pytest.warns(hiif.LossWarning):
                run(client.query(b"a file", [(1, 1)]))
        assert len(script.contexts) == (3 if way == "damaged" else 1)
        end = time.monotonic() + 5
        while script.live() and time.monotonic() < end:
            time.sleep(0.01)
        assert script.live() == 0
        run(client.close())
    server.stop(None)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_an_error_goes_from_process_to_process(again):
    import hiif
    error = hiif.Error(EXHAUSTED, "busy", 1.5)
    other = again(error)
    assert (type(other), other.code, other.message, other.retry_after) == (hiif.Error, EXHAUSTED, "busy", 1.5)
    assert str(other) == str(error)


@pytest.mark.parametrize("kind,x,y", [(numpy.uint8, 200, 130), (numpy.int16, 20_000, 17_000), (int, 20_000, 17_000)])
def test_positions_may_be_numbers_of_numpy(kind, x, y):
    from hiif._common import query_of
    asked = query_of(30_000, 30_000, numpy.array([[x, y]], kind), 4, "")
    assert asked.coordinates == pytest.approx([2 * y / 30_000 - 1, 2 * x / 30_000 - 1])


@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_a_timeout_is_of_the_whole_call(kind):
    """Of both calls that a query of a file takes, and of every page of models; the first one is to wait a second."""
    import hiif

    def two_pages(message):
        if type(message).__name__ == "ListModelsResponse" and len(script.left) < 3:
            message.next_page_token = "next"

    def ask(method, *arguments):
        async def work():
            async with hiif.AsyncClient(address) as client:
                return await getattr(client, method)(*arguments, timeout=30)
        if kind == "AsyncClient":
            return asyncio.run(work())
        with hiif.Client(address) as client:
            return getattr(client, method)(*arguments, timeout=30)

    for method, *arguments in (("query", b"a file", [(1, 1)]), ("models",)):
        script = Script(refuse(UNAVAILABLE, 1.0), lie=two_pages)
        address, server = serve(script)
        with warnings.catch_warnings(action="ignore"):
            ask(method, *arguments)
        server.stop(None)
        assert 0 < script.left[-1] < 29.2, (method, script.left)


@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_a_slow_handshake_is_waited_for(kind):
    """Of a far server: it takes longer than the wait before the first attempt to come back."""
    import hiif
    address, server = serve(Script())
    with StallingProxy(int(address.rpartition(":")[2]), enough=-1) as proxy:
        threading.Timer(1, proxy.resume).start()

        async def ask():
            async with hiif.AsyncClient(f"127.0.0.1:{proxy.port}", attempts=1) as client:
                return await client.models()

        if kind == "AsyncClient":
            models = asyncio.run(ask())
        else:
            with hiif.Client(f"127.0.0.1:{proxy.port}", attempts=1) as client:
                models = client.models()
        assert [model.name for model in models] == ["m"]
    server.stop(None)


def changed(kind, **fields):
    """Sets fields, of messages within by "outer__inner", of every message of a kind."""
    def lie(message):
        if type(message).__name__ != kind:
            return
        for name, value in fields.items():
            outer, _, inner = name.rpartition("__")
            setattr(getattr(message, outer) if outer else message, inner, value)
    return lie


@pytest.mark.parametrize("lie,words", [
    (changed("UpscaleHeader", output_width=16), "factor"),
    (changed("UpscaleHeader", output_width=2**31 - 1, output_height=2**31 - 1), "32 times"),
    (changed("UpscaleHeader", output_width=0), "size"),
    (changed("UpscaleHeader", input_width=8, output_width=24, region__width=24, grid__columns=6), "shape"),
    (changed("UpscaleHeader", region__width=8), "region"),
    (changed("UpscaleHeader", region__x=-1), "size"),
    (changed("UpscaleHeader", channels=4), "shape"),
    (changed("UpscaleHeader", channels=0), "size"),
    (changed("UpscaleHeader", sample_type=3), "type"),
    (changed("UpscaleHeader", sample_type=0), "size"),
    (changed("UpscaleHeader", grid__tile_size=8192), "tiles"),
    (changed("UpscaleHeader", grid__columns=4), "tiles"),
    (changed("UpscaleHeader", format=1), "file"),
    (changed("UpscaleHeader", model="other"), "model"),
    (changed("UpscaleTrailer", messages_sent=8), "messages"),
    (changed("UpscaleTrailer", crc32c=1), "checksum"),
])
def test_answers_are_held_against_what_was_asked(call, lie, words):
    script = Script(lie=lie)
    error, _ = call(script, attempts=1, sample_type=1, model="m" if words == "model" else "")
    assert getattr(error, "code", error) == grpc.StatusCode.DATA_LOSS, error
    assert words in str(error)


@pytest.mark.parametrize("change", [
    {"x": 1}, {"y": -4}, {"width": 3}, {"height": 2**30}, {"samples": b""}, {"samples": b"1" * 17}, {"index": -1},
    {"index": 9}])
def test_tiles_elsewhere_are_refused(call, change):
    def step(context, index, tile):
        if index == 4:
            for name, value in change.items():
                setattr(tile, name, value)
            tile.crc32c = crc32c(tile.samples)
    error, _ = call(Script(step), attempts=1)
    assert getattr(error, "code", error) == grpc.StatusCode.DATA_LOSS, error


def test_lists_and_colours_are_held_against_what_was_asked():
    import hiif
    picture = numpy.zeros((4, 4), numpy.uint8)
    for lie in (lambda m: m.rgb.pop(), lambda m: m.rgb.extend([0.5] * 3), lambda m: m.rgb.__setitem__(0, float("nan")),
                lambda m: m.rgb.__setitem__(0, 2.0)):
        address, server = serve(Script(lie=lie))
        with hiif.Client(address) as client, pytest.raises(hiif.Error, match="damaged"):
            client.query(picture, [(1, 1), (2, 2)])
        server.stop(None)
    address, server = serve(Script())
    with hiif.Client(address) as client, pytest.warns(hiif.LossWarning, match="a loss"):
        assert client.query(picture, [(1, 1), (2, 2)]).shape == (2, 3)
    server.stop(None)
    for lie in (lambda m: setattr(m, "next_page_token", "again"),
                lambda m: (m.ClearField("models"), setattr(m, "next_page_token", "again"))):
        address, server = serve(Script(lie=lie))
        with hiif.Client(address) as client, pytest.raises(hiif.Error, match="list of models"):
            client.models()
        server.stop(None)
