"""HTTP/2 that asks for nothing (tests/testing/hostile.py): ended, and others are served. Figures: scripts/verify attacks."""

import ssl
import time

import grpc
import pytest
import requests
from hostile import FLOODS, Flood
from test_security import certificates, connect  # noqa: F401
from test_server_bad_input import png, request, still_serves


def refusals(server):
    """Connections that were closed for floods."""
    for line in requests.get(server.management + "/metrics", timeout=5).text.splitlines():
        if line.startswith('hiif_connections_refused_total{reason="FLOOD"}'):
            return float(line.split()[1])
    return 0


def soon(call, within=30):
    """What the flood began is cleared away at first; a busy machine takes a while for it."""
    end = time.monotonic() + within
    while True:
        try:
            return call()
        except grpc.RpcError:
            assert time.monotonic() < end
            time.sleep(0.2)


@pytest.mark.parametrize("name", ["rapid resets", "rapid resets of an upload", "rapid resets of nothing",
                                  "pings, one connection", "endless headers"])
def test_floods_are_ended(server, name):
    still_serves(server)
    before, refused, most = server.rss(), refusals(server), 0
    with server.channel(**{"grpc.use_local_subchannel_pool": 1}) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        check(b"", timeout=10)
        flood = Flood(server.port, FLOODS[name]())
        try:
            end = time.monotonic() + 3
            while time.monotonic() < end:
                check(b"", timeout=20)  # the flood goes on until it is answered
                most = max(most, server.rss() - before)
                time.sleep(0.05)
        finally:
            flood.stop()
    assert refusals(server) > refused
    assert most < 300e6
    soon(lambda: still_serves(server))


def test_floods_over_tls_are_ended(start_server, certificates):  # noqa: F811
    from hiif.v1 import super_resolution_pb2 as pb
    server = start_server("--tls-certificate", certificates / "server.pem", "--tls-key", certificates / "server.key")
    context = ssl.create_default_context(cafile=certificates / "ca.pem")
    context.set_alpn_protocols(["h2"])
    flood = Flood(server.port, FLOODS["rapid resets"](), connections=2,
                  wrap=lambda connection: context.wrap_socket(connection, server_hostname="localhost"))
    end = time.monotonic() + 120
    while refusals(server) == 0:
        assert time.monotonic() < end
        time.sleep(0.2)
    flood.stop()
    stub = connect(server, certificates)
    assert soon(lambda: stub.ListModels(pb.ListModelsRequest(), timeout=20, wait_for_ready=True)).models


def test_new_connections_that_ping_hold_nobody_up(server):
    flood = Flood(server.port, FLOODS["pings, new connections"](), connections=1)
    with server.channel(**{"grpc.use_local_subchannel_pool": 1}) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            for _ in range(20):
                check(b"", timeout=10)
                time.sleep(0.05)
        finally:
            flood.stop()
    soon(lambda: still_serves(server))


def test_many_calls_on_one_connection_are_no_flood(server):
    """Calls that are answered, cancelled now and then, and large messages at once: nothing is closed."""
    refused = refusals(server)
    with server.channel(**{"grpc.use_local_subchannel_pool": 1, "grpc.max_send_message_length": -1}) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        calls = [check.future(b"", timeout=30) for _ in range(5000)]
        for call in calls:
            call.result()
        for _ in range(300):
            check.future(b"", timeout=30).cancel()
        upscale = channel.unary_stream("/hiif.v1.SuperResolutionService/Upscale")
        noise = request(bytes(20 << 20)).SerializeToString()
        for call in [upscale(noise, timeout=60) for _ in range(8)]:
            with pytest.raises(grpc.RpcError) as error:
                list(call)
            assert error.value.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED)
        list(upscale(request(png()).SerializeToString(), timeout=60))
    assert refusals(server) == refused
