"""The command line where its surroundings are not as expected: full disks, inputs that do not come, leftovers of
runs before, a private server that is not ready yet, logs for machines."""

import json
import os
import shutil
import signal
import subprocess
import time

import numpy
import pytest
import tifffile
from PIL import Image

from processes import BIN, ROOT, hiif, run_tile_server, start, until_signals_are_taken
from test_cli import servers_of


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


@pytest.fixture
def bicubic(tmp_path):
    """A folder of models with the smallest one."""
    folder = tmp_path / "only-bicubic"
    folder.mkdir()
    shutil.copy(ROOT / "models" / "bicubic.safetensors", folder)
    return folder


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


def test_a_model_is_used_whatever_the_default_is(tmp_path, bicubic):
    """That is the first by name, and broken."""
    (bicubic / "a.safetensors").write_bytes(b"no model")
    photo, environment = picture(tmp_path / "photo.png"), {**os.environ, "HIIF_MODEL_DIR": str(bicubic)}
    hiif("upscale", photo, "-o", tmp_path / "out.png", "-s", 2, "-n", "bicubic", env=environment)
    assert Image.open(tmp_path / "out.png").size == (48, 32)
    hiif("query", photo, "1,1", "-n", "bicubic", env=environment)
    hiif("compare", photo, "-o", tmp_path / "sheet.png", "-n", "bicubic", env=environment)
    table = hiif("models", env=environment).stdout
    assert "a " in table and "failed" in table and "bicubic" in table and "ready" in table
    assert hiif("health", env=environment, check=1).stdout == "NOT_SERVING\n"
    for flags in ((), ("-n", "none")):
        told = hiif("upscale", photo, "-o", tmp_path / "none.png", *flags, env=environment, check=3).stderr
        assert "cannot be used" in told and "bicubic: can be named with --model" in told


