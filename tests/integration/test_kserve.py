"""The KServe V2 protocol with Triton's own client, unmodified."""

import io
import json
import queue
import shutil
import struct
import subprocess
import threading
import time

import grpc
import numpy
import pytest
import requests
from PIL import Image
from grpc_health.v1 import health_pb2, health_pb2_grpc

from http_front import wait_for
from processes import ROOT, assemble, run_server
from test_losses import with_chunks
from test_metrics import scrape, total
from test_upscale import request

triton = pytest.importorskip("tritonclient.grpc")
from tritonclient.utils import InferenceServerException  # noqa: E402

MODEL = "edsr-baseline-hiif"


@pytest.fixture(scope="module")
def front(tmp_path_factory, two_models):
    with run_server(tmp_path_factory.mktemp("kserve"), "--kserve", "--enable-model-control", "--default-model", MODEL,
                    "--write-timeout", "3s", model_dir=two_models) as running:
        yield running
        assert running.process.poll() is None, running.log.read_text()[-4000:]


@pytest.fixture
def client(front):
    with triton.InferenceServerClient(front.address) as one:
        yield one


def inputs(image, scale=(2.0, 2.0)):
    """image: bytes of a file, or an array."""
    if isinstance(image, bytes):
        tensor = triton.InferInput("IMAGE", [1], "BYTES")
        tensor.set_data_from_numpy(numpy.array([image], dtype=numpy.object_))
    else:
        kind = {numpy.uint8: "UINT8", numpy.uint16: "UINT16", numpy.float32: "FP32"}[image.dtype.type]
        tensor = triton.InferInput("IMAGE", image.shape, kind)
        tensor.set_data_from_numpy(image)
    if scale is None:
        return [tensor]
    factor = triton.InferInput("SCALE", [len(scale)], "FP32")
    factor.set_data_from_numpy(numpy.array(scale, numpy.float32))
    return [tensor, factor]


def refused(client, tensors, status="INVALID_ARGUMENT", model=MODEL, **options):
    with pytest.raises(InferenceServerException) as caught:
        client.infer(model, tensors, **options)
    assert caught.value.status() == "StatusCode." + status, caught.value
    return caught.value.message()


