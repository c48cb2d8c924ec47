"""Every metric moves; the exposition is what Prometheus wants."""

import pathlib
import shutil
import subprocess

import grpc
import numpy
import pytest
import requests
from safetensors import safe_open
from safetensors.numpy import save_file

from http_front import wait_for
from processes import ROOT, assemble
from test_upscale import request

HISTOGRAMS = ["hiif_request_duration_seconds", "hiif_queue_duration_seconds",
              "hiif_stage_duration_seconds", "hiif_time_to_first_tile_seconds",
              "hiif_batch_coordinates", "hiif_batch_requests"]


def scrape(server):
    """{series: value} of /metrics."""
    text = requests.get(server.management + "/metrics", timeout=10).text
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def total(metrics, name, *labels):
    return sum(value for series, value in metrics.items()
               if series.split("{")[0] == name and all(label in series for label in labels))


def test_every_metric_moves(start_server, photo):
    server = start_server("--write-timeout", "2s")
    before = scrape(server)
    assert total(before, "hiif_requests_total") == 0
    assert total(before, "hiif_model_state", 'model="edsr-baseline-hiif-fast"', 'state="ready"') == 1
    assert total(before, "hiif_build_info") == 1
    assert total(before, "process_resident_memory_bytes") > 0
    for stage in ("decode", "encode", "context", "query", "send"):
        assert f'hiif_stage_duration_seconds_count{{stage="{stage}"}}' in before

    for _ in range(2):
        _, image, _ = assemble(server.stub().Upscale(request(photo, tile_size=64), timeout=60))
    with pytest.raises(grpc.RpcError):
        list(server.stub().Upscale(request(photo, model="no-such-name"), timeout=60))
    with pytest.raises(grpc.RpcError):
        list(server.stub().Upscale(request(photo, 32, 32, model="edsr-baseline-hiif"), timeout=0.3))
    after = scrape(server)

    assert total(after, "hiif_requests_total", 'code="OK"', 'model="edsr-baseline-hiif-fast"') == 2
    assert total(after, "hiif_requests_total", 'code="NOT_FOUND"') == 1
    assert not any("no-such-name" in series for series in after), "a label from a client"
    for name in HISTOGRAMS:
        assert total(after, name + "_count") > total(before, name + "_count"), name
        assert total(after, name + "_sum") > 0, name
    for stage in ("decode", "encode", "context", "query", "send"):
        assert total(after, "hiif_stage_duration_seconds_count", f'stage="{stage}"') >= 1
    assert total(after, "hiif_output_pixels_total") >= 2 * image.shape[0] * image.shape[1]
    assert total(after, "hiif_tiles_total") >= 12
    assert total(after, "hiif_feature_cache_hits_total") >= 1
    assert total(after, "hiif_feature_cache_misses_total") >= 1
    assert total(after, "hiif_feature_cache_bytes") > 0
    assert total(after, "hiif_model_memory_bytes", 'kind="weights"') > 5_000_000
    assert total(after, "hiif_model_info", 'identity="cpu/') >= 1
    assert total(after, "hiif_model_memory_bytes", 'kind="features"') > 0
    assert total(after, "hiif_device_memory_used_bytes", 'device="cpu"') > 50_000_000
    assert total(after, "hiif_device_memory_size_bytes") > 0
    used, peak = (total(after, f"hiif_device_memory_{k}_bytes") for k in ("used", "peak"))
    assert peak >= used * 0.9  # read one after the other
    # Those that were refused took no part in the times of those that were served, nor did they wait.
    for name in ("hiif_request_duration_seconds_count", "hiif_queue_duration_seconds_count"):
        assert total(after, name, 'code="OK"') == 2
    assert total(after, "hiif_request_duration_seconds_count", 'code="NOT_FOUND"') == 1
    assert total(after, "hiif_queue_duration_seconds_count", 'code="NOT_FOUND"') == 0


