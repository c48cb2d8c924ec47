"""Servers that keep their connection and say nothing: --stall-timeout. Calls that others cancel."""

import concurrent.futures
import contextlib
import signal
import subprocess
import threading
import time

import grpc
import pytest

from processes import BIN, crc32c, hiif, start


@contextlib.contextmanager
def server_of(upscale):
    """upscale: the stream of answers to a request."""
    from hiif.v1 import super_resolution_pb2_grpc as rpc

    class Service(rpc.SuperResolutionServiceServicer):
        calls = 0

        def Upscale(self, request, context):
            Service.calls += 1
            yield from upscale(request, context)

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    rpc.add_SuperResolutionServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}", Service
    finally:
        server.stop(None)


def answers(request, pause):
    """A grey picture of 48 x 40 in two rows of tiles; pause() before each message."""
    from hiif.v1 import super_resolution_pb2 as pb
    width, height = request.parameters.target.width, request.parameters.target.height
    rows = -(-height // 64)
    pause()
    yield pb.UpscaleResponse(header=pb.UpscaleHeader(
        output_width=width, output_height=height, region=pb.Region(width=width, height=height), channels=3,
        sample_type=pb.SAMPLE_TYPE_U8, input_width=width // 2, input_height=height // 2, orientation_applied=1,
        grid=pb.TileGrid(tile_size=64, columns=-(-width // 64), rows=rows)))
    total, count = 0, 0
    for y in range(0, height, 64):
        for x in range(0, width, 64):
            w, h = min(64, width - x), min(64, height - y)
            samples = bytes(w * h * 3)
            total, count = crc32c(samples, total), count + 1
            pause()
            yield pb.UpscaleResponse(tile=pb.Tile(index=count - 1, x=x, y=y, width=w, height=h, samples=samples,
                                                  crc32c=crc32c(samples)))
    yield pb.UpscaleResponse(trailer=pb.UpscaleTrailer(crc32c=total, messages_sent=count))


def test_a_silent_server_is_given_up(photo, tmp_path):
    gone = threading.Event()

    def silent(request, context):
        for number, message in enumerate(answers(request, lambda: None)):
            if number == 1:  # after the header
                gone.wait(30)
                return
            yield message

    with server_of(silent) as (address, service):
        begin = time.monotonic()
        result = hiif("upscale", photo, "-o", tmp_path / "o.png", "-s", 2, "--server", address, "--stall-timeout", 2,
                      "--retries", 1, check=3)
        gone.set()
        assert "silent for 2s" in result.stderr and time.monotonic() - begin < 25
        assert service.calls == 2 and not list(tmp_path.glob("o*"))


def test_a_slow_server_is_not(photo, tmp_path):
    with server_of(lambda request, context: answers(request, lambda: time.sleep(0.6))) as (address, service):
        hiif("upscale", photo, "-o", tmp_path / "o.png", "-s", 2, "--server", address, "--stall-timeout", 20)
        assert service.calls == 1 and (tmp_path / "o.png").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait_for_the_health(number):
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    asked, over = threading.Event(), threading.Event()

    class Health(health_pb2_grpc.HealthServicer):
        def Check(self, request, context):
            asked.set()
            over.wait(60)
            return health_pb2.HealthCheckResponse()

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(Health(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with start([BIN / "hiif", "health", "--server", f"127.0.0.1:{port}"], stdout=subprocess.PIPE,
               stderr=subprocess.PIPE) as process:
        try:
            assert asked.wait(30)
            process.send_signal(number)
            assert process.wait(30) == 128 + number and process.stdout.read() == process.stderr.read() == b""
        finally:
            process.kill()
            over.set()
            server.stop(None)


def test_a_call_that_a_proxy_cancels(photo, tmp_path):
    """It is a broken stream, not the user's wish to stop: tried again, and failed with its reason."""
    def cancelled(_, context):
        context.abort(grpc.StatusCode.CANCELLED, "stream reset by a proxy")
        yield

    flags = ("upscale", photo, "-o", tmp_path / "o.png", "-s", 2, "--retries", 1)
    with server_of(cancelled) as (address, service):
        result = hiif(*flags, "--server", address, check=1)
        assert "stream reset by a proxy" in result.stderr and "1 failed" in result.stderr
        assert service.calls == 2 and not list(tmp_path.glob("o*"))
    calls = []

    def once(request, context):
        calls.append(request)
        return cancelled(request, context) if len(calls) == 1 else answers(request, lambda: None)

    with server_of(once) as (address, service):
        hiif(*flags, "--server", address)
        assert service.calls == 2 and (tmp_path / "o.png").exists()