def test_health_and_descriptions(front, client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready(MODEL) and not client.is_model_ready("no-such")
    server = client.get_server_metadata()
    assert server.name == "hiif-server" and "statistics" in server.extensions
    metadata = client.get_model_metadata(MODEL)
    assert [(i.name, i.datatype, list(i.shape)) for i in metadata.inputs] == [
        ("IMAGE", "UINT8", [-1, -1, -1]), ("SCALE", "FP32", [2])]
    assert [(o.name, o.datatype) for o in metadata.outputs] == [("IMAGE", "UINT8")]
    assert client.is_model_ready(MODEL, metadata.versions[0])
    config = client.get_model_config(MODEL).config
    assert config.name == MODEL and config.max_batch_size == 0 and len(config.input) == 2
    with pytest.raises(InferenceServerException, match="edsr-baseline-hiif"):
        client.get_model_metadata("no-such")
    index = {model.name: model.state for model in client.get_model_repository_index().models}
    assert index[MODEL] == "READY"


@pytest.mark.parametrize("scale", [(2.7, 2.7), (2.7, 1.5), (3.0,)])
def test_a_file_gives_what_grpc_gives(front, client, photo, scale):
    result = client.infer(MODEL, inputs(photo.read_bytes(), scale), request_id="photo 1",
                          outputs=[triton.InferRequestedOutput("IMAGE")])
    image = numpy.asarray(Image.open(io.BytesIO(result.as_numpy("IMAGE")[0])))
    _, expected, _ = assemble(front.stub().Upscale(request(photo, scale[0], scale[-1]), timeout=60))
    numpy.testing.assert_array_equal(image, expected)
    assert result.get_response().id == "photo 1"
    assert result.get_response().model_name == MODEL


@pytest.mark.parametrize("kind", [numpy.uint8, numpy.uint16, numpy.float32])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pixels_give_what_grpc_gives(front, client, kind, channels):
    from hiif.v1 import super_resolution_pb2 as pb
    rng = numpy.random.default_rng(3)
    image = rng.random((20, 24, channels))
    image = image.astype(kind) if kind is numpy.float32 else (
        image * numpy.iinfo(kind).max).astype(kind)
    result = client.infer(MODEL, inputs(image, (2.1, 1.5)))
    message = pb.UpscaleRequest()
    message.image.raw.width, message.image.raw.height = 24, 20
    message.image.raw.channels = channels
    message.image.raw.sample_type = {numpy.uint8: 1, numpy.uint16: 2, numpy.float32: 3}[kind]
    message.image.raw.samples = image.tobytes()
    message.parameters.scale.rx, message.parameters.scale.ry = 2.1, 1.5
    _, expected, _ = assemble(front.stub().Upscale(message, timeout=60))
    numpy.testing.assert_array_equal(result.as_numpy("IMAGE"), expected)
    # A leading 1, as models that are batched have it.
    again = client.infer(MODEL, inputs(image[None], (2.1, 1.5)))
    numpy.testing.assert_array_equal(again.as_numpy("IMAGE"), expected)


def test_parameters(client, photo):
    result = client.infer(MODEL, inputs(photo.read_bytes(), None), parameters={
        "format": "jpeg", "quality": 40, "width": 96, "region": "10,10,50,40"}, priority=1,
        timeout=60_000_000)
    image = Image.open(io.BytesIO(result.as_numpy("IMAGE")[0]))
    assert image.format == "JPEG" and image.size == (50, 40)


def test_typed_contents(front, photo):
    """Clients that do not send raw contents."""
    from tritonclient.grpc import service_pb2 as pb, service_pb2_grpc as rpc
    message = pb.ModelInferRequest(model_name=MODEL)
    tensor = message.inputs.add(name="IMAGE", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.append(photo.read_bytes())
    tensor = message.inputs.add(name="SCALE", datatype="FP32", shape=[2])
    tensor.contents.fp32_contents.extend([2, 2])
    answer = rpc.GRPCInferenceServiceStub(front.channel()).ModelInfer(message, timeout=60)
    assert answer.raw_output_contents[0][4:8] == b"\x89PNG"


def test_bad_input(front, client, photo):
    file = photo.read_bytes()
    assert "IMAGE" in refused(client, inputs(b"not an image"))
    assert "parameters.scale.rx" in refused(client, inputs(file, (0.5, 2)))
    assert "SCALE" in refused(client, inputs(file, (2, 0)))
    assert "SCALE" in refused(client, inputs(file, None))
    assert "SCALE" in refused(client, inputs(file), parameters={"width": 96})
    assert "IMAGE" in refused(client, inputs(file)[1:])
    assert "channels" in refused(client, inputs(numpy.zeros((4, 4), numpy.uint8)))
    assert "channels" in refused(client, inputs(numpy.zeros((4, 4, 5), numpy.uint8)))
    assert "edsr-baseline-hiif" in refused(client, inputs(file), "NOT_FOUND", model="no-such")
    refused(client, inputs(file), "NOT_FOUND", model_version="7")
    assert "sclae" in refused(client, inputs(file), parameters={"sclae": 2})
    assert "sequence" in refused(client, inputs(file), sequence_id=3, sequence_start=True)
    assert "format" in refused(client, inputs(file), parameters={"format": "tiles"})
    assert "format" in refused(client, inputs(numpy.zeros((4, 4, 3), numpy.uint8)),
                               parameters={"format": "png"})
    assert "validate_only" in refused(client, inputs(file), parameters={"validate_only": True})
    assert "IMAGE" in refused(client, inputs(file), outputs=[triton.InferRequestedOutput("OUT")])
    twice = inputs(file)
    assert "once" in refused(client, [twice[0], *twice])
    pixels = numpy.zeros((4, 4, 3), numpy.uint8)
    for wrong in (numpy.stack([pixels, pixels]), numpy.zeros((3, 40, 50), numpy.uint8)):  # a batch, planes
        assert "of one image" in refused(client, inputs(wrong))
    assert "inputs.IMAGE: the image has the value nan" in refused(client, inputs(numpy.full((4, 4, 3), numpy.nan, numpy.float32)))
    half = triton.InferInput("IMAGE", [4, 4, 3], "FP16")
    half.set_data_from_numpy(pixels.astype(numpy.float16))
    assert "FP32" in refused(client, [half, inputs(file)[1]])
    assert "SCALE" in refused(client, inputs(file), parameters={"scale_y": 2})
    assert "2.7" in refused(client, inputs(file, None), parameters={"scale": "2,7"})
    assert "microseconds" in refused(client, inputs(file), timeout=2**62)
    # Lengths that lie.
    from tritonclient.grpc import service_pb2 as pb, service_pb2_grpc as rpc
    stub = rpc.GRPCInferenceServiceStub(front.channel())
    for raw in (b"", b"\1\0", b"\xff\xff\xff\xffabc", b"\0\0\0\0x"):
        message = pb.ModelInferRequest(model_name=MODEL, raw_input_contents=[raw, b"\0" * 8])
        message.inputs.add(name="IMAGE", datatype="BYTES", shape=[1])
        message.inputs.add(name="SCALE", datatype="FP32", shape=[2])
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(message, timeout=30)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    for shape in ([2**40, 2**40, 3], [-1, 4, 3], [0, 4, 3], [4, 4, 3, 1, 1]):
        message = pb.ModelInferRequest(model_name=MODEL, raw_input_contents=[b"abc", b"\0" * 8])
        message.inputs.add(name="IMAGE", datatype="UINT8", shape=shape)
        message.inputs.add(name="SCALE", datatype="FP32", shape=[2])
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(message, timeout=30)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    # Names and shapes that would not fit into an answer.
    message = pb.ModelInferRequest(model_name=MODEL)
    message.parameters["sequence_" + "x" * 100_000].int64_param = 1
    message.inputs.add(name="I" * 100_000, datatype="BYTES", shape=[1] * 1_000_000)
    for _ in range(2):
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(message, timeout=30)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT and len(caught.value.details()) < 2000
        message.inputs[0].name = "IMAGE"
    assert client.infer(MODEL, inputs(file)).as_numpy("IMAGE") is not None


def test_typed_contents_that_do_not_fit(front, photo):
    """Nothing is cut to the type, nothing is ignored."""
    from tritonclient.grpc import service_pb2 as pb, service_pb2_grpc as rpc
    stub = rpc.GRPCInferenceServiceStub(front.channel())

    def message(datatype, values, field="uint_contents"):
        one = pb.ModelInferRequest(model_name=MODEL)
        getattr(one.inputs.add(name="IMAGE", datatype=datatype, shape=[1, 1, 3]).contents, field).extend(values)
        one.inputs.add(name="SCALE", datatype="FP32", shape=[1]).contents.fp32_contents.append(2)
        return one
    both = message("UINT8", [1, 2, 3])
    both.raw_input_contents.extend([b"abc", struct.pack("<f", 2)])
    for bad, words in ((message("UINT8", [1, 256, 3]), "256"), (message("UINT16", [1, 65536, 3]), "65536"),
                       (message("UINT8", [1, 2, 3], "int_contents"), "uint_contents"), (both, "not both")):
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(bad, timeout=30)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT and words in caught.value.details()
    assert list(stub.ModelInfer(message("UINT8", [1, 255, 3]), timeout=30).outputs[0].shape) == [2, 2, 3]


def test_what_is_not_served_says_so(client):
    for call, words in ((client.get_system_shared_memory_status, "contents"), (client.get_cuda_shared_memory_status, "contents"),
                        (client.get_trace_settings, "OpenTelemetry"), (client.get_log_settings, "--log-level")):
        with pytest.raises(InferenceServerException, match=words) as caught:
            call()
        assert caught.value.status() == "StatusCode.UNIMPLEMENTED"


def test_streams(client, photo):
    """Each request is answered in order, errors too; ids are echoed."""
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for i in range(3):
        client.async_stream_infer(MODEL, inputs(photo.read_bytes(), (1.5 + i / 4,) * 2),
                                  request_id=f"frame-{i}")
    client.async_stream_infer(MODEL, inputs(b"no image"), request_id="bad")
    client.async_stream_infer("x" + "\U0001F600" * 100, inputs(photo.read_bytes()), request_id="long")  # cut in a character
    client.async_stream_infer(MODEL, inputs(photo.read_bytes()), request_id="last")
    results = [answers.get(timeout=60) for _ in range(6)]
    client.stop_stream()
    assert [result.get_response().id for result, error in results if not error] == [
        "frame-0", "frame-1", "frame-2", "last"]
    assert "IMAGE" in results[3][1].message() and "no model" in results[4][1].message()
    for result, error in results:
        if not error:
            assert result.get_response().parameters["triton_final_response"].bool_param
            assert result.as_numpy("IMAGE")[0].startswith(b"\x89PNG")


def count(server, **labels):
    text = requests.get(server.management + "/metrics", timeout=9).text
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("hiif_requests_total{")
               and all(f'{name}="{value}"' in line for name, value in labels.items()))


def test_each_request_of_a_stream_is_counted_and_logged_by_itself(front, client, photo):
    kinds = [dict(front="kserve", method="ModelInfer", model=MODEL, code="OK"),
             dict(front="kserve", method="ModelInfer", model=MODEL, code="INVALID_ARGUMENT"),
             dict(front="kserve", method="ModelInfer", code="NOT_FOUND")]
    before = [count(front, **kind) for kind in kinds]
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for name, image in ((MODEL, photo.read_bytes()), ("no-such-model", photo.read_bytes()), (MODEL, photo.read_bytes())):
        client.async_stream_infer(name, inputs(image))
        answers.get(timeout=60)
    assert [count(front, **kind) for kind in kinds] == [before[0] + 2, before[1], before[2] + 1], "the stream is still open"
    client.stop_stream()
    wait_for(lambda: '"ModelStreamInfer"' in front.log.read_text())


def test_requests_of_a_stream_have_their_own_ids_and_the_stream_its_own_time(front, client, photo):
    answers = queue.Queue()
    seen = len(front.log.read_text())
    client.start_stream(lambda result, error: answers.put((result, error)))
    for name in ("one-of-a-stream", "x" * 200, "another-of-a-stream"):
        client.async_stream_infer(MODEL, inputs(photo.read_bytes()), request_id=name)
        result, error = answers.get(timeout=60)
        assert "id: " in error.message() if len(name) > 128 else error is None
    time.sleep(1.5)
    client.stop_stream()

    def lines(method):
        return [line for line in map(json.loads, front.log.read_text()[seen:].splitlines()) if line.get("method") == method]

    wait_for(lambda: any(line["seconds"] > 1.4 for line in lines("ModelStreamInfer")))
    ids = [line["request_id"] for line in lines("ModelInfer")]
    assert ids[0] == "one-of-a-stream" and 0 < len(ids[1]) <= 128 and ids[2] == "another-of-a-stream"
    assert not {line["request_id"] for line in lines("ModelStreamInfer")}.intersection(ids)


def test_losses_are_told(client, photo):
    image = with_chunks(photo.read_bytes(), (b"caBX", b"jumb"))
    assert "caBX" in client.infer(MODEL, inputs(image)).get_response().parameters["warnings"].string_param
    assert "warnings" not in client.infer(MODEL, inputs(photo.read_bytes())).get_response().parameters


def test_models_that_a_request_loads_are_ready(start_server, photo, two_models, tmp_path):
    folder = shutil.copytree(two_models, tmp_path / "three")
    for name in ("second", "third"):
        shutil.copy(folder / f"{MODEL}-fast.safetensors", folder / f"{name}.safetensors")
    server = start_server("--kserve", "--default-model", MODEL, "--model-memory-bytes", "1", model_dir=folder)
    names = {MODEL, MODEL + "-fast", "second", "third"}
    health = health_pb2_grpc.HealthStub(server.channel())
    with triton.InferenceServerClient(server.address) as one:
        unloaded = [name for name in names if total(scrape(server), "hiif_model_state", f'model="{name}"', 'state="unloaded"')]
        assert len(unloaded) == 2, "there is room for the default, beside the last one"
        assert all(one.is_model_ready(name) for name in names)
        assert {model.name: model.state for model in one.get_model_repository_index().models} == dict.fromkeys(names, "READY")
        for name in names:
            check = health_pb2.HealthCheckRequest(service=f"models/{name}")
            assert health.Check(check, timeout=30).status == health_pb2.HealthCheckResponse.SERVING
        one.infer(unloaded[0], inputs(photo.read_bytes()))


def test_a_stream_that_waits_does_not_hold_up_a_shutdown(start_server, photo, two_models):
    running = start_server("--kserve", "--default-model", MODEL, model_dir=two_models)  # --shutdown-grace is two minutes
    with triton.InferenceServerClient(running.address) as waiting:
        answers = queue.Queue()
        waiting.start_stream(lambda result, error: answers.put((result, error)))
        waiting.async_stream_infer(MODEL, inputs(photo.read_bytes()))
        assert answers.get(timeout=60)[1] is None
        running.process.terminate()
        error = answers.get(timeout=30)[1]
        assert error.status() == "StatusCode.UNAVAILABLE", error
        assert running.process.wait(30) == 0, "nothing was cut off"


def test_a_deadline_and_a_cancel(front, client, photo):
    tensors = inputs(photo.read_bytes(), (30.0, 30.0))
    with pytest.raises(InferenceServerException) as caught:
        client.infer(MODEL, tensors, timeout=300_000)  # microseconds, told to the server
    assert caught.value.status() in ("StatusCode.DEADLINE_EXCEEDED", "StatusCode.RESOURCE_EXHAUSTED")
    done = threading.Event()
    handle = client.async_infer(MODEL, tensors, callback=lambda result, error: done.set(),
                                request_id="goes-away")
    wait_for(lambda: "hiif_inflight_requests 1" in requests.get(front.management + "/metrics", timeout=9).text)
    handle.cancel()
    wait_for(lambda: any("goes-away" in line and "CANCELLED" in line
                         for line in front.log.read_text().splitlines()))
    assert done.wait(10)


def test_overload_gives_what_grpc_gives(start_server, photo, two_models):
    server = start_server("--kserve", "--max-rpcs", "1", model_dir=two_models)
    tensors = inputs(photo.read_bytes(), (30.0, 30.0))
    with triton.InferenceServerClient(server.address) as busy, \
            triton.InferenceServerClient(server.address) as client:
        handle = busy.async_infer(MODEL, tensors, callback=lambda result, error: None)
        wait_for(lambda: "hiif_inflight_requests 1" in requests.get(server.management + "/metrics", timeout=9).text)
        assert "too many" in refused(client, inputs(photo.read_bytes()), "RESOURCE_EXHAUSTED")
        handle.cancel()


def test_perf_analyzer(front, tmp_path):
    """Triton's own load generator, unmodified: calls and streams, several at once, an error ends it."""
    program = ROOT / "build" / "perf-analyzer" / "perf_analyzer"
    fetched = subprocess.run([ROOT / "scripts" / "get-perf-analyzer"], capture_output=True, text=True, check=False)
    if fetched.returncode != 0:
        pytest.skip("perf_analyzer cannot be had here: " + fetched.stderr[-200:])
    data = tmp_path / "data.json"
    pixels = numpy.random.default_rng(1).integers(0, 256, (16, 20, 3))
    data.write_text(json.dumps({"data": [{"IMAGE": {"content": pixels.ravel().tolist(), "shape": list(pixels.shape)},
                                          "SCALE": {"content": [2.7, 1.5], "shape": [2]}}]}))
    for flags in (["--concurrency-range", "4"], ["--concurrency-range", "2", "--streaming"]):
        report = tmp_path / "report.csv"
        done = subprocess.run([program, "-m", MODEL, "-u", front.address, "-i", "grpc", "--input-data", data, "--request-count", "40",
                               "-f", report, *flags], capture_output=True, text=True, check=False, timeout=200)
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]
        assert "Throughput:" in done.stdout and "Request count: 40" in done.stdout, done.stdout
        assert float(report.read_text().splitlines()[1].split(",")[1]) > 0
    bad = subprocess.run([program, "-m", "no-such", "-u", front.address, "-i", "grpc"], capture_output=True, text=True,
                         check=False, timeout=60)
    assert bad.returncode != 0 and "no-such" in bad.stdout + bad.stderr


