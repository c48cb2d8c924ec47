"""What a client of gRPC can make the server hold: memory by what it sends, threads by what it does not read."""

import collections
import json
import pathlib
import queue
import socket
import struct
import tempfile
import threading
import time
import zlib

import grpc
import pytest
import requests
from doors import outcome_of
from hostile import PREFACE, frame, header_block
from http2 import Http2, message
from http_front import upscale
from test_connections import small_request
from test_floods import refusals
from test_floods import soon as cleared_away
from test_metrics import scrape
from test_server_bad_input import png, request

SERVICE = "/hiif.v1.SuperResolutionService/"
KSERVE = "/inference.GRPCInferenceService/"
SMALL = ("--memory-bytes", "256MiB", "--feature-cache-bytes", "0", "--workers", "1")


def peak(server):
    """Most resident bytes so far."""
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def soon(server, within=60):
    """A small request is answered, at the latest when those before it are given up."""
    end = time.monotonic() + within
    while True:
        try:
            return small_request(server, 10)
        except grpc.RpcError:
            assert time.monotonic() < end
            time.sleep(0.2)


@pytest.mark.parametrize("encoding, bits", [("gzip", 31), ("deflate", 15)])
@pytest.mark.parametrize("method", ["Query", "QueryUpload"])
def test_packed_messages_are_not_unpacked(start_server, two_models, method, encoding, bits):
    """300 MiB of zeros in 300 KB."""
    server = start_server(model_dir=two_models)
    small_request(server, 60)
    packer = zlib.compressobj(9, wbits=bits)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()
    before = peak(server)
    with Http2(server.port) as client:
        stream = client.call(SERVICE + method, message(packed, compressed=True), headers=[("grpc-encoding", encoding)])
        assert client.until(lambda: stream in client.ended, 60)
    assert peak(server) - before < 64 << 20
    with pytest.raises(grpc.RpcError) as caught:
        list(server.stub().Upscale(request(), compression=grpc.Compression.Gzip, timeout=60))
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED and "gzip" in caught.value.details()
    small_request(server, 60)


def test_silent_streams_of_reflection_hold_nobody_up(start_server, two_models):
    """With default settings."""
    server = start_server("--max-rpcs", "4", model_dir=two_models)
    with Http2(server.port) as client:
        for _ in range(60):
            client.call("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", end=False)
        client.pump(1)
        soon(server)


@pytest.mark.parametrize("path", [SERVICE + "ListModels", SERVICE + "GetModel", KSERVE + "ServerMetadata",
                                  KSERVE + "RepositoryIndex", KSERVE + "ServerLive", KSERVE + "ServerReady"])
def test_small_answers_that_nobody_reads_hold_nobody_up(start_server, two_models, path):
    server = start_server("--max-rpcs", "4", "--write-timeout", "3s", "--kserve", model_dir=two_models)
    with Http2(server.port, window=0) as client:
        streams = [client.call(path, message(b"")) for _ in range(60)]
        soon(server)
        assert client.until(lambda: client.ended.issuperset(streams), 60), "they are given up"
        assert not any(client.data[stream] for stream in streams)
        small_request(server, 60)


def test_health_that_one_peer_does_not_read_is_answered_to_another(start_server, two_models):
    service = pytest.importorskip("tritonclient.grpc.service_pb2")
    server = start_server("--kserve", "--write-timeout", "60s", model_dir=two_models)
    small_request(server, 60)
    with Http2(server.port, window=0, address="127.0.0.2") as client, server.channel() as channel:
        live = channel.unary_unary(KSERVE + "ServerLive", response_deserializer=service.ServerLiveResponse.FromString)
        first = [client.call(KSERVE + "ServerLive", message(b"")) for _ in range(20)]
        client.pump(0.3)
        for _ in range(10):
            assert live(b"", timeout=10).live
        assert client.until(lambda: client.ended.issuperset(first), 10), "they are given up soon"


