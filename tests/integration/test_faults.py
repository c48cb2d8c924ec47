"""Faults of docs/reliability.md that have no test elsewhere."""

import io
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

import grpc
import pytest
from PIL import Image

from processes import BIN, ROOT, Server, run_server
from test_models_hostile import DEFAULT, SOURCE, folder, load, serves, states  # noqa: F401
from test_security import certificates, connect, openssl  # noqa: F401
from test_upscale import request


def test_killed_while_it_loads(folder, tmp_path, photo):  # noqa: F811
    """kill -9 at 20 moments of the start: nothing is left that the next start minds."""
    before = sorted(os.listdir(folder))
    for i in range(20):
        process = subprocess.Popen(
            [BIN / "hiif-server", "--listen", f"unix:{tmp_path}/socket", "--management-listen", "", "--model-dir",
             folder, "--default-model", DEFAULT], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.05 + 0.04 * i)
        process.kill()
        assert process.wait(10) == -signal.SIGKILL
    assert sorted(os.listdir(folder)) == before
    with run_server(tmp_path, "--default-model", DEFAULT, model_dir=folder) as running:
        assert serves(running, photo)


def test_checkpoints_that_vanish_or_are_swapped(folder, start_server, photo):  # noqa: F811
    """A reload of what is gone, damaged or another network leaves the version that served, or takes the new one."""
    from hiif.v1 import super_resolution_pb2 as pb
    path = folder / f"{DEFAULT}.safetensors"
    running = start_server("--enable-model-control", "--default-model", DEFAULT, model_dir=folder)
    version = running.stub().GetModel(pb.GetModelRequest(), timeout=10).model.version
    path.unlink()
    assert load(running, DEFAULT)[0] == "NOT_FOUND"
    assert serves(running, photo)
    path.write_bytes(SOURCE.read_bytes()[:1_000_000])
    assert load(running, DEFAULT)[0] == "DATA_LOSS"
    assert serves(running, photo)
    part = folder / "part"
    shutil.copy(ROOT / "models" / "edsr-baseline-hiif.safetensors", part)
    part.rename(path)
    assert load(running, DEFAULT)[0] == "OK"
    assert serves(running, photo)
    state, _ = states(running)[DEFAULT]
    assert state == "READY"
    assert running.stub().GetModel(pb.GetModelRequest(), timeout=10).model.version != version


