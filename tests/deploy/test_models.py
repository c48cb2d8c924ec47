"""The init container that fetches checkpoints: its very command, run with the rclone of its image's version against
servers of S3 and HTTP; a real server then serves what came."""

import contextlib
import functools
import http.server
import os
import shutil
import socket
import subprocess
import threading
import time

import pytest
import yaml

from chart import MATRIX, one, render
from processes import ROOT, run_server

RCLONE = ROOT / ".venv/bin/rclone"
CHECKPOINT = ROOT / "models/edsr-baseline-hiif-fast.safetensors"
KEYS = {"AWS_ACCESS_KEY_ID": "access-key-of-test", "AWS_SECRET_ACCESS_KEY": "secret-key-of-test"}
pytestmark = pytest.mark.skipif(not RCLONE.exists(), reason="rclone is not installed: scripts/setup --test")


def init_container(source, **fetch):
    values = {"models": {"fetch": {"source": source, **fetch}}, "networkPolicy": {"enabled": False}}  # ports of the test's
    pod = one(values, "Deployment")["spec"]["template"]["spec"]
    return pod["initContainers"][0]


def fetch(source, models, environment=(), **values):
    """Runs the init container's command with /models somewhere else."""
    container = init_container(source, **values)
    command = [RCLONE, *(a.replace("/models", str(models)) for a in container["args"])]
    return subprocess.run(command, env={"HOME": "/nowhere", **dict(environment)}, capture_output=True, text=True,
                          check=False, timeout=60)


@pytest.fixture
def store(tmp_path):
    """A folder "weights/v1" with a checkpoint and what is none."""
    folder = tmp_path / "store/weights/v1"
    folder.mkdir(parents=True)
    shutil.copy(CHECKPOINT, folder)
    (folder / "README.md").write_text("none")
    return tmp_path / "store"


@contextlib.contextmanager
def http_server(folder):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextlib.contextmanager
def s3_server(folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([RCLONE, "serve", "s3", folder, "--addr", f"127.0.0.1:{port}", "--auth-key", ",".join(KEYS.values())],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            assert process.poll() is None and time.monotonic() < end, "rclone does not serve"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def test_the_version_is_that_of_the_image():
    tag = yaml.safe_load((ROOT / "helm/hiif/values.yaml").read_text())["models"]["fetch"]["image"]["tag"]
    version = subprocess.run([RCLONE, "version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    assert version == f"rclone v{tag}"


@pytest.mark.parametrize("kind", ["s3", "folder", "file"])
def test_checkpoints_are_fetched_and_served(kind, store, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    with contextlib.ExitStack() as stack:
        if kind == "s3":
            address = stack.enter_context(s3_server(store))
            arguments = {"arguments": ["--s3-provider=Rclone", f"--s3-endpoint={address}"]}
            source, keys = "s3://weights/v1", KEYS
        else:
            address = stack.enter_context(http_server(store))
            arguments, keys = {}, {}
            source = f"{address}/weights/v1/" + (CHECKPOINT.name if kind == "file" else "")
        result = fetch(source, models, keys, **arguments)
        assert result.returncode == 0, result.stderr
        assert os.listdir(models) == [CHECKPOINT.name]
        assert (models / CHECKPOINT.name).read_bytes() == CHECKPOINT.read_bytes()
        if kind != "file":  # again, as the next pod does on a claim: nothing is written
            before = (models / CHECKPOINT.name).stat()
            assert fetch(source, models, keys, **arguments).returncode == 0
            assert (models / CHECKPOINT.name).stat().st_ino == before.st_ino
    with run_server(tmp_path, "--model-dir", models, "--default-model", CHECKPOINT.stem) as server:
        assert server.process.poll() is None


@pytest.mark.parametrize("source", ["/weights/v2/", "/weights/v1/missing.safetensors"])
def test_what_is_not_there_fails_the_pod(source, store, tmp_path):
    """A pod without its models never starts, rather than starting with the baked ones."""
    with http_server(store) as address:
        result = fetch(address + source, tmp_path / "models", arguments=["--retries=1", "--low-level-retries=1"])
    assert result.returncode != 0 and ("404" in result.stderr or "not found" in result.stderr)


def test_wrong_keys_fail_the_pod(store, tmp_path):
    with s3_server(store) as address:
        result = fetch("s3://weights/v1", tmp_path / "models",
                       {**KEYS, "AWS_SECRET_ACCESS_KEY": "another-secret-key"},
                       arguments=["--s3-provider=Rclone", f"--s3-endpoint={address}", "--retries=1"])
    assert result.returncode != 0 and not list((tmp_path / "models").glob("*"))


def test_where_the_models_are_mounted():
    """The server reads what was fetched, in the same folder of the same volume."""
    for name in ("fetch", "own-claim", "fetch-one", "claim", "model-image"):
        manifests = render(MATRIX[name])
        pod = manifests["Deployment"][0]["spec"]["template"]["spec"]
        volume, = (v for v in pod["volumes"] if v["name"] == "models")
        mounts = [m for c in (*pod.get("initContainers", []), pod["containers"][0]) for m in c["volumeMounts"]
                  if m["name"] == "models"]
        assert {m["mountPath"] for m in mounts} == {"/models"} and len({m.get("subPath") for m in mounts}) == 1
        assert mounts[-1]["readOnly"] and not any(m.get("readOnly") for m in mounts[:-1])
        if name == "own-claim":
            claim = manifests["PersistentVolumeClaim"][0]
            assert volume["persistentVolumeClaim"] == {"claimName": claim["metadata"]["name"], "readOnly": False}
            assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
        if name == "model-image":
            assert volume["image"]["reference"].startswith("mirror.example/weights@")


def test_sources_are_remotes_of_rclone():
    assert ":gcs,env_auth=true:weights/hiif" in init_container("gs://weights/hiif")["args"]
    assert ":azureblob,env_auth=true:weights" in init_container(":azureblob,env_auth=true:weights")["args"]