def test_tokens(start_server, photo, tmp_path, two_models):
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({"tokens": [{"name": "a", "token": "s3cret"}]}))
    server = start_server("--kserve", "--token-file", tokens, model_dir=two_models)
    with triton.InferenceServerClient(server.address) as client:
        assert client.is_server_live() and client.is_model_ready(MODEL)
        refused(client, inputs(photo.read_bytes()), "UNAUTHENTICATED")
        client.infer(MODEL, inputs(photo.read_bytes()), headers={"authorization": "Bearer s3cret"})


def test_a_token_that_is_taken_back_ends_its_stream(start_server, photo, tmp_path, two_models):
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({"tokens": [{"name": "old", "token": "s3cret"}]}))
    server = start_server("--kserve", "--token-file", tokens, "--tls-reload-interval", "1s", model_dir=two_models)
    headers = {"authorization": "Bearer s3cret"}
    with triton.InferenceServerClient(server.address) as client, triton.InferenceServerClient(server.address) as other:
        answers = queue.Queue()
        client.start_stream(lambda result, error: answers.put(error), headers=headers)
        client.async_stream_infer(MODEL, inputs(photo.read_bytes()))
        assert answers.get(timeout=60) is None
        tokens.write_text(json.dumps({"tokens": [{"name": "new", "token": "another"}]}))

        def taken_back():
            try:
                other.infer(MODEL, inputs(photo.read_bytes()), headers=headers)
            except InferenceServerException as error:
                return error.status() == "StatusCode.UNAUTHENTICATED"
            return False

        wait_for(taken_back)
        client.async_stream_infer(MODEL, inputs(photo.read_bytes()))
        assert answers.get(timeout=60).status() == "StatusCode.UNAUTHENTICATED"


