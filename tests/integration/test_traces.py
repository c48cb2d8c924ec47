"""Spans of requests, at an OpenTelemetry collector that the test is."""

import http.server
import json
import subprocess
import threading
import time

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from http_front import upscale
from processes import BIN
from test_upscale import request

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def has_traces():
    """Whether this build has opentelemetry-cpp: a server without refuses the setting before it looks for models."""
    command = [BIN / "hiif-server", "--listen", "127.0.0.1:0", "--management-listen", "", "--trace-endpoint", "http://127.0.0.1:9/v1/traces",
               "--model-dir", "/nowhere"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return "opentelemetry-cpp" not in result.stdout + result.stderr


pytestmark = pytest.mark.skipif(not has_traces(), reason="built without opentelemetry-cpp")


class Collector:
    """Takes OTLP over HTTP on loopback."""

    def __init__(self):
        self.spans, self.resources = [], []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
                for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                    collector.resources.append({a.key: a.value.string_value for a in group.resource.attributes})
                    collector.spans += [s for scope in group.scope_spans for s in scope.spans]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}/v1/traces"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, count):
        """The spans, once so many roots are there."""
        deadline = time.monotonic() + 20
        while len(self.roots()) < count:
            assert time.monotonic() < deadline, self.spans
            time.sleep(0.05)
        time.sleep(0.3)  # no more than these
        assert len(self.roots()) == count
        return self.spans

    def roots(self):
        return [s for s in self.spans if s.name.startswith("hiif.v1.")]


@pytest.fixture
def collector():
    made = Collector()
    yield made
    made.server.shutdown()
    made.server.server_close()


def attributes(span):
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


def test_a_request_is_a_span_and_its_stages_are_children(start_server, collector, photo):
    server = start_server("--trace-endpoint", collector.endpoint)
    begin = time.time_ns()
    list(server.stub().Upscale(request(photo, tile_size=64), timeout=60,
                               metadata=[("traceparent", f"00-{TRACE}-{PARENT}-01")]))
    end = time.time_ns()
    spans = collector.wait(1)
    root, = collector.roots()
    assert root.name == "hiif.v1.SuperResolutionService/Upscale" and root.kind == root.SPAN_KIND_SERVER
    assert root.trace_id.hex() == TRACE and root.parent_span_id.hex() == PARENT
    known = attributes(root)
    assert known["rpc.grpc.status_code"] == 0 and known["hiif.model"] == "edsr-baseline-hiif-fast"
    assert known["hiif.request_id"] and known["hiif.output_pixels"] > known["hiif.input_pixels"] > 0
    assert begin <= root.start_time_unix_nano <= root.end_time_unix_nano <= end
    children = {s.name: s for s in spans if s is not root}
    assert list(sorted(children)) == ["context", "decode", "encode", "query", "queue", "send"]
    for span in children.values():
        assert span.parent_span_id == root.span_id and span.trace_id == root.trace_id
        assert root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= root.end_time_unix_nano
    assert children["decode"].end_time_unix_nano <= children["query"].start_time_unix_nano
    assert attributes(children["query"])["hiif.worker_seconds"] > 0
    assert collector.resources[0]["service.name"] == "hiif-server"


def test_a_trace_begins_here_and_is_in_the_log(start_server, collector, photo):
    server = start_server("--trace-endpoint", collector.endpoint)
    list(server.stub().Upscale(request(photo), timeout=60))
    collector.wait(1)
    root, = collector.roots()
    assert root.parent_span_id == b"" and len(root.trace_id) == 16
    call, = (line for line in map(json.loads, server.log.read_text().splitlines()) if line["message"] == "call")
    assert call["trace_id"] == root.trace_id.hex()


def test_what_fails_says_so(start_server, collector, photo):
    """A client's mistake is a span without stages and no failure of the server; a missed deadline is one."""
    server = start_server("--trace-endpoint", collector.endpoint)
    with pytest.raises(grpc.RpcError):
        list(server.stub().Upscale(request(photo, model="no-such-name"), timeout=60))
    collector.wait(1)
    root, = collector.roots()
    assert attributes(root)["rpc.grpc.status_code"] == grpc.StatusCode.NOT_FOUND.value[0]
    assert root.status.code == root.status.STATUS_CODE_UNSET and collector.spans == [root]


def test_unsampled_requests_are_not_recorded(start_server, collector, photo):
    server = start_server("--trace-endpoint", collector.endpoint)
    list(server.stub().Upscale(request(photo), timeout=60, metadata=[("traceparent", f"00-{TRACE}-{PARENT}-00")]))
    list(server.stub().Upscale(request(photo), timeout=60, metadata=[("traceparent", "nonsense")]))
    collector.wait(1)
    assert collector.roots()[0].trace_id.hex() != TRACE


def test_what_is_left_is_sent_at_the_end(start_server, collector, photo):
    server = start_server("--trace-endpoint", collector.endpoint)
    list(server.stub().Upscale(request(photo), timeout=60))
    assert server.stop() == 0
    assert len(collector.roots()) == 1


def test_a_collector_that_is_not_there_costs_nothing_but_its_spans(start_server, photo):
    server = start_server("--trace-endpoint", "http://127.0.0.1:9/v1/traces")
    for _ in range(3):
        list(server.stub().Upscale(request(photo), timeout=60))
    begin = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - begin < 10
    assert '"traces"' in server.log.read_text()


def test_wrong_endpoints_are_refused():
    result = subprocess.run([BIN / "hiif-server", "--trace-endpoint", "collector:4317"], capture_output=True, text=True,
                            check=False, timeout=60)
    assert result.returncode == 64 and "--trace-endpoint" in result.stdout + result.stderr


def test_spans_say_by_which_door_a_request_came(start_server, collector, photo):
    from hiif.v1 import super_resolution_pb2 as pb, super_resolution_pb2_grpc as rpc
    server = start_server("--trace-endpoint", collector.endpoint, "--http-listen", "127.0.0.1:0", "--enable-model-control")
    assert upscale(server.http, "scale=1.5&format=png", photo.read_bytes(),
                   {"traceparent": f"00-{TRACE}-{PARENT}-01"})[0] == 200
    rpc.ModelControlServiceStub(server.channel()).LoadModel(pb.LoadModelRequest(name="bicubic"), timeout=60)
    deadline = time.monotonic() + 20
    while len(roots := {s.name: s for s in collector.spans if attributes(s).get("hiif.front")}) < 2:
        assert time.monotonic() < deadline, collector.spans
        time.sleep(0.05)
    http_call, control = roots["http/Upscale"], roots["hiif.v1.ModelControlService/LoadModel"]
    assert http_call.trace_id.hex() == TRACE and http_call.parent_span_id.hex() == PARENT
    assert attributes(http_call)["hiif.front"] == "http" and "rpc.system" not in attributes(http_call)
    assert {s.name for s in collector.spans if s.parent_span_id == http_call.span_id} >= {"decode", "query", "queue"}
    assert attributes(control)["hiif.front"] == "grpc" and attributes(control)["rpc.service"] == "hiif.v1.ModelControlService"