def test_queries_and_comparisons_of_what_the_server_takes(tmp_path, bicubic):
    """A private one takes 256 megapixels, others 50."""
    scan = tmp_path / "scan.png"
    Image.new("1", (7100, 7100), 1).save(scan)
    told = hiif("query", scan, "7099.5,7099.5", "-m", bicubic).stdout
    assert told == "7099.5,7099.5\t1.000000\t1.000000\t1.000000\n"
    hiif("compare", scan, "-o", tmp_path / "sheet.png", "-m", bicubic)
    assert Image.open(tmp_path / "sheet.png").width > 384


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
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_wait_for_input(server, tmp_path, arguments, number):
    picture(tmp_path / "photo.png")
    os.mkfifo(tmp_path / "pipe")
    before = set(names(tmp_path))
    writer = os.open(tmp_path / "pipe", os.O_RDWR)  # there, and silent
    process = start([BIN / "hiif", *arguments, "--server", server.address], cwd=tmp_path, stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    until_signals_are_taken(process)
    time.sleep(0.3)  # and waits
    assert process.poll() is None, process.stderr.read()
    process.send_signal(number)
    assert process.wait(5) == 128 + number
    os.close(writer)
    assert set(names(tmp_path)) == before


@pytest.mark.parametrize("arguments", [
    ("upscale", "photo.png", "-o", "-", "-f", "ppm", "-s", "32"), ("upscale", "photo.png", "-o", "pipe.png", "-s", "2"),
    ("upscale", "c.gif", "-o", "pipe.png", "--animation"), ("upscale", "--y4m", "film.y4m", "-o", "-"),
    ("upscale", "--y4m", "film.y4m", "-o", "pipe.png"), ("compare", "photo.png", "-o", "pipe.png")],
                         ids=lambda words: " ".join(words))
def test_a_signal_ends_the_wait_for_a_reader(tiles, tmp_path, arguments):
    """Of standard output, which nobody reads, and of a named pipe, which nobody opens."""
    picture(tmp_path / "photo.png")
    gif(tmp_path / "c.gif")
    (tmp_path / "film.y4m").write_bytes(b"YUV4MPEG2 W160 H120 F25:1 Cmono\nFRAME\n" + bytes(160 * 120))
    os.mkfifo(tmp_path / "pipe.png")
    before = names(tmp_path)
    with subprocess.Popen([BIN / "hiif", *arguments, "--server", tiles], cwd=tmp_path, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        until_signals_are_taken(process)
        time.sleep(1)  # and waits
        assert process.poll() is None, process.stderr.read()
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(5) == 143
        finally:
            process.kill()
    assert names(tmp_path) == before


def test_the_end_of_a_terminal_leaves_nothing(tmp_path, bicubic):
    """Of an output that was begun, and of the private server."""
    out, temporary = tmp_path / "out", tmp_path / "t"
    out.mkdir()
    temporary.mkdir()
    with start([BIN / "hiif", "upscale", "--y4m", "-", "-o", out / "film.y4m", "-s", "2", "-m", bicubic],
               env={**os.environ, "TMPDIR": str(temporary)}, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.write(b"YUV4MPEG2 W40 H30 F25:1 Cmono\nFRAME\n" + bytes(40 * 30))
        process.stdin.flush()
        end = time.monotonic() + 60
        while not names(out):
            assert process.poll() is None and time.monotonic() < end, process.stderr.read()
            time.sleep(0.02)
        assert names(out) != ["film.y4m"] and names(temporary) and servers_of(temporary)
        process.send_signal(signal.SIGHUP)
        assert process.wait(30) == 129
    assert not names(out) and not names(temporary) and not servers_of(temporary)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_is_ignored_stays_ignored(server, tmp_path, number):
    """SIGHUP by nohup, SIGINT by shells that start something in the background."""
    photo = picture(tmp_path / "photo.png")
    with start([BIN / "hiif", "query", photo, "--server", server.address], [number], stdin=subprocess.PIPE,
               stdout=subprocess.PIPE) as process:
        until_signals_are_taken(process, [signal.SIGTERM])
        process.send_signal(number)
        told, _ = process.communicate(b"1,1\n", timeout=60)
    assert process.returncode == 0 and told.startswith(b"1,1\t")


def test_standard_output_that_is_read_late_is_whole(tiles, tmp_path):
    command = [BIN / "hiif", "upscale", picture(tmp_path / "photo.png"), "-o", "-", "-f", "ppm", "-s", "32", "--server",
               tiles]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        time.sleep(1)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and len(out) == len(b"P6\n768 512\n255\n") + 3 * 768 * 512
    with open(tmp_path / "out.ppm", "wb") as file:
        file.write(b"before ")
        file.flush()
        subprocess.run(command, stdout=file, stderr=subprocess.PIPE, check=True)
    assert (tmp_path / "out.ppm").read_bytes() == b"before " + out


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


@pytest.mark.parametrize("spelling", ["{0}", "./{0}/", "{0}/../{0}", "{1}/{0}", "link", "link/"])
def test_outputs_of_a_run_before_whatever_the_folder_is_called(tiles, tmp_path, spelling):
    folder = tmp_path / "rep"
    folder.mkdir()
    (tmp_path / "link").symlink_to("rep")
    picture(folder / "a.png")
    output = spelling.format("rep", tmp_path)
    flags = ("-o", output, "-s", "2", "--server", tiles)
    hiif("upscale", "rep", *flags, cwd=tmp_path)
    said = hiif("upscale", "rep", *flags, "--exists", "overwrite", cwd=tmp_path).stderr
    assert names(folder) == ["a.png", "a_x2.png"]
    assert "passed over, as outputs of a run before: rep/a_x2.png" in said
    last = hiif("upscale", "rep", *flags, "--exists", "skip", "--log-format", "json", cwd=tmp_path).stderr
    assert json.loads(last.splitlines()[-1])["passed_over"] == ["rep/a_x2.png"]


def test_no_output_replaces_another_input(tiles, tmp_path):
    """In its own folder, in another format: what a.jpg becomes is called as a picture that is there."""
    def pics():
        shutil.rmtree(tmp_path / "pics", ignore_errors=True)
        (tmp_path / "pics").mkdir()
        picture(tmp_path / "pics" / "a.jpg", "red")
        return picture(tmp_path / "pics" / "a.png", "blue").read_bytes()

    flags = ("-f", "png", "-s", "2", "--name", "{stem}.{ext}", "--server", tiles)
    blue = pics()
    for how in ("overwrite", "error", "skip"):
        said = hiif("upscale", tmp_path / "pics", *flags, "--exists", how, check=1).stderr
        assert (tmp_path / "pics" / "a.png").read_bytes() == blue and names(tmp_path / "pics") == ["a.jpg", "a.png"]
        assert "its output would be that of" in said
        assert ("its output would replace" in said) == (how == "overwrite")
    hiif("upscale", tmp_path / "pics", *flags, "--exists", "rename")
    assert names(tmp_path / "pics") == ["a-1.png", "a-2.png", "a.jpg", "a.png"]
    assert (tmp_path / "pics" / "a.png").read_bytes() == blue
    # Named ones, and one of which it is the name of a frame.
    both = [picture(tmp_path / "b.png"), picture(tmp_path / "b_x2.png")]
    before = both[1].read_bytes()
    said = hiif("upscale", *both, "-s", "2", "--exists", "overwrite", "--server", tiles, check=1).stderr
    assert "b_x2.png, another input" in said and both[1].read_bytes() == before
    both = [gif(tmp_path / "d.gif"), picture(tmp_path / "d-002.png")]
    said = hiif("upscale", *both, *flags, "--all-frames", "--exists", "overwrite", "-j", "1", check=1).stderr
    assert "d-002.png, another input" in said
    # A picture may be replaced by its own enlargement where that is asked for.
    alone = picture(tmp_path / "e.png")
    hiif("upscale", alone, *flags, "--exists", "overwrite")
    assert Image.open(alone).size == (48, 32)


def test_an_output_that_was_half_written_is_made_again(tiles, tmp_path):
    """One with more names is copied over; a killed run leaves a part there and the whole beside it."""
    source = picture(tmp_path / "a.png")
    flags = ("upscale", source, "-s", "2", "--log-format", "json", "--server", tiles)
    hiif(*flags)
    out, other = tmp_path / "a_x2.png", tmp_path / "other.png"
    other.hardlink_to(out)
    whole = out.read_bytes()
    left = tmp_path / "a_x2.png.4194999.Ab12Cd.part"

    def status(*more, check=0):
        return json.loads(hiif(*flags, "--resume", *more, check=check).stderr.splitlines()[-2])["status"]

    assert status() == "skipped"
    with open(out, "r+b") as file:
        file.truncate(len(whole) // 2)
    left.write_bytes(whole)
    assert status("--dry-run") == "planned" and left.exists()
    # Until it is made.
    kept = source.read_bytes()
    source.write_bytes(b"no picture")
    os.utime(source, (0, 0))
    assert status(check=1) == "failed" and left.exists()
    source.write_bytes(kept)
    os.utime(source, (0, 0))
    assert status() == "done"
    assert out.read_bytes() == other.read_bytes() == whole and not left.exists()
    assert status() == "skipped"


def test_pages_are_enlarged_as_they_are(tiles, tmp_path):
    """Each of its own size, channels, depth and resolution."""
    with tifffile.TiffWriter(tmp_path / "pages.tif") as file:
        file.write(numpy.zeros((32, 64, 3), numpy.uint8), photometric="rgb", resolution=(100, 100), resolutionunit=2)
        file.write(numpy.zeros((64, 32, 3), numpy.uint8), photometric="rgb", resolution=(300, 300), resolutionunit=2)
        file.write(numpy.zeros((32, 64), numpy.uint8), photometric="minisblack")
        file.write(numpy.full((32, 64), 0x1234, numpy.uint16), photometric="minisblack")

    def run(form):
        done = hiif("upscale", tmp_path / "pages.tif", "--all-frames", "-f", form, "-s", "2", "--log-format", "json",
                    "--server", tiles)
        return json.loads(done.stderr.splitlines()[0])

    line = run("png")
    assert (line["input_width"], line["input_height"]) == (64, 32) and "warnings" not in line
    pages = [Image.open(tmp_path / f"pages_x2-{n:03}.png") for n in range(1, 5)]
    assert [page.size for page in pages] == [(128, 64), (64, 128), (128, 64), (128, 64)]
    assert [page.mode for page in pages] == ["RGB", "RGB", "L", "I;16"]
    assert [round(page.info.get("dpi", (0,))[0]) for page in pages] == [100, 300, 0, 0]
    assert any("rounded" in warning for warning in run("jpg")["warnings"])


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


@pytest.mark.parametrize("text", ["s3cret\ns3cret\n", '{"tokens": [\n{"name": "a", "token": "s3cret"}]}\n', "schlüssel"])
def test_a_token_is_one_line_of_what_a_header_holds(tiles, tmp_path, text):
    (tmp_path / "token").write_text(text, encoding="utf-8")
    photo = picture(tmp_path / "photo.png")
    flags = ("upscale", photo, "-o", tmp_path / "out.png", "--server", tiles)
    for ran in (hiif(*flags, "--token-file", tmp_path / "token", check=2),
                hiif(*flags, env={**os.environ, "HIIF_TOKEN": text}, check=2)):
        assert "holds one token and nothing else" in ran.stderr and "s3cret" not in ran.stderr, ran.stderr
    (tmp_path / "token").write_text(" s3cret\r\n")
    hiif(*flags, "--token-file", tmp_path / "token")


@pytest.mark.parametrize("flags", [("--exists", "skip"), ("--resume",)], ids=" ".join)
def test_frames_are_made_beside_the_animation(tiles, tmp_path, flags):
    """Which has the name that their names begin with."""
    frames = [Image.new("RGB", (24, 16), (80 * i, 0, 0)) for i in range(3)]
    source = tmp_path / "a.webp"
    frames[0].save(source, save_all=True, append_images=frames[1:])
    hiif("upscale", source, "--animation", "--server", tiles)
    assert names(tmp_path) == ["a.webp", "a_x4.webp"]
    for status in ("done", "skipped"):
        said = hiif("upscale", source, "--all-frames", *flags, "--server", tiles, "--log-format", "json").stderr
        assert json.loads(said.splitlines()[0])["status"] == status
        assert names(tmp_path) == ["a.webp", *(f"a_x4-{n:03}.webp" for n in (1, 2, 3)), "a_x4.webp"]


@pytest.mark.parametrize("name", ["[Scans]", "[2023,2024]", "Scans]"])
def test_names_in_brackets_are_names(tmp_path, name):
    (tmp_path / name).mkdir()
    picture(tmp_path / name / "a.png")
    for words in ((name,), ("-i", name), (f"--input={name}",)):
        said = hiif("upscale", *words, "-o", name, "--dry-run", "--log-format", "json", cwd=tmp_path).stderr
        line = json.loads(said.splitlines()[0])
        assert (line["input"], line["output"]) == (f"{name}/a.png", f"{name}/a_x4.png")
