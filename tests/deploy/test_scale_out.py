"""Several servers behind one name, and batches shared by several processes."""

import contextlib
import subprocess
import sys
import threading
import time

import numpy
import pytest
from PIL import Image

from processes import BIN, ROOT, hiif, make_stubs, run_server


def test_servers_come_and_go_under_load(tmp_path):
    """Three servers; one is killed, one is added at the same address: no request fails."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(run_server(tmp_path)) for _ in range(3)]
        pool = ",".join(s.address for s in servers)
        source = tmp_path / "in"
        source.mkdir()
        rng = numpy.random.default_rng(1)
        for index in range(40):
            Image.fromarray(rng.integers(0, 255, (24, 24, 3), numpy.uint8)).save(source / f"{index:02}.png")
        outcome = {}

        def load():
            outcome["run"] = hiif("upscale", source, "-o", tmp_path / "out", "-s", "3", "--jobs", "6",
                                  "--server", pool, check=None)

        thread = threading.Thread(daemon=True, target=load)
        thread.start()
        time.sleep(1.0)
        servers[0].process.kill()
        servers[0].process.wait()
        time.sleep(0.5)
        added = stack.enter_context(run_server(tmp_path, "--listen", servers[0].address))
        thread.join()
        assert outcome["run"].returncode == 0, outcome["run"].stderr
        assert len(list((tmp_path / "out").iterdir())) == 40
        assert added.process.poll() is None
        for server in servers[1:]:
            assert '"method":"Upscale"' in server.log.read_text().replace(" ", "")


# A client of many threads that lives as long as the test; it prints what failed and how much was done.
CLIENT = """
import pathlib, sys, threading
sys.path.insert(0, sys.argv[1])
import numpy
from hiif import Client
stop, failures, done = pathlib.Path(sys.argv[3]), [], []
def work(number):
    pixels = numpy.full((12, 12, 3), number, numpy.uint8)
    while not stop.exists():
        try:
            assert client.upscale(pixels, 2, timeout=120).shape == (24, 24, 3)
            done.append(1)
        except Exception as error:
            failures.append(repr(error))
with Client(sys.argv[2]) as client:
    threads = [threading.Thread(daemon=True, target=work, args=(i,)) for i in range(6)]
    [t.start() for t in threads]
    [t.join() for t in threads]
print(len(done), failures)
"""


def served(server):
    return server.log.read_text().replace(" ", "").count('"method":"Upscale"')


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def may_mount():
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="needs root: the name is put into an /etc/hosts of the client's own")
def test_one_name_many_pods(tmp_path):
    """As behind a headless service: a name of three addresses. One pod is killed; one comes, with the name
    pointing to it: no request fails, and the new one gets its share."""
    hosts, stop = tmp_path / "hosts", tmp_path / "stop"

    def point_to(*addresses):
        # In its place: the client sees this very file.
        hosts.write_text("".join(f"{a} hiif-pods\n" for a in ("127.0.0.1", *addresses)))

    make_stubs(tmp_path / "stubs")
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(run_server(tmp_path))

        def pod(number):
            return stack.enter_context(run_server(tmp_path, "--listen", f"127.0.0.{number}:{first.port}"))

        second, third = pod(2), pod(3)
        point_to("127.0.0.2", "127.0.0.3")
        client = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts, sys.executable, "-c",
             CLIENT, tmp_path / "stubs", f"hiif-pods:{first.port}", stop], stdout=subprocess.PIPE, text=True)
        try:
            wait_for(lambda: all(served(s) for s in (first, second, third)))
            third.process.kill()
            third.process.wait()
            fourth = pod(4)
            point_to("127.0.0.2", "127.0.0.4")
            wait_for(lambda: served(fourth) >= 3)
        finally:
            stop.touch()
            output = client.communicate(timeout=120)[0]
    count, failures = output.split(" ", 1)
    assert failures.strip() == "[]" and int(count) > 10, output


@pytest.fixture
def manifest(tmp_path):
    """30 small images and a file that lists them."""
    folder = tmp_path / "in"
    folder.mkdir()
    rng = numpy.random.default_rng(2)
    names = []
    for index in range(30):
        path = folder / f"{index:02}.png"
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), numpy.uint8)).save(path)
        names.append(str(path))
    listed = tmp_path / "manifest.txt"
    listed.write_text("\n".join(names) + "\n")
    return listed


def test_an_indexed_job_does_every_file_once(tmp_path, manifest):
    """Processes as pods: one is killed and repeated, as Kubernetes would."""
    with run_server(tmp_path) as server:
        def pod(index):
            return subprocess.Popen(
                [BIN / "hiif", "upscale", f"@{manifest}", "--shard", f"{index}/3", "--output",
                 tmp_path / "out", "--resume", "--log-format", "json", "--scale", "4"],
                env={"HIIF_SERVER": server.address, "JOB_COMPLETION_INDEX": str(index)},
                stderr=subprocess.PIPE, text=True)

        pods = [pod(i) for i in range(3)]
        time.sleep(0.4)
        pods[1].kill()
        pods[1].wait()
        again = pod(1)
        logs = [p.communicate()[1] for p in (pods[0], again, pods[2])]
        assert [p.returncode for p in (pods[0], again, pods[2])] == [0, 0, 0], logs
    files = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert len(files) == 30 and not any(f.endswith(".part") for f in files)
    served = server.log.read_text().count('"Upscale"')
    # Each once, but for what was under way in the killed pod (two files at a time).
    assert 30 <= served <= 34, served


@pytest.mark.parametrize("shard", ["3/3", "-1/2", "a/b", "1", "0/0"])
def test_wrong_shards(shard, manifest, tmp_path):
    result = hiif("upscale", f"@{manifest}", "--shard", shard, "-o", tmp_path / "out", check=2)
    assert "--shard" in result.stderr
    assert (ROOT / "helm/hiif/templates/batch.yaml").read_text().count("--shard") == 1
