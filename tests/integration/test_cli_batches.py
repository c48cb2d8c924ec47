"""Batches of the command line: which files, in which order, what happens to those that are there, to servers that
go away, to interruptions; what a terminal shows. Mostly with a server that streams tiles without a model."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest
from PIL import Image

from processes import BIN, ROOT, hiif, run_tile_server


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    with run_tile_server(tmp_path_factory.mktemp("tiles")) as address:
        yield address


@pytest.fixture(scope="module")
def slow_tiles(tmp_path_factory):
    """Half a second a tile."""
    with run_tile_server(tmp_path_factory.mktemp("tiles"), "--tile-delay-ms", "500") as address:
        yield address


@pytest.fixture
def folder(tmp_path):
    """Sizes fall, so that later files would end first."""
    source = tmp_path / "in"
    for index, name in enumerate(["b.png", "a.png", "c 1.png", "d[x].png", "sub/e.png", "sub/deep/f.png",
                                  "sub/.hidden.png"]):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40 - 4 * index, 30), (index, 0, 0)).save(path)
    (source / "readme.md").write_text("no picture")
    return source


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def lines_of(result):
    return [json.loads(line) for line in result.stderr.splitlines()]


def inputs_of(result, source):
    return [os.path.relpath(line["input"], source) for line in lines_of(result) if line["event"] == "file"]


def test_what_a_name_stands_for(tiles, folder, tmp_path):
    def chosen(*words, **options):
        result = hiif("upscale", *words, "-o", tmp_path / "out", "--dry-run", "--log-format", "json",
                      **options)
        assert {line["status"] for line in lines_of(result) if line["event"] == "file"} == {"planned"}
        return inputs_of(result, folder)

    top = ["a.png", "b.png", "c 1.png", "d[x].png"]
    assert chosen(folder) == top
    assert chosen(folder, "-r") == top + ["sub/deep/f.png", "sub/e.png"]
    assert chosen(f"{folder}/[ab].png") == ["a.png", "b.png"]
    assert chosen(f"{folder}/*/*.png") == ["sub/e.png"]
    assert chosen(folder / "d[x].png", folder / "a.png", folder / "a.png") == ["d[x].png", "a.png"]
    listed = tmp_path / "list"
    listed.write_text(f"{folder}/b.png\r\n\n{folder}/a.png\n{folder}/sub\n")
    assert chosen(f"@{listed}") == ["b.png", "a.png", "sub/e.png"]
    assert chosen("--list", listed) == ["b.png", "a.png", "sub/e.png"]
    assert chosen("@-", input=listed.read_text()) == ["b.png", "a.png", "sub/e.png"]
    assert not (tmp_path / "out").exists()

    for words, text in [([f"{folder}/*.gif"], "no file matches"), (["@" + str(tmp_path / "none")], "none"),
                        ([tmp_path / "nothing" / "*"], "no file matches")]:
        assert text in hiif("upscale", "-o", tmp_path / "out", *words, check=2).stderr
    for output, text in [(folder / "a.png", "several inputs need a folder"), ("-", "several inputs need a folder"),
                         (tmp_path / "o.xyz", "no format")]:
        words = [folder / "b.png"] if text == "no format" else [folder]
        assert text in hiif("upscale", *words, "-o", output, check=2).stderr


def test_lines_and_files_keep_the_order(tiles, folder, tmp_path):
    result = hiif("upscale", folder, "-r", "-o", tmp_path / "out", "-s", 2, "--jobs", 6, "--log-format", "json",
                  "--server", tiles)
    *files, summary = lines_of(result)
    assert [line["event"] for line in files] == ["file"] * 6
    assert inputs_of(result, folder) == ["a.png", "b.png", "c 1.png", "d[x].png", "sub/deep/f.png", "sub/e.png"]
    assert (summary["event"], summary["done"], summary["failed"]) == ("summary", 6, 0)
    assert [os.path.relpath(path, folder) for path in summary["left_out"]] == ["readme.md"]
    assert names(tmp_path / "out") == ["a_x2.png", "b_x2.png", "c 1_x2.png", "d[x]_x2.png", "sub/deep/f_x2.png",
                                       "sub/e_x2.png"]
    for line in files:
        with Image.open(line["output"]) as image:
            assert image.size == (line["output_width"], line["output_height"])


def test_outputs_that_are_there(tiles, folder, tmp_path):
    out = tmp_path / "out"
    flags = ["upscale", folder / "a.png", folder / "b.png", "-o", out, "-s", "2", "--server", tiles,
             "--log-format", "json"]
    out.mkdir()
    (out / "a_x2.png").write_text("mine")

    def outcomes(*more, check=0):
        return [line["status"] for line in lines_of(hiif(*flags, *more, check=check)) if line["event"] == "file"]

    assert outcomes(check=1) == ["failed", "done"]
    assert (out / "a_x2.png").read_text() == "mine"
    assert outcomes("--exists", "skip") == ["skipped", "skipped"]
    assert outcomes("--exists", "rename") == ["done", "done"]
    assert names(out) == ["a_x2-1.png", "a_x2.png", "b_x2-1.png", "b_x2.png"]
    assert (out / "a_x2.png").read_text() == "mine"
    assert outcomes("--exists", "overwrite") == ["done", "done"]
    assert Image.open(out / "a_x2.png").size == (72, 60)
    assert outcomes("--resume") == ["skipped", "skipped"]
    later = time.time() + 5
    os.utime(folder / "b.png", (later, later))  # changed since
    assert outcomes("--resume") == ["skipped", "done"]
    assert "resume" in hiif(*flags, "--resume", "--exists", "skip", check=2).stderr
    # Two inputs, one output.
    clash = hiif("upscale", folder / "a.png", folder / "b.png", "-o", tmp_path / "one", "--name", "{stem}.png",
                 "-i", folder / "sub" / ".." / "a.png", "--server", tiles, check=1).stderr
    assert "its output would be that of" in clash


def test_outputs_that_get_another_name_are_all_there(tiles, tmp_path):
    """Of inputs of one name, many at a time: each of its own width."""
    sources = [tmp_path / f"{n:02}" / "photo.png" for n in range(24)]
    for n, source in enumerate(sources):
        source.parent.mkdir()
        Image.new("RGB", (10 + n, 8)).save(source)
    flags = ["-o", tmp_path / "out", "-s", 2, "--exists", "rename", "--server", tiles]
    hiif("upscale", *sources, *flags, "-j", 12)
    assert names(tmp_path / "out") == sorted(["photo_x2.png", *(f"photo_x2-{n}.png" for n in range(1, 24))])
    assert sorted(Image.open(path).width for path in (tmp_path / "out").iterdir()) == [20 + 2 * n for n in range(24)]
    # Two processes know nothing of each other's names.
    flags[1] = tmp_path / "shards"
    hiif("upscale", *sources[:2], *flags, "--shard", "0/2")
    assert "its output would be that of" in hiif("upscale", *sources[:2], *flags, "--shard", "1/2", check=1).stderr
    assert Image.open(tmp_path / "shards" / "photo_x2.png").width == 20


def test_frames_and_files_of_one_name(tiles, tmp_path):
    """What a frame would be called, another input is already."""
    frames = [Image.new("L", (8, 8), value) for value in (0, 99)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    Image.new("L", (9, 9)).save(tmp_path / "a-002.tif")
    flags = ["upscale", tmp_path / "a-002.tif", tmp_path / "a.tif", "-o", tmp_path / "out", "--name", "{stem}.{ext}", "-s", 2,
             "--all-frames", "--exists", "overwrite", "--server", tiles]
    assert "its output would be that of" in hiif(*flags, "-j", 1, check=1).stderr
    assert Image.open(tmp_path / "out" / "a-002.tif").width == 18


def test_crops_that_no_image_has(tiles, folder):
    for crop in ("9223372036854775807,0,9223372036854775807,1", "0,1,1,9223372036854775807", "0,0,2147483648,1"):
        done = hiif("upscale", folder / "a.png", "-o", folder / "o.png", "--crop", crop, "--server", tiles, check=2)
        assert "--crop" in done.stderr and not (folder / "o.png").exists()


def test_a_comparison_does_not_replace_its_input(tiles, folder):
    before = (folder / "a.png").read_bytes()
    (folder / "link.png").symlink_to("a.png")
    for output in (folder / "a.png", folder / "link.png"):
        assert "input itself" in hiif("compare", folder / "a.png", "-o", output, "--server", tiles, check=2).stderr
    assert (folder / "a.png").read_bytes() == before


def test_pipes(tiles, folder):
    data = (folder / "a.png").read_bytes()
    command = [BIN / "hiif", "upscale", "-", "-o", "-", "-s", "2", "--server", tiles]
    for form, magic in (("png", b"\x89PNG"), ("ppm", b"P6"), ("jpg", b"\xff\xd8"), ("tif", b"II"),
                        ("webp", b"RIFF")):
        result = subprocess.run([*command, "-f", form], input=data, capture_output=True, check=True)
        assert result.stdout.startswith(magic)
    empty = subprocess.run(command, input=b"", capture_output=True, check=False)
    assert empty.returncode == 1 and empty.stdout == b"" and b"empty" in empty.stderr
    nobody = subprocess.run(f"'{BIN}/hiif' upscale '{folder}/a.png' -o - -f ppm -s 30 --server {tiles} | head -c 9",
                            shell=True, capture_output=True, check=True)
    assert nobody.stdout.startswith(b"P6") and b"standard output" in nobody.stderr


def test_a_server_that_dies_leaves_its_work_to_the_other(tmp_path, folder):
    with run_tile_server(tmp_path, "--tile-delay-ms", "100") as stays:
        with run_tile_server(tmp_path, "--tile-delay-ms", "100") as goes:
            process = subprocess.Popen([BIN / "hiif", "upscale", folder, "-r", "-o", tmp_path / "out", "-s", "16",
                                        "--tile-size", "128", "--jobs", "4", "--server", f"{goes},{stays}"],
                                       stderr=subprocess.PIPE, text=True)
            time.sleep(0.7)
        _, text = process.communicate(timeout=120)
    assert process.returncode == 0, text
    assert len(names(tmp_path / "out")) == 6


def test_no_server_any_more_ends_the_batch(tmp_path, folder):
    with run_tile_server(tmp_path, "--tile-delay-ms", "200") as address:
        process = subprocess.Popen([BIN / "hiif", "upscale", folder, "-r", "-o", tmp_path / "out", "-s", "16",
                                    "--retries", "2", "--jobs", "1", "--server", address], stderr=subprocess.PIPE,
                                   text=True)
        while not [name for name in names(tmp_path / "out") if name.endswith(".part")]:
            assert process.poll() is None
            time.sleep(0.02)
    _, text = process.communicate(timeout=60)
    assert process.returncode == 3 and "not-tried" in text, text
    assert not [name for name in names(tmp_path) if name.endswith(".part")]


@pytest.mark.parametrize("sent,code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_batches_leave_whole_files_only(slow_tiles, folder, tmp_path, sent, code):
    out = tmp_path / "out"
    process = subprocess.Popen([BIN / "hiif", "upscale", folder, "-r", "-o", out, "-s", "2", "--jobs", "1", "--server",
                                slow_tiles], stderr=subprocess.PIPE, text=True)
    while not [name for name in names(out) if not name.endswith(".part")]:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(sent)
    begin = time.monotonic()
    _, text = process.communicate(timeout=30)
    assert time.monotonic() - begin < 10
    assert process.returncode == code and "not-tried" in text
    done = names(out)
    assert 0 < len(done) < 6
    for name in done:
        Image.open(out / name).load()


def on_terminal(*words, columns=150, **environment):
    """What a terminal gets to see, and the exit code."""
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    process = subprocess.Popen([str(BIN / "hiif"), *map(str, words)], stderr=other, stdout=subprocess.DEVNULL,
                               env={**os.environ, "TERM": "xterm", **environment})
    os.close(other)
    seen = b""
    try:
        while data := os.read(main, 4096):
            seen += data
    except OSError:  # the other end is closed
        pass
    os.close(main)
    return seen.decode(), process.wait(30)


def test_what_a_terminal_shows(slow_tiles, folder, tmp_path):
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n no")
    flags = ["upscale", folder, "-o", tmp_path / "out", "--exists", "overwrite", "-s", "2", "--server", slow_tiles]
    text, code = on_terminal(*flags)
    assert code == 1
    assert re.search(r"\d/5 .*a\.png \[#*\.*\] +\d+ %  \d+\.\d+ Mpx/s", text), text
    assert re.search(r"\d:\d\d left", text)
    assert "\x1b[31mfailed" in text and "4 done, 1 failed" in text
    plain, _ = on_terminal(*flags, NO_COLOR="1")
    assert "\x1b[31m" not in plain and "%" in plain and "failed" in plain
    dumb, _ = on_terminal(*flags, TERM="dumb")
    assert "\x1b" not in dumb and "done    " in dumb
    narrow, _ = on_terminal(*flags, columns=80)
    drawn = re.findall(r"\r\x1b\[K(\d/5 [^\r\n\x1b]*)", narrow)
    assert drawn and all(len(line) < 80 for line in drawn)


def test_the_example_of_the_client_library(server, folder, tmp_path):
    example = BIN.parent / "examples" / "upscale"
    source, out, same = folder / "a.png", tmp_path / "out.ppm", tmp_path / "same.ppm"
    subprocess.run([example, server.address, source, "7.5", out], check=True)
    hiif("upscale", source, "-o", same, "-s", 7.5, "--server", server.address)
    assert Image.open(out).tobytes() == Image.open(same).tobytes()
    wrong = subprocess.run([example, server.address, folder / "readme.md", "2", out], capture_output=True, text=True,
                           check=False)
    assert wrong.returncode == 1 and "not an image" in wrong.stderr


def test_help_fits_a_screen_and_shows_examples():
    text = hiif("--help").stdout
    assert len(text.splitlines()) <= 24
    assert sum(line.startswith(("  hiif upscale", "  curl")) for line in text.splitlines()) == 3


@pytest.mark.parametrize("program,flags", [
    ("corrupt_files", ["--files", "250", "--seed", "3"]),
    ("kill_resume", ["--kills", "5", "--files", "20", "--seed", "3"]),
    ("large", ["--side", "6000", "--limit-mb", "150"]),
    ("many_files", ["--files", "1500"]),
])
def test_short_forms_of_what_verify_measures(program, flags):
    result = subprocess.run([sys.executable, ROOT / "bench" / "cli" / f"{program}.py", *flags],
                            capture_output=True, text=True, timeout=500, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
