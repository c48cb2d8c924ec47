"""Start, configuration, and the end of a server."""

import json
import signal
import subprocess
import threading
import time

import grpc
import pytest
import requests
from PIL import Image
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from http_front import wait_for
from processes import BIN, ROOT, assemble
from test_metrics import scrape
from test_upscale import request

SLOW = "edsr-baseline-hiif"  # its requests outlast what is done to them


def run(*arguments, **options):
    return subprocess.run([str(BIN / "hiif-server"), *map(str, arguments)], capture_output=True,
                          text=True, timeout=60, check=False, **options)


@pytest.mark.parametrize("arguments,code,words", [
    (["--no-such-flag"], 64, "--no-such-flag"),
    (["--workers", "many"], 64, "--workers"),
    (["--tile-size", "5"], 64, "--tile-size"),
    (["--device", "cudda"], 64, "--device"),
    (["--backend", "quick"], 64, "--backend"),
    (["--precision", "float8"], 64, "--precision"),
    (["--memory-bytes", "1GiB", "--feature-cache-bytes", "1GiB"], 64, "--feature-cache-bytes"),
    (["--listen", "0.0.0.0:0"], 64, "--insecure-listen"),
    (["--tls-certificate", "x.pem"], 64, "--tls-key"),
    (["--config", "/no/such/file.json"], 64, "/no/such/file.json"),
    (["--model-dir", "/no/such/folder"], 66, "/no/such/folder"),
    (["--token-file", "/no/such/tokens.json"], 78, "tokens.json"),
    (["--token-file", "/dev/zero"], 78, "/dev/zero: longer than"),
    (["--config", "/dev/zero"], 64, "/dev/zero: longer than"),
    (["--tls-certificate", "/dev/zero", "--tls-key", "/dev/zero"], 78, "/dev/zero: longer than"),
])
def test_a_wrong_start_says_what_to_do(arguments, code, words):
    base = ["--listen", "127.0.0.1:0", "--management-listen", "127.0.0.1:0", "--model-dir",
            ROOT / "models"]
    result = run(*base, *arguments)
    assert result.returncode == code, result
    assert words in result.stderr + result.stdout


def test_two_servers_on_one_port(server):
    result = run("--listen", server.address, "--model-dir", ROOT / "models",
                 "--management-listen", "127.0.0.1:0")
    assert result.returncode == 69 and server.address in result.stderr + result.stdout


def test_settings_from_flag_environment_and_file(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"tile_size": 64, "workers": 3, "log_level": "debug"}))
    result = run("--config", file, "--workers", "5", "--print-config",
                 env={"HIIF_TILE_SIZE": "128", "PATH": "/usr/bin"})
    config = json.loads(result.stdout)
    assert config["workers"] == 5 and config["tile_size"] == 128 and config["log_level"] == "debug"
    file.write_text(result.stdout)
    assert json.loads(run("--config", file, "--print-config").stdout) == config
    file.write_text('{"tile_sizee": 1}')
    wrong = run("--config", file)
    assert wrong.returncode == 64 and "tile_sizee" in wrong.stderr


def test_help_and_version():
    assert "--model-dir" in run("--help").stdout
    assert run("--version").stdout.strip()


def test_logs_are_json_with_request_and_trace_id(start_server, photo):
    running = start_server()
    trace = "0af7651916cd43dd8448eb211c80319c"
    call = running.stub().Upscale(
        request(photo, 1.2, 1.2, request_id="photo-17"), timeout=60,
        metadata=[("traceparent", f"00-{trace}-b7ad6b7169203331-01")])
    assert dict(call.initial_metadata())["hiif-request-id"] == "photo-17"
    header, _, _ = assemble(call)
    assert header.request_id == "photo-17"
    deadline = time.monotonic() + 10
    while True:
        lines = [json.loads(line) for line in running.log.read_text().splitlines()]
        calls = [line for line in lines if line.get("request_id") == "photo-17"]
        if calls:
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert calls[0]["trace_id"] == trace and calls[0]["code"] == "OK"
    assert calls[0]["model"] == "edsr-baseline-hiif-fast" and calls[0]["output_pixels"] > 0


def test_exemplars_lead_from_the_histogram_to_the_trace(start_server, photo):
    """OpenMetrics for who asks for it, as prometheus_client reads it; the same families as in the older format."""
    running = start_server()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    list(running.stub().Upscale(request(photo, 1.2, 1.2), timeout=60,
                                metadata=[("traceparent", f"00-{trace}-b7ad6b7169203331-01")]))
    accept = {"Accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"}
    deadline = time.monotonic() + 10
    while True:  # a call is counted once its last message is sent
        answer = requests.get(running.management + "/metrics", headers=accept, timeout=10)
        families = {f.name: f for f in openmetrics_parser.text_string_to_metric_families(answer.text)}
        exemplars = [s.exemplar for s in families["hiif_request_duration_seconds"].samples if s.exemplar]
        if exemplars:
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert [e.labels for e in exemplars] == [{"trace_id": trace}] and 0 < exemplars[0].value < 60
    assert abs(float(exemplars[0].timestamp) - time.time()) < 60
    plain = requests.get(running.management + "/metrics", timeout=10)
    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert {f.name for f in text_string_to_metric_families(plain.text)} == set(families)