class Deaf:
    """A connection that asks without a token and takes no answers: what is sent fills the system's buffers, and what
    is behind it waits. address: of this machine's, but the server's own; port: a number, or the path of a socket."""

    def __init__(self, port, address="127.0.0.2"):
        if isinstance(port, int):
            self.socket = socket.socket()
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            self.socket.bind((address, 0))
            self.socket.connect(("127.0.0.1", port))
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(port)
        self.socket.settimeout(2)
        self.socket.sendall(PREFACE + frame(8, 0, 0, struct.pack(">I", 1 << 30)))
        self.block = header_block((SERVICE + "ListModels").encode())
        self.calls = 0

    def ask(self, count):
        """False: the connection takes no more, or is closed."""
        out = b""
        for _ in range(count):
            stream = 2 * self.calls + 1
            self.calls += 1
            out += frame(1, 4, stream, self.block) + frame(0, 1, stream, message(b""))
        try:
            self.socket.sendall(out)
        except OSError:
            return False
        return True


@pytest.fixture()
def guarded(start_server, two_models, tmp_path):
    """Starts a server that asks for a token."""
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({"tokens": [{"name": "good", "token": "s3cret"}]}))
    tokens.chmod(0o600)
    return lambda *flags: start_server("--token-file", tokens, *flags, model_dir=two_models)


def listed(server, timeout):
    """The models, as somebody with a token is told them."""
    from hiif.v1 import super_resolution_pb2 as pb
    return server.stub().ListModels(pb.ListModelsRequest(), metadata=(("authorization", "Bearer s3cret"),),
                                    timeout=timeout).models


def test_a_stranger_that_takes_no_refusals_makes_nobody_deaf(guarded):
    server = guarded("--max-rpcs", "8")
    assert listed(server, 20)
    deaf = Deaf(server.port)
    end = time.monotonic() + 60
    while refusals(server) == 0:
        deaf.ask(20)
        assert time.monotonic() < end, "it is not ended"
        time.sleep(0.01)
    assert deaf.calls > 1000
    cleared_away(lambda: listed(server, 5), within=10)
    assert requests.get(server.management + "/livez", timeout=5).status_code == 200


def test_refusals_that_nobody_takes_hold_no_place(guarded):
    """They hold threads of gRPC's until their connection is ended, but HTTP has its own."""
    server = guarded("--max-rpcs", "1", "--http-listen", "127.0.0.1:0")
    tasks = pathlib.Path(f"/proc/{server.process.pid}/task")
    before = len(list(tasks.iterdir()))
    deaf = Deaf(server.port)
    held = 0
    while deaf.calls < 20000 and len(list(tasks.iterdir())) < before + 22 and refusals(server) == 0:
        deaf.ask(100)
        held = max(held, scrape(server)["hiif_inflight_requests"])
    status = upscale(server.http, "scale=2", headers={"Authorization": "Bearer s3cret"}, timeout=20)[0]
    assert status == 200 and held == 0


def test_a_few_calls_of_a_slow_reader_are_no_stall(start_server, photo):
    """Ten streams of one connection that nobody reads for longer than a stall takes: they go on afterwards."""
    from hiif.v1 import super_resolution_pb2 as pb
    server = start_server("--write-timeout", "60s")
    one = request(photo.read_bytes(), model="bicubic", scale=(20, 20))
    with Http2(server.port, window=1 << 30) as client:
        streams = [client.call(SERVICE + "Upscale", message(one.SerializeToString())) for _ in range(10)]
        time.sleep(9)
        assert client.until(lambda: client.ended.issuperset(streams), 120)
        assert sum(map(len, client.data.values())) > 20_000_000, "the system held back most of it"
        assert refusals(server) == 0


def test_one_caller_leaves_places_to_others(start_server, photo):
    """Fourteen of sixteen, which it keeps for as long as it takes nothing."""
    server = start_server("--max-rpcs", "16", "--write-timeout", "120s")
    one = request(photo.read_bytes(), model="bicubic", scale=(20, 20)).SerializeToString()
    with Http2(server.port, window=0, address="127.0.0.2") as client:
        streams = [client.call(SERVICE + "Upscale", message(one)) for _ in range(20)]
        assert client.until(lambda: len(client.ended) == 6 and scrape(server)["hiif_inflight_requests"] == 14, 60)
        for _ in range(5):
            small_request(server, 60)
        assert len(client.ended.intersection(streams)) == 6, "the others are as they were"


