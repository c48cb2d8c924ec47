"""The command line as users meet it: files, folders, streams, interruptions, exit codes."""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy
import pytest
from PIL import Image

from processes import BIN, ROOT, hiif, run_tile_server, start, until_signals_are_taken


@pytest.fixture
def folder(tmp_path):
    """A folder with a folder in it: 5 images of 3 formats, and a text file."""
    rng = numpy.random.default_rng(3)
    source = tmp_path / "in"
    (source / "sub").mkdir(parents=True)
    for index, name in enumerate(["a.png", "b.jpg", "sub/c.webp", "sub/d.png", "sub/e.tif"]):
        pixels = rng.integers(0, 255, (10 + index, 14, 3), numpy.uint8)
        Image.fromarray(pixels).resize((28, 20 + 2 * index)).save(source / name)
    (source / "notes.txt").write_text("not an image")
    return source


def outputs(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def servers_of(folder):
    """Pids of processes that have a socket in it among their arguments."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if f"unix:{folder}/".encode() in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:  # it has just ended
            pass
    return found


def test_one_file_with_a_private_server(photo, tmp_path):
    """Of which nothing is left."""
    out, folder = tmp_path / "out.png", tmp_path / "t"
    folder.mkdir()
    process = subprocess.Popen([BIN / "hiif", "upscale", photo, "-o", out, "--scale", "2"], text=True,
                               env={**os.environ, "TMPDIR": str(folder)}, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    seen = False
    while process.poll() is None:
        seen = seen or bool(servers_of(folder))
        time.sleep(0.01)
    text = process.communicate()[0]
    assert process.returncode == 0, text
    assert Image.open(out).size == (96, 80) and "out.png" in text
    assert seen and not servers_of(folder) and not list(folder.iterdir())


@pytest.mark.parametrize("flags,size", [
    (["--scale", 2.7], (130, 108)), (["-s", 3], (144, 120)), (["--scale-x", 2, "--scale-y", 3.1], (96, 124)),
    (["-W", 100], (100, 83)), (["-H", 100], (120, 100)), (["-W", 100, "-H", 60], (72, 60)),
    (["-W", 100, "-H", 90, "--stretch"], (100, 90)), (["--long-side", 200], (200, 167)),
    (["--crop", "8,4,20,10", "-s", 2], (40, 20)),
])
def test_sizes(server, photo, tmp_path, flags, size):
    out = tmp_path / "o.png"
    hiif("upscale", photo, "-o", out, "--server", server.address, *flags)
    assert Image.open(out).size == size


def test_folders_keep_their_layout_and_failures_are_listed(server, folder, tmp_path):
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    out = tmp_path / "out"
    result = hiif("upscale", folder, "-r", "-o", out, "--scale", 2, "--server", server.address, check=1)
    assert [p.split("_")[0] for p in outputs(out)] == ["a", "b", "sub/c", "sub/d", "sub/e"]
    assert "broken.png" in result.stderr and "5 done" in result.stderr + result.stdout
    assert "1 failed" in result.stderr + result.stdout
    again = hiif("upscale", folder, "-r", "-o", out, "--scale", 2, "--server", server.address, check=1)
    assert "exist" in again.stderr
    hiif("upscale", folder, "-r", "-o", out, "--scale", 2, "--exists", "skip", "--server",
         server.address, check=1)


def test_globs_lists_and_dry_runs(server, folder, tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text(f"{folder}/a.png\n{folder}/b.jpg\n")
    out = tmp_path / "out"
    dry = hiif("upscale", f"@{listed}", "-o", out, "--dry-run")
    assert "a.png" in dry.stdout + dry.stderr and not out.exists()
    hiif("upscale", f"@{listed}", "-o", out, "-s", 2, "--server", server.address)
    assert len(outputs(out)) == 2
    hiif("upscale", f"{folder}/sub/*.png", "-o", tmp_path / "globbed", "-s", 2, "--server", server.address)
    assert outputs(tmp_path / "globbed") == ["d_x2.png"]


def test_standard_input_and_output(server, photo):
    result = subprocess.run([BIN / "hiif", "upscale", "-", "-o", "-", "-f", "png", "-s", "2", "--server",
                             server.address], input=photo.read_bytes(), capture_output=True, check=True)
    assert result.stdout.startswith(b"\x89PNG")


def test_json_lines(server, folder, tmp_path):
    result = hiif("upscale", folder, "-r", "-o", tmp_path / "out", "-s", 1.5, "--log-format", "json",
                  "--server", server.address)
    lines = [json.loads(line) for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) >= 5


@pytest.mark.parametrize("arguments,words", [
    (["upscale"], "input"),
    (["upscale", "x.png", "--scal", "2"], "--scale"),
    (["upscal"], "upscale"),
    (["upscale", "x.png", "--scale", "0.5"], "scale"),
    (["upscale", "x.png", "--scale", "0"], "--scale: 0"),
    (["upscale", "x.png", "-W", "0"], "greater than 0"),
    (["compare", "photo.png", "--scale", "0"], "--scale: 0"),
    (["bench", "photo.png", "--rate", "0"], "above 0"),
    (["upscale", "x.png", "--scale", "2", "-W", "100"], "one"),
    (["bench"], "IMAGE"),
    (["completion", "tcsh"], "bash"),
])
def test_usage_errors_say_what_to_do(arguments, words):
    result = hiif(*arguments, check=2)
    assert words in result.stderr, result.stderr


def test_nobody_answers(photo, tmp_path):
    result = hiif("upscale", photo, "-o", tmp_path / "o.png", "--server", "127.0.0.1:9", "--connect-timeout",
                  "0.5", check=3)
    assert "127.0.0.1:9" in result.stderr


def test_a_wrong_model_name_suggests_the_right_one(server, photo, tmp_path):
    result = hiif("upscale", photo, "-o", tmp_path / "o.png", "-n", "edsr-baseline-hif", "--server",
                  server.address, check=1)
    assert "edsr-baseline-hiif" in result.stderr
    assert not (tmp_path / "o.png").exists()


def test_models_say_how_good_and_how_fast_they_are(tmp_path):
    """By a private server, which is still loading all but its default when it answers first."""
    for name in ("first", "second"):
        shutil.copy(ROOT / "models" / "edsr-baseline-hiif-fast.safetensors", tmp_path / f"{name}.safetensors")
    title, first, second = hiif("models", "-m", tmp_path).stdout.splitlines()
    assert "PSNR" in title and "SPEED" in title and first.endswith("(default)")
    for line in (first, second):
        assert " ready " in line and "Set5 x2 37.9" in line and "kpx/s" in line
    one = hiif("models", "second", "-m", tmp_path).stdout
    assert "colour_slack 0.25" in one and "kpx/s" in one


def test_several_servers_share_the_work(start_server, folder, tmp_path):
    servers = [start_server() for _ in range(2)]
    hiif("upscale", folder, "-r", "-o", tmp_path / "out", "-s", 2, "--jobs", 4, "--server",
         ",".join(s.address for s in servers))
    assert len(outputs(tmp_path / "out")) == 5
    for running in servers:
        assert "method" in running.log.read_text()


def test_interrupted_and_resumed(server, folder, tmp_path):
    """Killed at random and resumed: the bytes of an unbroken run, no half files."""
    whole, out = tmp_path / "whole", tmp_path / "out"
    flags = ["upscale", folder, "-r", "-s", "6", "--jobs", "2", "--server", server.address]
    hiif(*flags, "-o", whole)
    rng = random.Random(1)
    for _ in range(4):
        process = subprocess.Popen([BIN / "hiif", *map(str, flags), "-o", out, "--resume"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.05, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
    hiif(*flags, "-o", out, "--resume")
    images = [p for p in outputs(out) if not os.path.basename(p).startswith(".")]
    assert images == outputs(whole)
    for name in images:
        assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_ctrl_c_leaves_nothing(server, photo, tmp_path):
    process = start([BIN / "hiif", "upscale", photo, "-o", tmp_path / "o.png", "-s", "20", "--server", server.address],
                    stderr=subprocess.PIPE, text=True)
    until_signals_are_taken(process)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert list(tmp_path.iterdir()) == []


def test_query_bench_and_compare(server, photo, tmp_path):
    result = hiif("query", photo, "10.5,20.25", "0,0", "--server", server.address)
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert rows[0][0] == "10.5,20.25" and all(0 <= float(v) <= 1 for v in rows[0][1:]) and len(rows) == 2
    assert "inside the picture" in hiif("query", photo, "1000,0", "--server", server.address, check=2).stderr

    for flags in (["--clients", "2"], ["--rate", "3"]):
        result = hiif("bench", photo, "-s", "1.5", "--duration", "2", "--json", *flags, "--server",
                      server.address)
        figures = json.loads(result.stdout)
        assert figures["codes"]["OK"] == figures["requests"] >= 2
        assert figures["output_pixels_per_s"] > 0
        assert figures["first_tile_s"]["p50"] <= figures["latency_s"]["p50"] <= figures["latency_s"]["p100"]

    sheet = tmp_path / "sheet.png"
    hiif("compare", photo, "-o", sheet, "-s", "3", "--crop", "5,5,30,20", "--server", server.address)
    image = Image.open(sheet)
    assert image.width >= 2 * 90 and image.height >= 60
    hiif("compare", photo, "-o", sheet, "--crop", "40,0,30,20", "--server", server.address, check=2)


def test_completion_and_manual(tmp_path):
    for shell in ("bash", "zsh", "fish"):
        text = hiif("completion", shell).stdout
        assert "upscale" in text and "--scale" in text or "-l scale" in text
    script = tmp_path / "completion"
    script.write_text(hiif("completion", "bash").stdout)
    reply = subprocess.run(
        ["bash", "-c", f"source {script}; COMP_WORDS=(hiif upscale --exi); COMP_CWORD=2; _hiif; "
         "echo ${COMPREPLY[@]}; COMP_WORDS=(hiif upscale --exists ''); COMP_CWORD=3; _hiif; "
         "echo ${COMPREPLY[@]}"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert reply == ["--exists", "skip overwrite error rename"]
    manual = hiif("man").stdout
    assert manual.startswith(".TH HIIF 1") and "\\-\\-self\\-ensemble" in manual


def test_no_colours_in_a_pipe(server, photo, tmp_path):
    result = hiif("upscale", photo, "-o", tmp_path / "o.png", "-s", 1.5, "--server", server.address)
    assert "\x1b" not in result.stderr + result.stdout


@pytest.fixture(scope="module")
def tile_server(tmp_path_factory):
    """A server that streams tiles without a model."""
    with run_tile_server(tmp_path_factory.mktemp("tiles")) as address:
        yield address


def test_large_outputs_stay_on_disk(tile_server, tmp_path):
    """144 megapixels out (scripts/verify large has 400), with a peak of memory that does not grow."""
    source = tmp_path / "in.png"
    Image.new("RGB", (3000, 3000), (90, 140, 200)).save(source)
    out = tmp_path / "out.tif"
    command = [str(BIN / "hiif"), "upscale", str(source), "-o", str(out), "-s", "4", "--server", tile_server]
    code = subprocess.run([sys.executable, "-c",
                           "import resource,subprocess,sys; r=subprocess.run(sys.argv[1:]).returncode; "
                           "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(r)",
                           *command], capture_output=True, text=True, check=True)
    assert int(code.stdout.split()[-1]) * 1024 < 400e6
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(out) as image:
        assert image.size == (12000, 12000)


def test_many_small_files_with_flat_memory(tile_server, tmp_path):
    """1,000 files in the tests; scripts/verify many-files has 10,000."""
    source = tmp_path / "in"
    source.mkdir()
    Image.new("RGB", (4, 4), (1, 2, 3)).save(source / "0000.png")
    for index in range(1, 1000):
        shutil.copy(source / "0000.png", source / f"{index:04}.png")
    result = hiif("upscale", source, "-r", "-o", tmp_path / "out", "-s", 2, "--jobs", 8, "--server",
                  tile_server)
    assert len(outputs(tmp_path / "out")) == 1000
    assert "1000 done" in result.stderr + result.stdout
