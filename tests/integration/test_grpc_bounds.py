"""What a client of gRPC can make the server hold: memory by what it sends, threads by what it does not read."""

import pathlib
import queue
import time
import zlib

import grpc
import pytest
from doors import outcome_of
from http2 import Http2, message
from test_connections import small_request
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