def test_what_is_not_finite_in_bfloat16_is_computed_again(start_server, photo, tmp_path):
    """A weight that is finite in float32 and infinite in bfloat16, of which AMX makes float32 too, behind a hidden value
    that is 0."""
    shipped = ROOT / "models" / "edsr-baseline-hiif-fast.safetensors"
    with safe_open(shipped, "numpy") as file:
        metadata = {key: value for key, value in file.metadata().items() if key != "data_sha256"}
        tensors = {name: file.get_tensor(name).astype(numpy.float32) for name in file.keys()}
    tensors["fc_layers.0.fc1.weight"][0] = 0
    tensors["fc_layers.0.fc1.bias"][0] = 0
    tensors["fc_layers.0.fc2.weight"][0, 0] = numpy.finfo(numpy.float32).max
    (tmp_path / "models").mkdir()
    save_file(tensors, tmp_path / "models" / shipped.name, metadata)
    images = {}
    for precision in ("float32", "bfloat16"):
        server = start_server("--backend", "fused", "--precision", precision, model_dir=tmp_path / "models")
        _, images[precision], _ = assemble(server.stub().Upscale(request(photo, 1.5, 1.5), timeout=120))
        again = total(scrape(server), "hiif_recomputed_total")
        amx = " amx_bf16" in pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii")
        assert (again > 0) == (amx or precision == "bfloat16")
    # The decoder is float32 in both; the encoder's factors are not.
    difference = numpy.abs(images["float32"].astype(int) - images["bfloat16"].astype(int))
    assert difference.max() <= 4 and difference.mean() < 0.5


def test_gauges_of_the_queue_rise_and_fall(server, photo):
    call = server.stub().Upscale(request(photo, 20, 20, tile_size=64, model="edsr-baseline-hiif"), timeout=300)
    next(call)
    busy = scrape(server)
    assert total(busy, "hiif_queue_requests") == 1
    assert total(busy, "hiif_queue_coordinates") > 10_000
    assert total(busy, "hiif_inflight_requests") == 1
    assert total(busy, "hiif_estimated_drain_seconds") > 0
    assert total(busy, "hiif_model_memory_bytes", 'kind="workspace"') > 0
    call.cancel()
    # The call ends at once, the piece that was being computed a little later: each falls in its own time.
    wait_for(lambda: total(scrape(server), "hiif_inflight_requests") == 0)
    wait_for(lambda: total(scrape(server), "hiif_queue_requests") == 0)
    wait_for(lambda: total(scrape(server), "hiif_queue_coordinates") == 0)
    wait_for(lambda: total(scrape(server), "hiif_model_memory_bytes", 'kind="workspace"') == 0)


def test_a_client_that_reads_nothing_is_no_work_for_others(start_server, photo):
    """Defect: with all that it could still ask for it told the autoscaler that an idle server was full."""
    server = start_server("--write-timeout", "120s")
    channel = server.channel(**{"grpc.http2.lookahead_bytes": 65536, "grpc.http2.bdp_probe": 0})
    from hiif.v1 import super_resolution_pb2_grpc as rpc
    call = rpc.SuperResolutionServiceStub(channel).Upscale(
        request(photo, 30, 30, tile_size=64, model="edsr-baseline-hiif"), timeout=300)
    next(call)
    assert total(scrape(server), "hiif_estimated_drain_seconds") > 5
    wait_for(lambda: total(scrape(server), "hiif_estimated_drain_seconds") < 0.5, 100)
    stopped = scrape(server)
    assert total(stopped, "hiif_queue_requests") == 1
    assert total(stopped, "hiif_queue_coordinates") > 100_000
    call.cancel()


def test_only_images_that_are_encoded_miss_the_cache(start_server, photo):
    server = start_server()

    def hits_and_misses():
        metrics = scrape(server)
        return [total(metrics, f"hiif_feature_cache_{kind}_total") for kind in ("hits", "misses")]

    list(server.stub().Upscale(request(photo, validate_only=True), timeout=60))
    assert hits_and_misses() == [0, 0]
    assemble(server.stub().Upscale(request(photo), timeout=60))
    assert hits_and_misses() == [0, 1]
    list(server.stub().Upscale(request(photo, validate_only=True), timeout=60))
    assert hits_and_misses() == [0, 1]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_likes_it(server, photo):
    assemble(server.stub().Upscale(request(photo, 1.5, 1.5), timeout=60))
    text = requests.get(server.management + "/metrics", timeout=10).text
    result = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                            text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