def test_drain_finishes_what_was_accepted(start_server, photo):
    """SIGTERM with requests in flight: every accepted one ends well, new ones are turned away."""
    running = start_server("--shutdown-grace", "300s")
    outcomes = []

    def work(scale):
        try:
            assemble(running.stub().Upscale(request(photo, scale, scale, tile_size=64, model=SLOW), timeout=300))
            outcomes.append("ok")
        except grpc.RpcError as error:
            outcomes.append(error.code().name)

    threads = [threading.Thread(daemon=True, target=work, args=(6 + i / 3,)) for i in range(6)]
    for thread in threads:
        thread.start()
    wait_for(lambda: scrape(running)["hiif_inflight_requests"] == 6, 60)
    running.process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert outcomes == ["ok"] * 6
    assert running.process.wait(30) == 0
    with pytest.raises(grpc.RpcError) as caught:
        list(running.stub().Upscale(request(photo), timeout=5))
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_what_outlasts_the_grace_is_told_so(start_server, photo):
    running = start_server("--shutdown-grace", "1s")
    call = running.stub().Upscale(request(photo, 30, 30, tile_size=64, model=SLOW), timeout=300)
    assert next(call).WhichOneof("part") == "header"
    running.process.send_signal(signal.SIGTERM)
    with pytest.raises(grpc.RpcError) as caught:
        list(call)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert running.process.wait(30) == 75


def test_an_answer_that_is_computed_and_not_sent_is_cut_off_too(start_server, photo):
    running = start_server("--shutdown-grace", "1s")
    slow = grpc.insecure_channel(running.address, options=[
        ("grpc.http2.lookahead_bytes", 65536), ("grpc.http2.bdp_probe", 0)])
    from hiif.v1 import super_resolution_pb2_grpc as rpc
    call = rpc.SuperResolutionServiceStub(slow).Upscale(
        request(photo, 14, 14, sample_type=3, model="bicubic"), timeout=300)  # 9 MB that nobody reads
    assert next(call).WhichOneof("part") == "header"
    time.sleep(1)
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(30) == 75
    call.cancel()


def test_probes(server, start_server, tmp_path):
    import requests
    assert requests.get(server.management + "/livez", timeout=5).status_code == 200
    assert requests.get(server.management + "/readyz", timeout=5).status_code == 200
    assert requests.get(server.management + "/nothing", timeout=5).status_code == 404
    assert "\nhiif_ready 1\n" in requests.get(server.management + "/metrics", timeout=5).text
    broken = tmp_path / "models"
    broken.mkdir()
    (broken / "edsr-baseline-hiif-fast.safetensors").write_bytes(b"broken")
    running = start_server(model_dir=broken)
    assert requests.get(running.management + "/livez", timeout=5).status_code == 200
    answer = requests.get(running.management + "/readyz", timeout=5)
    assert (answer.status_code, answer.text) == (503, "the default model is not ready\n")
    # What an alert can see of it: no other metric tells.
    assert "\nhiif_ready 0\n" in requests.get(running.management + "/metrics", timeout=5).text


def test_a_slow_reader_is_cut_off_and_others_are_not_touched(start_server, photo):
    running = start_server("--write-timeout", "2s")
    slow = grpc.insecure_channel(running.address, options=[
        ("grpc.http2.lookahead_bytes", 65536), ("grpc.http2.bdp_probe", 0)])
    from hiif.v1 import super_resolution_pb2_grpc as rpc
    call = rpc.SuperResolutionServiceStub(slow).Upscale(
        request(photo, 14, 14, sample_type=3), timeout=300)  # 9 MB of floats
    assert next(call).WhichOneof("part") == "header"
    before = running.rss()
    start = time.monotonic()
    while time.monotonic() - start < 20:
        assemble(running.stub().Upscale(request(photo, 1.5, 1.5), timeout=60))
        if "SLOW_READER" in running.log.read_text() or "nothing was read" in running.log.read_text():
            break
        time.sleep(0.2)
    assert "nothing was read" in running.log.read_text()
    assert running.rss() - before < 300 << 20
    with pytest.raises(grpc.RpcError) as caught:
        list(call)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_the_first_raw_request_is_judged_by_its_deadline(start_server, photo):
    """Defect: until the first stream of raw tiles had ended, none was refused for a deadline out of reach."""
    running = start_server()

    def estimate(timeout):
        message = request(photo, 8, 8, tile_size=64, model=SLOW, validate_only=True)
        return next(running.stub().Upscale(message, timeout=timeout)).header.estimated_seconds

    alone = estimate(60)
    call = running.stub().Upscale(request(photo, 30, 30, tile_size=64, model=SLOW), timeout=300)
    threading.Thread(daemon=True, target=read_all, args=(call,)).start()
    wait_for(lambda: scrape(running)["hiif_queue_requests"] == 1, 60)
    with pytest.raises(grpc.RpcError) as caught:
        estimate(1.4 * alone)  # the other gets as much meanwhile
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "the deadline is in" in caught.value.details()
    call.cancel()


def read_all(call):
    """Until it ends or is cancelled."""
    try:
        for _ in call:
            pass
    except grpc.RpcError:
        pass


def test_a_context_of_all_pixels_can_be_ended(start_server, tmp_path):
    """Defect: it was one piece that nobody could end, nor did it say that it was getting on, so that the pod was killed."""
    picture = tmp_path / "picture.png"
    Image.new("RGB", (64, 50), (10, 120, 200)).save(picture)
    running = start_server("--workers", "2", "--context-samples", "0", "--stuck-after", "2s")
    message = request(picture, 25, 25)  # a context of 2 megapixels: some ten seconds of a core
    message.parameters.region.width = message.parameters.region.height = 16
    call = running.stub().Upscale(message, timeout=4)
    answers = set()
    while not call.done():
        answers.add(requests.get(running.management + "/livez", timeout=5).text)
        time.sleep(0.2)
    assert call.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    wait_for(lambda: scrape(running)["hiif_queue_requests"] == 0, 2)
    assert answers == {"ok\n"}