def test_streams_too_many_are_counted(start_server, photo, two_models):
    server = start_server("--kserve", "--max-rpcs", "4", model_dir=two_models)  # a quarter of them may be streams
    rejected = 'hiif_rejected_total{reason="QUEUE_FULL"}'
    before = scrape(server).get(rejected, 0)
    with triton.InferenceServerClient(server.address) as first, triton.InferenceServerClient(server.address) as second:
        answers = queue.Queue()
        first.start_stream(lambda result, error: answers.put(error))
        first.async_stream_infer(MODEL, inputs(photo.read_bytes()))
        assert answers.get(timeout=60) is None
        second.start_stream(lambda result, error: answers.put(error))  # is refused without a request
        assert answers.get(timeout=60).status() == "StatusCode.RESOURCE_EXHAUSTED"
    assert scrape(server)[rejected] == before + 1


def test_models_are_loaded_and_counted(front, client, start_server, photo, two_models):
    def served():
        return total(scrape(front), "hiif_requests_total", 'front="kserve"', 'method="ModelInfer"', 'code="OK"')

    before = served()
    client.infer(MODEL, inputs(photo.read_bytes()))
    wait_for(lambda: served() == before + 1)  # counted once its answer is sent
    statistics = client.get_inference_statistics(MODEL).model_stats[0]
    assert statistics.inference_count >= 1 and statistics.inference_stats.success.ns > 0
    client.load_model(MODEL)
    with pytest.raises(InferenceServerException):
        client.unload_model(MODEL)  # the default
    with pytest.raises(InferenceServerException):
        client.load_model("../models/" + MODEL)
    plain = start_server(model_dir=two_models)
    with triton.InferenceServerClient(plain.address) as other:
        with pytest.raises(InferenceServerException) as caught:
            other.infer(MODEL, inputs(photo.read_bytes()))
        assert caught.value.status() == "StatusCode.UNIMPLEMENTED"  # off by default
