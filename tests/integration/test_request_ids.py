"""The request id travels in metadata, where gRPC ends the process for what is not printable ASCII."""

import json

import grpc
import pytest
from test_server_bad_input import field_of, png, request, still_serves

BAD = {"umlaut": "ü", "newline": "a\nb", "delete": "\x7f", "tab": "\t", "zero": "\0", "emoji": "\U0001f600",
       "long": "x" * 129, "longer than a header": "x" * 9000, "megabytes": "x" * 8_000_000}


def upscale(server, request_id, metadata=None):
    return list(server.stub().Upscale(request(request_id=request_id), timeout=60, metadata=metadata))


def upload(server, request_id, metadata=None):
    from hiif.v1 import super_resolution_pb2 as pb
    messages = [pb.UpscaleUploadRequest(parameters=request(request_id=request_id).parameters),
                pb.UpscaleUploadRequest(chunk=png())]
    return list(server.stub().UpscaleUpload(iter(messages), timeout=60, metadata=metadata))


def query(server, request_id, metadata=None):
    from hiif.v1 import super_resolution_pb2 as pb
    return [server.stub().Query(
        pb.QueryRequest(image=pb.ImageSource(encoded=png()), coordinates=[0.0, 0.0], cell_row=0.1, cell_column=0.1,
                        request_id=request_id), timeout=60, metadata=metadata)]


def query_upload(server, request_id, metadata=None):
    from hiif.v1 import super_resolution_pb2 as pb
    messages = [pb.QueryUploadRequest(query=pb.QueryRequest(coordinates=[0.0, 0.0], cell_row=0.1, cell_column=0.1,
                                                            request_id=request_id)),
                pb.QueryUploadRequest(chunk=png())]
    return [server.stub().QueryUpload(iter(messages), timeout=60, metadata=metadata)]


METHODS = {"Upscale": (upscale, "parameters.request_id"), "UpscaleUpload": (upload, "parameters.request_id"),
           "Query": (query, "request_id"), "QueryUpload": (query_upload, "query.request_id")}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("method", METHODS)
def test_what_metadata_cannot_hold_is_refused(server, method, bad):
    call, field = METHODS[method]
    with pytest.raises(grpc.RpcError) as caught:
        call(server, bad)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    if method.endswith("Upload") and len(bad) > 1 << 16:  # refused before it is looked into
        assert field_of(caught.value) == field.partition(".")[0]
    else:
        assert field_of(caught.value) == field
        assert "printable ASCII" in caught.value.details()
    still_serves(server)


@pytest.mark.parametrize("method", METHODS)
def test_strangers_learn_nothing_by_a_bad_id(start_server, tmp_path, method):
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({"tokens": [{"name": "a", "token": "s3cret"}]}))
    tokens.chmod(0o600)
    server = start_server("--token-file", tokens)
    call, _ = METHODS[method]
    with pytest.raises(grpc.RpcError) as caught:
        call(server, "ü\n")
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    with pytest.raises(grpc.RpcError) as caught:
        call(server, "ü\n", metadata=[("authorization", "Bearer s3cret")])
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert call(server, "fine id ~", metadata=[("authorization", "Bearer s3cret")])


def test_every_printable_character_comes_back(server):
    name = "".join(map(chr, range(0x21, 0x7f)))
    call = server.stub().Upscale(request(request_id=name), timeout=60)
    assert next(call).header.request_id == name
    assert ("hiif-request-id", name) in call.initial_metadata()
    list(call)


def test_megabytes_in_other_names_stay_out_of_log_and_error(start_server):
    server = start_server()
    for parameters in ({"model": "ü" * 4_000_000}, {"model_version": "v" * 8_000_000}):
        with pytest.raises(grpc.RpcError) as caught:
            list(server.stub().Upscale(request(**parameters), timeout=60))
        assert caught.value.code() != grpc.StatusCode.RESOURCE_EXHAUSTED, "the error did not fit into the trailer"
        assert len(caught.value.details()) <= 1024
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]  # whole characters, or not UTF-8
    assert max(len(json.dumps(line)) for line in lines) < 8000
