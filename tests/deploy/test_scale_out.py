"""Several servers behind one name, and batches shared by several processes."""

import subprocess
import threading
import time

import numpy
import pytest
from PIL import Image

from processes import BIN, ROOT, hiif, run_server


def test_servers_come_and_go_under_load(tmp_path):
    """Three servers; one is killed, one is added at the same address: no request fails."""
    import contextlib
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

        thread = threading.Thread(target=load)
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