def test_millions_of_tiles_cost_nothing(start_server, photo):
    """Estimates of a large output cut into the smallest tiles: nothing is held a tile."""
    running = start_server("--max-output-pixels", "20000000000", "--max-queue-time", "1000h")
    assert len(list(running.stub().Upscale(request(photo), timeout=60))) > 1
    before = running.rss()
    out = io.BytesIO()
    Image.new("L", (3000, 2000), 99).save(out, "PNG")
    big = request(photo, 30, 30, tile_size=16, validate_only=True)
    big.image.encoded = out.getvalue()
    errors = []

    def ask():
        try:
            list(running.stub().Upscale(big, timeout=60))
        except grpc.RpcError as e:
            errors.append((e.code().name, e.details()))
    threads = [threading.Thread(daemon=True, target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    most = 0
    while any(thread.is_alive() for thread in threads):
        most = max(most, running.rss())
        time.sleep(0.02)
    assert {code for code, _ in errors} <= {"RESOURCE_EXHAUSTED"}, errors
    assert most - before < 300 << 20, (most - before) >> 20


def test_a_region_costs_nothing_of_the_whole_axes(start_server):
    """One pixel of an image a million wide, at x32: tables of 32 million columns were 1.5 GB."""
    from hiif.v1 import super_resolution_pb2 as pb
    running = start_server("--feature-cache-bytes", "0")
    image = pb.ImageSource(raw=pb.RawImage(width=1_000_000, height=1, channels=1, samples=bytes(1_000_000)))

    def peak_of(factor):
        one = pb.UpscaleParameters(model="bicubic", scale=pb.Scale(rx=factor),
                                   region=pb.Region(x=int(factor) * 500_000, y=0, width=1, height=1))
        parts = list(running.stub().Upscale(pb.UpscaleRequest(image=image, parameters=one), timeout=60))
        assert parts[0].header.output_width == int(factor) * 1_000_000
        status = pathlib.Path(f"/proc/{running.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) << 10

    before = peak_of(1.0)
    assert peak_of(32.0) - before < 64 << 20


def test_memory_is_given_back(start_server, photo):
    """What requests took goes back to the system once nobody asks for anything."""
    running = start_server("--feature-cache-bytes", "0")
    assert len(list(running.stub().Upscale(request(photo), timeout=60))) > 1
    time.sleep(3)
    before = running.rss()
    out = io.BytesIO()
    Image.effect_noise((700, 500), 50).convert("RGB").save(out, "PNG", compress_level=1)
    big = request(photo, 1, 1)
    big.image.encoded = out.getvalue()
    list(running.stub().Upscale(big, timeout=120))
    end = time.monotonic() + 10
    while running.rss() - before > 60 << 20 and time.monotonic() < end:
        time.sleep(0.2)
    assert running.rss() - before <= 60 << 20, (running.rss() - before) >> 20


def test_a_wrong_certificate(start_server, certificates):  # noqa: F811
    """Clients refuse the certificate of an authority that is not theirs; the server lives on and serves those that
    know it."""
    from hiif.v1 import super_resolution_pb2 as pb, super_resolution_pb2_grpc as rpc
    openssl(certificates, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "other.key", "-out", "other.pem",
            "-subj", "/CN=other", "-days", "1")
    running = start_server("--tls-certificate", certificates / "server.pem", "--tls-key", certificates / "server.key")
    channel = grpc.secure_channel(f"localhost:{running.port}", grpc.ssl_channel_credentials(
        (certificates / "other.pem").read_bytes()))
    with pytest.raises(grpc.RpcError) as caught:
        rpc.SuperResolutionServiceStub(channel).ListModels(pb.ListModelsRequest(), timeout=10)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert connect(running, certificates).ListModels(pb.ListModelsRequest(), timeout=10).models


def test_an_expired_certificate(start_server, certificates, photo):  # noqa: F811
    """A client's that has expired is refused, those that have not are served."""
    from hiif.v1 import super_resolution_pb2 as pb, super_resolution_pb2_grpc as rpc
    openssl(certificates, "x509", "-req", "-in", "client.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "0", "-extfile", "san", "-out", "expired.pem")
    running = start_server("--tls-certificate", certificates / "server.pem", "--tls-key", certificates / "server.key",
                           "--tls-client-ca", certificates / "ca.pem")
    channel = grpc.secure_channel(f"localhost:{running.port}", grpc.ssl_channel_credentials(
        *((certificates / name).read_bytes() for name in ("ca.pem", "client.key", "expired.pem"))))
    with pytest.raises(grpc.RpcError) as caught:
        rpc.SuperResolutionServiceStub(channel).ListModels(pb.ListModelsRequest(), timeout=10)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert connect(running, certificates, client=True).ListModels(pb.ListModelsRequest(), timeout=10).models


def test_a_full_disk_under_the_log(folder, tmp_path, photo):  # noqa: F811
    """Lines that nobody can write are lost, and nothing else."""
    ports = tmp_path / "ports"
    with open("/dev/full", "w", encoding="utf-8") as full:
        process = subprocess.Popen(
            [BIN / "hiif-server", "--listen", "127.0.0.1:0", "--management-listen", "127.0.0.1:0", "--port-file", ports,
             "--model-dir", folder, "--default-model", DEFAULT, "--log-format", "json"], stdout=full, stderr=full)
    try:
        end = time.monotonic() + 120
        while not ports.exists():
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.05)
        running = Server(process, *map(int, ports.read_text().split()[:2]), None)
        for _ in range(3):
            assert serves(running, photo)
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="root mounts the small disk")
def test_a_full_disk_under_the_output(tmp_path):
    """In every format: the error says so, and no part of a file stays."""
    disk, models = tmp_path / "disk", tmp_path / "models"
    disk.mkdir()
    models.mkdir()
    shutil.copy(ROOT / "models" / "bicubic.safetensors", models)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=False).returncode != 0:
        pytest.skip("no tmpfs can be mounted here")
    try:
        Image.effect_noise((400, 300), 90).convert("RGB").save(tmp_path / "a.png")
        with run_server(tmp_path, "--default-model", "bicubic", model_dir=models) as server:
            for name in ("b.png", "b.jpg", "b.webp", "b.tif", "b.ppm"):
                done = subprocess.run([BIN / "hiif", "upscale", tmp_path / "a.png", "-o", disk / name, "-s", "2",
                                       "--server", server.address], check=False, capture_output=True, text=True)
                assert done.returncode != 0 and "No space" in done.stderr, (name, done)
                assert os.listdir(disk) == [], name
    finally:
        subprocess.run(["umount", disk], check=True)
