"""Decoder processes that die while they are idle, or cannot be started; what they have of the server's."""

import os
import pathlib
import shutil
import signal

import grpc
import pytest
import requests

import processes
from http_front import soon
from processes import BIN, hiif
from test_hostile_files import decoders
from test_server_bad_input import request


def served(server):
    list(server.stub().Upscale(request(), timeout=60))


def is_dead(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def kill(pids):
    """Kills processes and waits until they are dead, which their parent does not know yet."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert soon(lambda: all(map(is_dead, pids)))


def ended(server, reason):
    name = f'hiif_decoders_ended_total{{reason="{reason}"}} '
    lines = requests.get(server.management + "/metrics", timeout=5).text.splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[-1])


def ready(server):
    return requests.get(server.management + "/readyz", timeout=5).status_code


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """The folder of programs of the test's own, which it may spoil."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("hiif", "hiif-server", "hiif-decoder"):
        shutil.copy(BIN / name, folder)
    monkeypatch.setattr(processes, "BIN", folder)
    return folder


@pytest.fixture
def one_worker(start_server, two_models):
    """Starts a server of two processes for headers and one for pixels, the youngest."""
    def start():
        server = start_server("--workers", "1", "--feature-cache-bytes", "0", model_dir=two_models)
        assert soon(lambda: len(decoders(server)) == 3)
        served(server)
        return server
    return start


def test_a_picture_is_not_blamed_for_decoders_that_died_idle(one_worker):
    server = one_worker()
    kill(decoders(server))
    for _ in range(4):
        served(server)
    assert ended(server, "IDLE") >= 2 and ended(server, "CRASH") == 0


@pytest.mark.parametrize("which", ["all", "pixels"])
def test_without_its_program_calls_are_refused_until_it_is_back(copied, one_worker, which):
    """Of headers it is told by the thread of the call, of pixels by a worker, whose device is not lost by it."""
    server = one_worker()
    program = copied / "hiif-decoder"
    program.rename(copied / "away")
    pids = sorted(decoders(server))
    kill(pids if which == "all" else pids[-1:])
    for _ in range(2):
        with pytest.raises(grpc.RpcError) as refused:
            served(server)
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE, refused.value
        assert str(copied) not in refused.value.details()
    assert ready(server) == 503
    assert requests.get(server.management + "/livez", timeout=5).status_code == 200
    assert soon(lambda: hiif("health", "--server", server.address, check=None).returncode != 0)
    assert server.log.read_text().count("no decoder process can be started") == 1
    (copied / "away").rename(program)
    assert soon(lambda: ready(server) == 200)
    served(server)
    assert soon(lambda: hiif("health", "--server", server.address, check=None).returncode == 0)
    assert "decoder processes can be started again" in server.log.read_text()
    assert server.stop() == 0


def test_decoders_have_their_socket_alone_and_no_capabilities(one_worker):
    for pid in decoders(one_worker()):
        # Those of a picture are closed behind its answer.
        assert soon(lambda pid=pid: sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2", "3"]), pid
        status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
        for capabilities in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            assert int(status[capabilities], 16) == 0, capabilities
