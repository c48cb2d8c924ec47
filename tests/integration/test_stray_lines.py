"""Standard error is the program's: whatever the libraries below it print there, and whatever the file, its lines are the
command line's own, or those of the server's log."""

import json
import pathlib
import random
import shutil

import pytest

import processes
from processes import BIN, ROOT, hiif, run_server

NOISY = BIN.parent / "tests" / "libnoisy.so"
EVENTS = {"file", "summary", "retry", "library"}


def own_lines(text):
    """Of JSON alone; the events' names."""
    return [json.loads(line)["event"] for line in text.splitlines()]


def log_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def odd_files(tmp_path):
    """The corpora of the fuzz targets, each file cut and with some bytes changed."""
    folder, change = tmp_path / "odd", random.Random(19)
    folder.mkdir()
    for source in sorted((ROOT / "tests" / "fuzz" / "corpus" / "picture").iterdir()):
        data = source.read_bytes()
        for number in range(3):
            odd = bytearray(data[:len(data) * (3 + number) // 5])
            for _ in range(3 * number):
                odd[change.randrange(min(16, len(odd) // 2), len(odd))] = change.randrange(256)
            (folder / f"{source.name.replace('.', '-')}-{number}{source.suffix}").write_bytes(odd)
        shutil.copy(source, folder / f"{source.name.replace('.', '-')}{source.suffix}")
    return folder


def test_odd_files(server, odd_files, tmp_path):
    before = len(log_lines(server.log))
    done = hiif("upscale", odd_files, "-o", tmp_path / "out", "-f", "png", "-s", 2, "-n", "bicubic", "--server",
                server.address, "--log-format", "json", check=None)
    assert done.stdout == "" and set(own_lines(done.stderr)) <= EVENTS
    assert own_lines(done.stderr).count("file") == len(list(odd_files.iterdir()))
    assert len(log_lines(server.log)) > before  # and all of them are JSON
    # Decoded by the command line itself.
    for path in sorted(odd_files.glob("*-1.*")):
        text = hiif("compare", path, "bicubic", "-o", tmp_path / "sheet.png", "--server", server.address, check=None).stderr
        assert all(line.startswith(("hiif compare: ", "hiif compare --help", "warning ")) for line in text.splitlines()), text


def test_libraries_that_print_are_not_heard(server, photo, tmp_path):
    noisy = {"env": {**processes.os.environ, "LD_PRELOAD": str(NOISY)}}
    for form in ("jxl", "avif", "png"):
        words = ("upscale", photo, "-o", tmp_path / f"o.{form}", "-s", 2, "-n", "bicubic", "--exists", "overwrite",
                 "--server", server.address)
        text = hiif(*words, **noisy)
        assert text.stdout == "" and "noise" not in text.stderr and text.stderr.startswith("done ")
        assert set(own_lines(hiif(*words, "--log-format", "json", **noisy).stderr)) == {"file", "summary"}
        told = hiif(*words, "--verbose", **noisy).stderr
        for way in ("stdio", "a stream", "a system call"):
            assert f"library: noise by {way}" in told
        told = hiif(*words, "--verbose", "--log-format", "json", **noisy).stderr
        assert "library" in own_lines(told)
    piped = processes.subprocess.run([BIN / "hiif", "upscale", photo, "-o", "-", "-f", "png", "-s", "2", "-n", "bicubic",
                                      "--server", server.address], capture_output=True, check=True, timeout=60, **noisy)
    assert piped.stdout.startswith(b"\x89PNG") and piped.stdout.endswith(b"IEND\xaeB`\x82")


def test_what_the_servers_libraries_print_is_in_its_log(photo, tmp_path):
    with run_server(tmp_path, "--decode-isolation", "none", environment={"LD_PRELOAD": str(NOISY)}) as server:
        hiif("upscale", photo, "-o", tmp_path / "o.png", "-s", 2, "-n", "bicubic", "--server", server.address)
        server.stop()
        lines = [line for line in log_lines(server.log) if line["message"] == "a library printed"]
    assert {"noise by a stream", "noise by a system call"} <= {line["line"] for line in lines}
    assert all(line["level"] == "warning" for line in lines) and len(lines) <= 30


def test_what_a_decoders_process_prints_is_in_the_servers_log(photo, tmp_path, monkeypatch):
    programs = tmp_path / "bin"
    programs.mkdir()
    shutil.copy(BIN / "hiif-server", programs)
    decoder = programs / "hiif-decoder"
    decoder.write_text(f"#!/bin/sh\necho 'noise of a decoder' >&2\nexec {BIN / 'hiif-decoder'}\n")
    decoder.chmod(0o755)
    monkeypatch.setattr(processes, "BIN", pathlib.Path(programs))
    with run_server(tmp_path) as server:
        monkeypatch.undo()
        hiif("upscale", photo, "-o", tmp_path / "o.png", "-s", 2, "-n", "bicubic", "--server", server.address)
        server.stop()
        assert {"noise of a decoder"} == {line["line"] for line in log_lines(server.log) if line["message"] == "a library printed"}
