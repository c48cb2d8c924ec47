"""The Ray examples on a local cluster with two servers. Needs ray (tests/requirements-ray.txt, scripts/verify ray)."""

import io
import os
import signal
import socket
import sys
import threading
import time

import numpy
import pytest
from PIL import Image

from processes import BIN, ROOT, assemble, run_server

# On a busy machine; Serve kills a proxy that is not ready within 5 s of its start.
for name, seconds in (("RAY_raylet_start_wait_time_s", "240"), ("RAY_DASHBOARD_STARTUP_TIMEOUT_S", "240"),
                      ("RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S", "120")):
    os.environ.setdefault(name, seconds)
ray = pytest.importorskip("ray")
sys.path.insert(0, str(ROOT / "examples" / "ray"))


@pytest.fixture(scope="module")
def cluster(stubs):
    import hiif
    packages = os.path.dirname(os.path.dirname(hiif.__file__))
    path = os.pathsep.join([packages, str(ROOT / "examples" / "ray"), os.environ.get("PYTHONPATH", "")])
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=200 << 20,
             runtime_env={"env_vars": {"PYTHONPATH": path, "HIIF_SERVER_BINARY": str(BIN / "hiif-server")}})
    yield
    ray.shutdown()


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    source = Image.open(ROOT / "examples" / "chelsea.png").convert("RGB")
    for i in range(12):
        source.crop((10 * i, 20, 10 * i + 40, 50)).save(folder / f"photo-{i:02}.png")
    source.crop((0, 0, 40, 30)).save(folder / "photo-11.jpg")  # two of one name but for its end
    deep = numpy.asarray(source.crop((0, 0, 40, 30))).astype(">u2") * 257
    (folder / "deep.ppm").write_bytes(b"P6 40 30 65535\n" + deep.tobytes())  # 16 bits, of which Pillow holds no colours
    return folder


def test_a_folder_through_two_servers_with_a_worker_killed(cluster, photos, tmp_path, two_models):
    from upscale_folder import upscale
    (photos / "broken.png").write_bytes(b"no image")
    out = tmp_path / "out"
    model = ("--default-model", "edsr-baseline-hiif-fast")
    with run_server(tmp_path, *model, model_dir=two_models) as one, run_server(tmp_path, *model, model_dir=two_models) as two:
        def kill_a_worker():
            while len(list(out.glob("*.png"))) < 2:
                time.sleep(0.02)
            for process in os.listdir("/proc"):
                try:
                    with open(f"/proc/{process}/cmdline", "rb") as file:
                        title = file.read()
                except OSError:
                    continue
                if title.startswith(b"ray::") and b"Upscale" in title:
                    os.kill(int(process), signal.SIGKILL)
                    return
        killer = threading.Thread(daemon=True, target=kill_a_worker)
        killer.start()
        counts = upscale(str(photos), str(out), f"{one.address},{two.address}", scale=2.0)
        killer.join()
        assert counts.pop("done", 0) + counts.pop("there", 0) == 14
        assert sum(counts.values()) == 1 and "INVALID_ARGUMENT" in next(iter(counts))
        assert len(list(out.iterdir())) == 14  # no half file
        from test_upscale import request
        _, expected, _ = assemble(one.stub().Upscale(request(photos / "photo-03.png", 2, 2), timeout=60))
        name = next(path for path in out.iterdir() if "photo-03" in path.name)
        numpy.testing.assert_array_equal(numpy.asarray(Image.open(name)), expected)
        # Broken off and begun again: what is there is left alone.
        name.unlink()
        counts = upscale(str(photos), str(out), f"{one.address},{two.address}", scale=2.0)
        assert (counts["done"], counts["there"]) == (1, 13)
        assert all(server.log.read_text().count('"Upscale"') > 0 for server in (one, two))


def test_serve(cluster, photos, two_models):
    """The replica is a hiif-server of its own."""
    import requests
    from ray import serve
    import serve_app
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    try:
        serve.run(serve_app.Upscaler.bind("edsr-baseline-hiif-fast", ("--model-dir", str(two_models))))
        answer = requests.post(f"http://127.0.0.1:{port}/?scale=2.5", (photos / "photo-01.png").read_bytes(), timeout=120)
        assert Image.open(io.BytesIO(answer.content)).size == (100, 75)
        answer = requests.post(f"http://127.0.0.1:{port}/?scale=2.5", (photos / "deep.ppm").read_bytes(), timeout=120)
        assert Image.open(io.BytesIO(answer.content)).mode == "RGB"
        assert requests.post(f"http://127.0.0.1:{port}/?scale=2.5", b"no", timeout=60).status_code == 400
    finally:
        serve.shutdown()