def test_callers_share_equally_whatever_they_ask_for(start_server, photo, tmp_path):
    """Of one worker: tiles as they are, which cost nothing to send, and files."""
    (tmp_path / "tokens").write_text(json.dumps({"tokens": [
        {"name": name, "token": name * 20, "scopes": ["upscale"]} for name in ("tiles", "files")]}))
    server = start_server("--token-file", tmp_path / "tokens", "--workers", "1", "--default-model",
                          "edsr-baseline-hiif-fast")
    done = collections.Counter()
    end = time.monotonic() + 10

    def ask(name):
        asked = request(photo.read_bytes(), scale=(6, 6))
        if name == "files":
            asked.parameters.encoded.format = 1
        stub = server.stub()
        while time.monotonic() < end:
            for _ in stub.Upscale(asked, metadata=[("authorization", "Bearer " + name * 20)], timeout=60):
                pass
            done[name] += time.monotonic() < end

    threads = [threading.Thread(target=ask, args=[name]) for name in ("tiles", "files") * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done["tiles"] + done["files"] > 20
    assert 0.6 < done["tiles"] / done["files"] < 1.7, done


def test_a_server_whose_calls_find_no_thread_is_not_alive(guarded):
    """The connections of a unix socket are this machine's: nobody ends them."""
    path = tempfile.mkdtemp() + "/socket"
    server = guarded("--max-rpcs", "1", "--listen", f"unix:{path},127.0.0.1:0")
    deaf = Deaf(path)
    end = time.monotonic() + 60
    while requests.get(server.management + "/livez", timeout=5).status_code == 200:
        deaf.ask(20)
        assert time.monotonic() < end
        time.sleep(0.02)
    assert "deaf" in requests.get(server.management + "/livez", timeout=5).text
    deaf.socket.close()
    while requests.get(server.management + "/livez", timeout=5).status_code != 200:
        assert time.monotonic() < end
        time.sleep(0.2)


def answer(server, method):
    """A call whose answer nobody reads yet: the client, and the stream."""
    from hiif.v1 import super_resolution_pb2 as pb
    query = pb.QueryRequest(coordinates=[0, 0], cell_row=0.1, cell_column=0.1)
    upload = [pb.QueryUploadRequest(query=query), pb.QueryUploadRequest(chunk=png())]
    query.image.encoded = png()
    messages = {"ListModels": [pb.ListModelsRequest()], "Query": [query], "QueryUpload": upload}[method]
    client = Http2(server.port, window=0)
    before = server.log.read_text().count(f'"{method}"')
    stream = client.call(SERVICE + method, *(message(one.SerializeToString()) for one in messages))
    assert client.until(lambda: server.log.read_text().count(f'"{method}"') > before, 60), "it is handled"
    return client, stream


@pytest.mark.parametrize("method", ["ListModels", "Query", "QueryUpload"])
def test_a_shutdown_waits_for_answers_that_are_being_sent(start_server, two_models, method):
    server = start_server("--shutdown-grace", "60s", "--write-timeout", "60s", model_dir=two_models)
    client, stream = answer(server, method)
    with client:
        server.process.terminate()
        client.until(lambda: stream in client.ended, 4)
        client.read(stream)
        assert client.until(lambda: stream in client.ended, 60)
        assert len(client.data[stream]) > 5, "the answer came"
    assert server.process.wait(60) == 0


@pytest.mark.parametrize("method", ["ListModels", "QueryUpload"])
def test_an_answer_that_outlasts_the_grace_is_told(start_server, two_models, method):
    server = start_server("--shutdown-grace", "1s", "--write-timeout", "60s", model_dir=two_models)
    client, _ = answer(server, method)
    with client:
        assert server.stop() == 75


def test_the_first_message_of_an_upload_is_small(start_server, two_models):
    from hiif.v1 import super_resolution_pb2 as pb
    server = start_server(model_dir=two_models)
    stub = server.stub()
    parameters = request(resume_token=bytes(100 << 10)).parameters
    query = pb.QueryRequest(coordinates=[0] * ((1 << 19) + (1 << 14)), cell_row=0.1, cell_column=0.1)
    first = pb.UpscaleUploadRequest(parameters=request().parameters)
    raw = pb.UpscaleUploadRequest(raw=pb.RawImage(width=8, height=8, channels=3))
    raw.raw.MergeFromString(b"\x7a\xa0\x8d\x06" + bytes(100000))  # a field that is not known
    for call, messages, field in (
            (stub.UpscaleUpload, [pb.UpscaleUploadRequest(parameters=parameters)], "parameters"),
            (stub.QueryUpload, [pb.QueryUploadRequest(query=query)], "query"),
            (stub.UpscaleUpload, [first, raw], "raw"),
            (stub.UpscaleUpload, [first, pb.UpscaleUploadRequest(chunk=bytes((1 << 20) + 1))], "chunk")):
        with pytest.raises(grpc.RpcError) as caught:
            for _ in call(iter(messages), timeout=60):
                pass
        outcome = outcome_of(caught.value)
        assert (outcome.code, outcome.field) == ("INVALID_ARGUMENT", field)
    small_request(server, 60)


def test_uploads_that_wait_are_counted(start_server, two_models):
    """Coordinates are bytes too: 65 MB of them do not fit into a quarter of 256 MiB."""
    from hiif.v1 import super_resolution_pb2 as pb
    server = start_server(*SMALL, model_dir=two_models)
    query = pb.QueryUploadRequest(query=pb.QueryRequest(coordinates=[0.5] * (1 << 19), cell_row=0.1, cell_column=0.1))
    body = message(query.SerializeToString())  # 4 MiB
    with Http2(server.port) as client:
        streams = [client.call(SERVICE + "QueryUpload", body, end=False) for _ in range(20)]
        assert client.until(lambda: client.ended.intersection(streams), 60), "the last are refused"
        assert len(client.ended.intersection(streams)) < 10, "the first are not"


def test_an_upload_that_never_fits_is_told_so(start_server, two_models):
    from hiif.v1 import super_resolution_pb2 as pb
    server = start_server(*SMALL, model_dir=two_models)

    def messages():
        yield pb.UpscaleUploadRequest(parameters=request().parameters)
        for _ in range(70):
            yield pb.UpscaleUploadRequest(chunk=bytes(1 << 20))

    with pytest.raises(grpc.RpcError) as caught:
        list(server.stub().UpscaleUpload(messages(), timeout=120))
    outcome = outcome_of(caught.value)
    assert (outcome.code, outcome.reason, outcome.retry) == ("RESOURCE_EXHAUSTED", "REQUEST_TOO_LARGE", 0)
    assert "--memory-bytes" in caught.value.details()


def test_idle_streams_keep_no_requests(start_server, two_models):
    """Streams of ModelStreamInfer that wait for a next request, after one of 24 MiB."""
    triton = pytest.importorskip("tritonclient.grpc.service_pb2")
    server = start_server("--kserve", model_dir=two_models)
    small_request(server, 60)
    one = triton.ModelInferRequest(id="large", raw_input_contents=[bytes(24 << 20)])
    one.inputs.add(name="IMAGE", datatype="BYTES", shape=[1])
    before = server.rss()
    waiting = []
    with server.channel(**{"grpc.max_send_message_length": -1}) as channel:
        infer = channel.stream_stream(KSERVE + "ModelStreamInfer",
                                      request_serializer=triton.ModelInferRequest.SerializeToString,
                                      response_deserializer=triton.ModelStreamInferResponse.FromString)
        for _ in range(20):
            requests = queue.Queue()
            requests.put(one)
            call = infer(iter(requests.get, None), timeout=300)
            assert next(call).error_message
            waiting.append((requests, call))
        end = time.monotonic() + 30
        while server.rss() - before > 250 << 20:
            assert time.monotonic() < end, "they keep 24 MiB each"
            time.sleep(0.2)
        for requests, _ in waiting:
            requests.put(None)
