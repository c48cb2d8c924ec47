"""hiif.Upscaler: two lines, a server of one's own behind them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time

import grpc
import numpy
import pytest
from PIL import Image

from processes import BIN, ROOT, assemble, start
from test_upscale import request

FLAGS = ("--model-dir", str(ROOT / "models"))


@pytest.fixture(autouse=True)
def binary(monkeypatch):
    monkeypatch.setenv("HIIF_SERVER_BINARY", str(BIN / "hiif-server"))


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_two_lines_give_what_a_server_gives(server, photo):
    import hiif
    with hiif.Upscaler("edsr-baseline-hiif-fast", flags=FLAGS) as upscaler:
        large = upscaler.upscale(Image.open(photo), 2.7)
        names = {model.name for model in upscaler.models()}
        pid = upscaler._process.pid
    _, expected, _ = assemble(server.stub().Upscale(
        request(photo, 2.7, 2.7, model="edsr-baseline-hiif-fast"), timeout=60))
    numpy.testing.assert_array_equal(numpy.asarray(large), expected)
    assert "edsr-baseline-hiif" in names and not alive(pid)


def test_a_start_that_fails_says_why(monkeypatch):
    import hiif
    with pytest.raises(hiif.Error, match="no/such/folder"):
        hiif.Upscaler(flags=("--model-dir", "/no/such/folder"))
    for wrong in ("/no/such/program", "/tmp"):
        monkeypatch.setenv("HIIF_SERVER_BINARY", wrong)
        with pytest.raises(hiif.Error, match="not a program"):
            hiif.Upscaler()
    monkeypatch.setenv("HIIF_SERVER_BINARY", "")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(hiif.Error, match="pip install hiif-serve"):
        hiif.Upscaler()


@pytest.mark.parametrize("end", ["pass", "os.kill(os.getpid(), 9)"])
def test_the_server_ends_with_the_process(end):
    import hiif
    program = textwrap.dedent(f"""
        import os, hiif
        upscaler = hiif.Upscaler("edsr-baseline-hiif-fast", flags={FLAGS!r})
        print(upscaler._process.pid, flush=True)
        {end}
    """)
    path = os.path.dirname(os.path.dirname(hiif.__file__))
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120,
                            check=False, env={**os.environ, "PYTHONPATH": path})
    assert result.returncode in (0, -signal.SIGKILL), result.stderr
    pid, end = int(result.stdout), time.monotonic() + 20
    while alive(pid):
        assert time.monotonic() < end, "the server outlived its process"
        time.sleep(0.05)


@pytest.fixture
def bicubic(tmp_path):
    """Flags for a server of the smallest model."""
    shutil.copy(ROOT / "models" / "bicubic.safetensors", tmp_path)
    return ("--model-dir", str(tmp_path))


def test_a_thread_that_makes_one_may_end(bicubic):
    """Its server goes on, and ends with the process."""
    import hiif
    program = textwrap.dedent(f"""
        import os, threading, hiif, numpy
        made = []
        thread = threading.Thread(target=lambda: made.append(hiif.Upscaler("bicubic", flags={bicubic!r})))
        thread.start()
        thread.join()
        assert made[0].upscale(numpy.zeros((8, 8, 3), numpy.uint8), 2).shape == (16, 16, 3)
        print(made[0]._process.pid, flush=True)
        os.kill(os.getpid(), 9)
    """)
    path = os.path.dirname(os.path.dirname(hiif.__file__))
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False,
                            env={**os.environ, "PYTHONPATH": path})
    assert result.returncode == -signal.SIGKILL, result.stderr
    end = time.monotonic() + 20
    while alive(int(result.stdout)):
        assert time.monotonic() < end, "the server outlived its process"
        time.sleep(0.05)


def test_an_interrupt_of_python_is_none_of_the_server(bicubic):
    """Ctrl-C goes to all processes of a terminal's group."""
    import hiif
    program = textwrap.dedent(f"""
        import subprocess, sys, hiif, numpy
        upscaler = hiif.Upscaler("bicubic", flags={bicubic!r})
        try:
            print("ready", flush=True)
            sys.stdin.read()
            sys.exit("no interrupt came")
        except KeyboardInterrupt:
            pass
        try:
            sys.exit(f"the server ended with {{upscaler._process.wait(1)}}")
        except subprocess.TimeoutExpired:
            print(upscaler.upscale(numpy.zeros((8, 8, 3), numpy.uint8), 2).shape)
    """)
    path = os.path.dirname(os.path.dirname(hiif.__file__))
    with start([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
               text=True, env={**os.environ, "PYTHONPATH": path}, start_new_session=True) as python:
        first = python.stdout.readline()
        assert first == "ready\n", python.stderr.read()
        os.killpg(python.pid, signal.SIGINT)
        rest, said = python.communicate(timeout=120)
    assert python.returncode == 0 and rest == "(16, 16, 3)\n", said


def test_no_code_runs_in_a_fork_of_python(bicubic):
    """gRPC, used before by this process, aborted one in ten of the servers there."""
    import hiif
    forks = []
    os.register_at_fork(before=lambda: forks.append(1))
    with hiif.Upscaler(flags=bicubic) as upscaler:
        assert upscaler.models() and not forks


def test_a_server_that_was_killed_is_told_at_once(bicubic):
    """It does not come back: no call waits for it."""
    import hiif
    black = Image.new("RGB", (8, 8))
    with hiif.Upscaler(flags=bicubic) as upscaler:
        assert upscaler.upscale(black, 2).size == (16, 16)
        upscaler._process.kill()
        begin = time.monotonic()
        for call in (lambda: upscaler.upscale(black, 2), lambda: upscaler.query(black, [(1, 1)]), upscaler.models):
            with pytest.raises(hiif.Error, match=r"the private hiif-server ended \(exit -9\)") as caught:
                call()
            assert caught.value.code == grpc.StatusCode.UNAVAILABLE
        assert time.monotonic() - begin < 15


def test_a_fork_leaves_the_server_to_its_process(tmp_path):
    """What a child does at its end is not the end of the server's folder, in which its socket is."""
    import hiif
    shutil.copy(ROOT / "models" / "bicubic.safetensors", tmp_path)
    program = textwrap.dedent(f"""
        import os, pathlib, sys, hiif, numpy
        upscaler = hiif.Upscaler("bicubic", flags=("--model-dir", {str(tmp_path)!r}))
        folder = upscaler._log.parent
        child = os.fork()
        if child == 0:
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert (folder / "socket").exists(), "the child removed it"
        assert upscaler.upscale(numpy.zeros((8, 8, 3), numpy.uint8), 2).shape == (16, 16, 3)
        upscaler.close()
        assert not folder.exists()
    """)
    path = os.path.dirname(os.path.dirname(hiif.__file__))
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False,
                            env={**os.environ, "PYTHONPATH": path})
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", ["with,comma", "per%25cent", "ha#sh?q", "x" * 84, "x" * 200])
def test_any_folder_of_temporary_files_will_do(tmp_path, monkeypatch, name):
    import hiif
    (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(ROOT / "models" / "bicubic.safetensors", models)
    with hiif.Upscaler(flags=("--model-dir", str(models))) as upscaler:
        assert upscaler.upscale(Image.new("RGB", (8, 8)), 2).size == (16, 16)


def test_settings_of_a_service_are_not_for_a_private_server(tmp_path, monkeypatch):
    import hiif
    (tmp_path / "tokens").write_text(json.dumps({"tokens": [{"name": "a", "token": "secret-secret-secret"}]}))
    for name, value in {"TOKEN_FILE": tmp_path / "tokens", "CONFIG": "/nowhere", "TLS_CERT": "/nowhere",
                        "HTTP_LISTEN": "192.0.2.1:1", "DEFAULT_MODEL": "none"}.items():
        monkeypatch.setenv(f"HIIF_{name}", str(value))
    shutil.copy(ROOT / "models" / "bicubic.safetensors", tmp_path)
    monkeypatch.setenv("HIIF_MODEL_DIR", str(tmp_path))
    with hiif.Upscaler() as upscaler:
        assert [model.name for model in upscaler.models()] == ["bicubic"]
        assert upscaler.upscale(Image.new("RGB", (8, 8)), 2).size == (16, 16)
