"""What connections and streams that do nothing cost the others."""

import contextlib
import os
import socket
import threading
import time

import grpc
import pytest
import requests
from http_front import wait_for
from test_floods import soon
from test_metrics import scrape
from test_request_ids import upload
from test_server_bad_input import png, request, still_serves

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"


@contextlib.contextmanager
def connections(port, count, first=b""):
    """Open connections, as many as could be made."""
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(count):
            try:
                opened.append(stack.enter_context(socket.create_connection(("127.0.0.1", port), 5)))
                opened[-1].sendall(first)
            except OSError:
                pass
        yield opened


@contextlib.contextmanager
def silent_uploads(server, count, metadata=None):
    """Streams of UpscaleUpload that send nothing, some on each connection."""
    from hiif.v1 import super_resolution_pb2_grpc as rpc
    over = threading.Event()

    def nothing():
        over.wait(60)
        yield from ()

    with contextlib.ExitStack() as stack:
        calls = []
        for i in range(count):
            if i % 90 == 0:
                channel = server.channel(**{"grpc.use_local_subchannel_pool": 1})
                stack.callback(channel.close)
                stub = rpc.SuperResolutionServiceStub(channel)
            calls.append(stub.UpscaleUpload(nothing(), metadata=metadata))
        try:
            yield calls
        finally:
            over.set()
            for call in calls:
                call.cancel()


def small_request(server, timeout):
    """Seconds of a small request over a connection of its own."""
    from hiif.v1 import super_resolution_pb2_grpc as rpc
    start = time.monotonic()
    with server.channel(**{"grpc.use_local_subchannel_pool": 1}) as channel:
        list(rpc.SuperResolutionServiceStub(channel).Upscale(request(), timeout=timeout))
    return time.monotonic() - start


def test_used_up_descriptors_come_back(start_server):
    server = start_server(nofile=256)
    small_request(server, 20)
    with connections(server.port, 400, PREFACE):
        wait_for(lambda: scrape(server)['hiif_connections_refused_total{reason="DESCRIPTORS"}'] > 0)
        assert requests.get(server.management + "/livez", timeout=5).status_code == 200
    soon(lambda: small_request(server, 10))
    assert requests.get(server.management + "/livez", timeout=5).status_code == 200


def test_connections_are_bounded(start_server):
    server = start_server("--max-connections", "20")
    with connections(server.port, 60, PREFACE):
        wait_for(lambda: scrape(server)['hiif_connections_refused_total{reason="CONNECTIONS"}'] >= 60 - 28)
        assert scrape(server)["hiif_connections"] <= 28  # this machine's own may be eight more
    soon(lambda: still_serves(server))


def test_silent_uploads_hold_nobody_up(start_server):
    server = start_server()
    small_request(server, 20)
    with silent_uploads(server, 600) as calls:
        time.sleep(1)
        assert small_request(server, 10) < 5
        assert upload(server, "mine")
        assert len(os.listdir(f"/proc/{server.process.pid}/task")) < 100, "a silent stream holds a thread"
        end = time.monotonic() + 20
        while not all(call.done() for call in calls) and time.monotonic() < end:
            time.sleep(0.1)
        assert {call.code() for call in calls} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    still_serves(server)


def test_uploads_are_authorised_before_they_are_read(start_server, tmp_path):
    tokens = tmp_path / "tokens.json"
    tokens.write_text('{"tokens": [{"name": "a", "token": "s3cret"}]}')
    tokens.chmod(0o600)
    server = start_server("--token-file", tokens)
    with silent_uploads(server, 50) as calls:
        start = time.monotonic()
        for call in calls:
            assert call.code() == grpc.StatusCode.UNAUTHENTICATED
        assert time.monotonic() - start < 4, "the first message was waited for"


def test_an_upload_that_stops_is_cut_off(start_server):
    from hiif.v1 import super_resolution_pb2 as pb
    server = start_server("--read-timeout", "3s")

    def drip(pause):
        yield pb.UpscaleUploadRequest(parameters=request().parameters)
        image = png((300, 300))
        for i in range(0, len(image), 200):
            yield pb.UpscaleUploadRequest(chunk=image[i:i + 200])
            time.sleep(pause)

    assert list(server.stub().UpscaleUpload(drip(0.05), timeout=60))[-1].HasField("trailer")
    with pytest.raises(grpc.RpcError) as caught:
        list(server.stub().UpscaleUpload(drip(9), timeout=60))
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert "sent too little" in caught.value.details()
    still_serves(server)


def test_slow_connections_leave_the_management_port_alone(start_server):
    server = start_server()
    port = int(server.management.rsplit(":", 1)[1])
    with connections(port, 200, b"GET /livez HTTP/1.1\r\nHost: a\r\n"):
        for path in ("/livez", "/readyz", "/metrics"):
            start = time.monotonic()
            assert requests.get(server.management + path, timeout=5).status_code == 200
            assert time.monotonic() - start < 2


def test_ipv6_everywhere(start_server):
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    server = start_server("--listen", "[::1]:0", "--management-listen", "[::1]:0")
    port = server.management.rsplit(":", 1)[1]
    assert requests.get(f"http://[::1]:{port}/livez", timeout=5).text == "ok\n"
    server.address = f"[::1]:{server.port}"
    still_serves(server)


def test_alive_though_full(start_server):
    """Connections of this machine use up all descriptors: not ready, but alive."""
    server = start_server(nofile=256)
    small_request(server, 20)
    with connections(server.port, 400, PREFACE):
        end = time.monotonic() + 20
        codes = []
        while time.monotonic() < end and 503 not in codes:
            time.sleep(1)
            codes.append(requests.get(server.management + "/readyz", timeout=5).status_code)
            assert requests.get(server.management + "/livez", timeout=5).status_code == 200
        assert 503 in codes
    soon(lambda: small_request(server, 10))
    end = time.monotonic() + 10
    while requests.get(server.management + "/readyz", timeout=5).status_code != 200:
        assert time.monotonic() < end
        time.sleep(0.5)
