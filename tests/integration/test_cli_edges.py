"""The command line where its surroundings are not as expected: full disks, inputs that do not come, leftovers of
runs before, a private server that is not ready yet, logs for machines."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from PIL import Image

from processes import BIN, ROOT, hiif, run_tile_server


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    with run_tile_server(tmp_path_factory.mktemp("tiles")) as address:
        yield address


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def picture(path, colour="red", size=(24, 16)):
    Image.new("RGB", size, colour).save(path)
    return path


def gif(path, frames=3):
    pictures = [Image.new("RGB", (24, 16), (80 * i, 0, 0)) for i in range(frames)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:])
    return path


def test_a_private_server_is_asked_when_its_models_are_there(tmp_path):
    """It answers as soon as its default model can be used, and loads the others meanwhile."""
    models = tmp_path / "models"
    models.mkdir()
    count = 6
    for number in range(count):
        shutil.copy(ROOT / "models" / "edsr-baseline-hiif-fast.safetensors", models / f"model-{number}.safetensors")
    photo = picture(tmp_path / "photo.png")
    said = hiif("compare", photo, "-o", tmp_path / "sheet.png", "-m", models, "-s", "1").stdout
    assert f"bicubic and {count} models" in said
    # Without its patience for what is being loaded.
    for number in range(count):
        hiif("query", photo, "1,1", "-m", models, "-n", f"model-{number}", "--retries", "0")


@pytest.mark.parametrize("arguments", [("query", "photo.png", "1,1"), ("models",), ("health",), ("man",),
                                       ("completion", "bash"), ("--help",), ("compare", "photo.png", "-o", "-")])
def test_what_cannot_be_printed_is_told(tiles, tmp_path, arguments, server):
    picture(tmp_path / "photo.png")
    address = [] if arguments[0] in ("man", "completion", "--help") else ["--server", server.address]
    with open("/dev/full", "wb") as full:
        ran = subprocess.run([BIN / "hiif", *arguments, *address], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE,
                             text=True, timeout=60, check=False)
    assert ran.returncode == 1 and "standard output cannot be written" in ran.stderr, ran


@pytest.mark.parametrize("arguments", [("upscale", "--y4m", "-", "-o", "-"), ("upscale", "@-", "-o", "out/"),
                                       ("upscale", "--y4m", "pipe", "-o", "out.y4m"), ("query", "photo.png")],
                         ids=lambda words: " ".join(words))
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_wait_for_input(server, tmp_path, arguments, number):
    picture(tmp_path / "photo.png")
    os.mkfifo(tmp_path / "pipe")
    before = set(names(tmp_path))
    writer = os.open(tmp_path / "pipe", os.O_RDWR)  # there, and silent
    process = subprocess.Popen([BIN / "hiif", *arguments, "--server", server.address], cwd=tmp_path, stdin=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(0.5)
    assert process.poll() is None, process.stderr.read()
    process.send_signal(number)
    assert process.wait(5) == 128 + number
    os.close(writer)
    assert set(names(tmp_path)) == before


def test_a_stream_that_nobody_sends_is_given_up(server, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    ran = hiif("upscale", "--y4m", tmp_path / "pipe", "-o", tmp_path / "out.y4m", "--server", server.address, check=1)
    assert "nobody writes into" in ran.stderr
    assert names(tmp_path) == ["pipe"]


def test_a_list_has_an_end(server, tmp_path):
    """Of a device, or of whoever writes into the pipe: no more is read than any list has."""
    with open("/dev/zero", "rb") as zeros:
        ran = subprocess.run([BIN / "hiif", "upscale", "@-", "-o", tmp_path], stdin=zeros, capture_output=True, text=True,
                             check=False, timeout=60)
        assert ran.returncode != 0 and "longer than 67108864 bytes" in ran.stderr
        ran = subprocess.run([BIN / "hiif", "query", picture(tmp_path / "photo.png"), "--server", server.address],
                             stdin=zeros, capture_output=True, text=True, check=False, timeout=60)
        assert ran.returncode == 2 and "longer than 67108864 bytes" in ran.stderr
    assert "longer than 67108864 bytes" in hiif("upscale", "@/dev/zero", "-o", tmp_path, check=None).stderr


def test_a_broken_stream_through_a_slow_pipe_is_read_whole(tiles, tmp_path):
    """Pieces end anywhere: within a line, within a frame, between two."""
    frames = [bytes([16 + i]) * (40 * 30) for i in range(7)]
    data = b"YUV4MPEG2 W40 H30 F25:1 Cmono\n" + b"".join(b"FRAME\n" + frame for frame in frames)
    process = subprocess.Popen([BIN / "hiif", "upscale", "--y4m", "-", "-o", tmp_path / "out.y4m", "-s", "1", "--server",
                                tiles], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    for begin in range(0, len(data), 997):
        process.stdin.write(data[begin:begin + 997])
        process.stdin.flush()
        time.sleep(0.01)
    process.stdin.close()
    assert process.wait(30) == 0, process.stderr.read()
    assert (tmp_path / "out.y4m").read_bytes().count(b"FRAME\n") == 7
    assert len((tmp_path / "out.y4m").read_bytes()) == len(data)


def test_what_runs_before_have_left_is_no_input(tiles, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    picture(folder / "a.png")
    picture(folder / "b-1.png")  # a number of its own
    gif(folder / "c.gif")
    left = folder / "a_x2.png.4194999.Ab12Cd.part"  # of a process that is gone
    picture(left.with_suffix(".png")).rename(left)
    stale_frame = folder / "c_x2-001.png.4194999.Ab12Cd.part"
    stale_frame.write_bytes(left.read_bytes())
    flags = ("upscale", folder, "-s", "2", "-f", "png", "--all-frames", "--server", tiles, "--log-format", "json")

    def run(*more):
        lines = [json.loads(line) for line in hiif(*flags, *more).stderr.splitlines()]
        return [(line["status"], os.path.basename(line["input"])) for line in lines if line["event"] == "file"]

    assert run() == [("done", "a.png"), ("done", "b-1.png"), ("done", "c.gif")]
    outputs = ["a_x2.png", "b-1_x2.png", "c_x2-001.png", "c_x2-002.png", "c_x2-003.png"]
    assert set(names(folder)) == {"a.png", "b-1.png", "c.gif", left.name, stale_frame.name, *outputs}
    assert run("--exists", "rename") == [("done", "a.png"), ("done", "b-1.png"), ("done", "c.gif")]
    assert len(names(folder)) == 5 + 2 * len(outputs)
    assert run("--exists", "skip") == [("skipped", "a.png"), ("skipped", "b-1.png"), ("skipped", "c.gif")]
    # Only looking changes nothing; going on tidies up.
    run("--resume", "--dry-run")
    assert left.exists() and stale_frame.exists()
    run("--resume")
    assert not left.exists() and not stale_frame.exists()
    # Beside a file of the same name but its number, of somebody's own: nothing of it in silence.
    other = tmp_path / "other"
    other.mkdir()
    gif(other / "d.gif", frames=1)
    picture(other / "d-1.png")
    said = hiif("upscale", other, "-s", "2", "-f", "png", "--name", "{stem}.{ext}", "--server", tiles, check=1).stderr
    assert "d-1.png" in said and "is the input itself" in said
    assert names(other) == ["d-1.png", "d.gif", "d.png"]


def test_standard_output_takes_one_image(tiles, tmp_path):
    ran = subprocess.run([BIN / "hiif", "upscale", gif(tmp_path / "a.gif"), "--all-frames", "-o", "-", "-f", "png",
                          "--server", tiles], capture_output=True, check=False)
    assert ran.returncode != 0 and ran.stdout == b"" and b"standard output takes one image" in ran.stderr


@pytest.mark.parametrize("arguments,code", [
    (("photo.png", "--server", "127.0.0.1:9", "--connect-timeout", "0.3"), "UNAVAILABLE"),
    (("photo.png", "--scale", "0.5"), "INVALID_ARGUMENT"),
    (("--y4m", "photo.png", "-o", "out.y4m"), "INVALID_ARGUMENT"),
])
def test_a_log_for_machines_is_for_machines_to_the_end(tmp_path, arguments, code):
    picture(tmp_path / "photo.png")
    ran = subprocess.run([BIN / "hiif", "upscale", *arguments, "--log-format", "json"], cwd=tmp_path, text=True,
                         capture_output=True, timeout=60, check=False)
    assert ran.returncode in (2, 3)
    *_, last = [json.loads(line) for line in ran.stderr.splitlines()]
    assert last["event"] == "error" and last["code"] == code and last["error"], ran.stderr


def test_flags_that_would_do_nothing_are_refused(tmp_path):
    (tmp_path / "empty.pem").write_text("\n")
    photo = picture(tmp_path / "photo.png")
    for flags, words in (
            (("--server", "127.0.0.1:9", "--tls-ca", tmp_path / "empty.pem"), "empty.pem is empty"),
            (("--server", "127.0.0.1:9", "--token-file", tmp_path / "empty.pem"), "empty.pem is empty"),
            (("--server", "127.0.0.1:9", "--tls-server-name", "a.example"), "needs --tls"),
            (("--server", "127.0.0.1:9", "--gpu-id", "0"), "--gpu-id is for the private server")):
        ran = hiif("upscale", photo, "-o", tmp_path / "out.png", *flags, check=2)
        assert words in ran.stderr, ran.stderr
    for flag in ("--strip", "-r", "--ppi=300"):
        ran = hiif("upscale", "--y4m", photo, "-o", tmp_path / "out.y4m", flag, check=2)
        assert "not with flags of image files" in ran.stderr
