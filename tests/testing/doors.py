"""The doors of one server as a client of each sees them: gRPC, HTTP, KServe."""

import collections
import http.client
import io
import json
import struct
import threading
import urllib.parse

import grpc
import numpy
from PIL import Image

# `floats` of a door: an answer of raw samples of 4 bytes, which no kernel's buffers hold.
# What came of a call: the code by its gRPC name, the server's reason, the field, seconds to wait.
Outcome = collections.namedtuple("Outcome", "code reason field retry", defaults=("", "", 0.0))
OK = Outcome("OK")


def outcome_of(error):
    """Of a grpc.RpcError, with what stands in the status details."""
    from google.rpc import error_details_pb2 as details
    from grpc_status import rpc_status
    found = {"code": error.code().name}
    status = rpc_status.from_call(error)
    for one in status.details if status else []:
        for kind, name, value in ((details.ErrorInfo, "reason", lambda info: info.reason),
                                  (details.BadRequest, "field", lambda bad: bad.field_violations[0].field),
                                  (details.RetryInfo, "retry", lambda retry: retry.retry_delay.ToTimedelta().total_seconds())):
            message = kind()
            if one.Is(kind.DESCRIPTOR) and one.Unpack(message):
                found[name] = value(message)
    return Outcome(**found)


class Door:
    """Calls run on a thread; outcome() waits for the end, leave() goes away."""

    def __init__(self, port, work):
        self.port = port
        self.result, self.left = None, None
        self.thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self.thread.start()

    def _run(self, work):
        try:
            self.result = work()
        except grpc.RpcError as error:
            self.result = outcome_of(error)

    def outcome(self, timeout=120):
        self.thread.join(timeout)
        assert not self.thread.is_alive(), "no answer"
        return self.result


class Grpc(Door):
    name = "grpc"

    def __init__(self, server, body, scale=2.0, port=0, floats=False, **options):
        from hiif.v1 import super_resolution_pb2 as pb, super_resolution_pb2_grpc as rpc
        message = pb.UpscaleRequest()
        message.image.encoded = body
        parameters = message.parameters
        parameters.scale.rx = parameters.scale.ry = scale
        if "region" in options:
            region = (int(n) for n in options.pop("region").split(","))
            parameters.region.x, parameters.region.y, parameters.region.width, parameters.region.height = region
        if floats:
            parameters.sample_type = pb.SAMPLE_TYPE_F32
        else:
            parameters.encoded.format = pb.FILE_FORMAT_PNG
        if "quality" in options:
            parameters.encoded.format, parameters.encoded.quality = pb.FILE_FORMAT_JPEG, options.pop("quality")
        timeout = options.pop("timeout", 120)
        for name, value in options.items():
            setattr(parameters, name, value)
        channel = grpc.insecure_channel(f"127.0.0.1:{port or server.port}", options=[
            ("grpc.use_local_subchannel_pool", 1), ("grpc.http2.lookahead_bytes", 65536), ("grpc.http2.bdp_probe", 0)])
        call = rpc.SuperResolutionServiceStub(channel).Upscale(message, timeout=timeout)
        self.leave = call.cancel
        super().__init__(port, lambda: [None for _ in call] and OK)


class Http(Door):
    name = "http"

    def __init__(self, server, body, scale=2.0, port=0, request_id="", floats=False, **options):
        query = {"scale": scale, "format": "jpeg" if "quality" in options else "png", **options}
        if floats:
            query |= {"format": "tiles", "sample_type": "f32"}
        connection = http.client.HTTPConnection("127.0.0.1", port or server.http, timeout=120)
        connection.connect()

        def leave():
            self.left = True
            connection.sock.shutdown(2)
        self.leave = leave

        def work():
            headers = {"X-Request-Id": request_id} if request_id else {}
            try:
                connection.request("POST", "/v1/upscale?" + urllib.parse.urlencode(query), body, headers)
                response = connection.getresponse()
                answer = response.read()
            except (http.client.HTTPException, OSError):
                return Outcome("CANCELLED" if self.left else "CUT_OFF")
            if response.status == 200:
                return OK
            problem = json.loads(answer)
            return Outcome(problem["code"], problem.get("reason", ""), problem.get("field", ""),
                           problem.get("retry_after_seconds", 0.0))
        super().__init__(port, work)


class KServe(Door):
    name = "kserve"

    def message(self, body, scale, model="edsr-baseline-hiif-fast", model_version="", request_id="", timeout=None, floats=False,
                **options):
        from tritonclient.grpc import service_pb2 as pb
        message = pb.ModelInferRequest(model_name=model, model_version=model_version, id=request_id)
        if floats:
            pixels = numpy.asarray(Image.open(io.BytesIO(body)), numpy.float32) / 255
            message.inputs.add(name="IMAGE", datatype="FP32", shape=pixels.shape)
            tensor = pixels.tobytes()
        else:
            message.inputs.add(name="IMAGE", datatype="BYTES", shape=[1])
            tensor = struct.pack("<I", len(body)) + body
        message.inputs.add(name="SCALE", datatype="FP32", shape=[2])
        message.raw_input_contents.extend([tensor, struct.pack("<2f", scale, scale)])
        for name, value in options.items():
            kind = "string_param" if isinstance(value, str) else "int64_param"
            setattr(message.parameters[name], kind, value)
        if "quality" in options:
            message.parameters["format"].string_param = "jpeg"
        if timeout:
            message.parameters["timeout"].int64_param = int(timeout * 1e6)
        return message

    def stub(self, server, port):
        from tritonclient.grpc import service_pb2_grpc as rpc
        return rpc.GRPCInferenceServiceStub(grpc.insecure_channel(f"127.0.0.1:{port or server.port}", options=[
            ("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]))

    def __init__(self, server, body, scale=2.0, port=0, **options):
        call = self.stub(server, port).ModelInfer.future(self.message(body, scale, **options), timeout=120)
        self.leave = call.cancel
        super().__init__(port, lambda: call.result() and OK)

    def _run(self, work):
        try:
            super()._run(work)
        except grpc.FutureCancelledError:
            self.result = Outcome("CANCELLED")


class KServeStream(KServe):
    """An error is an answer there, and only its message is."""
    name = "kserve-stream"

    def __init__(self, server, body, scale=2.0, port=0, **options):
        call = self.stub(server, port).ModelStreamInfer(iter([self.message(body, scale, **options)]), timeout=120)
        self.leave = call.cancel
        Door.__init__(self, port, lambda: [None for _ in call] and OK)


DOORS = (Grpc, Http, KServe)

