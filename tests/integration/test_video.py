"""Video through pipes: frames of y4m streams, made and read by Debian's ffmpeg."""

import re
import shutil
import subprocess
import sys
import tempfile
import time

import numpy
import pytest

from processes import BIN, hiif, run_tile_server

FFMPEG = shutil.which("ffmpeg")
pytestmark = pytest.mark.skipif(FFMPEG is None, reason="needs ffmpeg")
FAST = ("-n", "edsr-baseline-hiif-fast")
FORMATS = ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le", "gray"]


def clip(pixel_format, frames=3, size="64x48"):
    """A y4m stream of ffmpeg's moving test picture."""
    return subprocess.run(
        [FFMPEG, "-loglevel", "error", "-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25", "-frames:v", str(frames),
         "-vf", "gblur=sigma=1.5", "-pix_fmt", pixel_format, "-strict", "-1", "-f", "yuv4mpegpipe", "-"],
        check=True, capture_output=True).stdout


def upscale(data, address, *flags, check=0):
    result = subprocess.run([BIN / "hiif", "upscale", "--y4m", "-", "-o", "-", *map(str, flags), "--server", address],
                            input=data, capture_output=True, check=False)
    assert result.returncode == check, result.stderr
    return result


def psnr(first, second):
    """Of two streams, by ffmpeg, every plane together; in dB."""
    with tempfile.NamedTemporaryFile(suffix=".y4m") as a, tempfile.NamedTemporaryFile(suffix=".y4m") as b:
        for file, data in ((a, first), (b, second)):
            file.write(data)
            file.flush()
        text = subprocess.run([FFMPEG, "-hide_banner", "-i", a.name, "-i", b.name, "-lavfi", "psnr", "-f", "null", "-"],
                              check=True, capture_output=True, text=True).stderr
    return float(re.search(r"average:([\d.inf]+)", text).group(1).replace("inf", "99"))


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_frames_come_back_as_they_were(server, pixel_format):
    data = clip(pixel_format)
    out = upscale(data, server.address, "-s", 1, *FAST).stdout
    assert out.split(b"\n", 1)[0] == data.split(b"\n", 1)[0] and len(out) == len(data)
    assert psnr(data, out) > 38
    larger = upscale(data, server.address, "-s", 2.25, *FAST).stdout
    assert b" W144 H108 " in larger.split(b"\n", 1)[0]
    decoded = subprocess.run([FFMPEG, "-loglevel", "error", "-i", "-", "-f", "rawvideo", "-pix_fmt", "gray", "-"],
                             input=larger, check=True, capture_output=True).stdout
    assert len(decoded) == 3 * 144 * 108


def test_many_frames_stay_in_order(server):
    """Each of its own grey, several of them under way at once."""
    frames = [bytes([16 + 2 * i]) * (16 * 16) for i in range(60)]
    data = b"YUV4MPEG2 W16 H16 F25:1 Cmono\n" + b"".join(b"FRAME\n" + frame for frame in frames)
    out = upscale(data, server.address, "-s", 1, "-n", "bicubic", "--jobs", 8)
    head, *made = out.stdout.split(b"FRAME\n")
    assert head == data.split(b"FRAME\n")[0] and b"60 frames" in out.stderr
    means = [numpy.frombuffer(frame, numpy.uint8).mean() for frame in made]
    assert numpy.abs(numpy.array(means) - [frame[0] for frame in frames]).max() < 1


def test_broken_streams_end_with_what_is_whole(server):
    data = clip("yuv420p", frames=3)
    frame = len(data.split(b"FRAME\n")[1])
    for cut, text in ((data[:-100], b"ends within frame 3"), (data[:-frame - 6] + b"NOISE", b"damaged before frame 3"),
                      (data[:-frame], b"ends within frame 3")):
        result = upscale(cut, server.address, "-s", 1, *FAST, check=1)
        assert result.stdout.count(b"FRAME\n") == 2 and text in result.stderr
        assert len(result.stdout) == len(data) - frame - 6
    for wrong, text in ((b"", b"YUV4MPEG2"), (b"RIFF", b"YUV4MPEG2"),
                        (b"YUV4MPEG2 W8 H8 It\n", b"deinterlace"), (b"YUV4MPEG2 W8 H8 C411\n", b"not supported")):
        result = upscale(wrong, server.address, "-s", 2, check=2)
        assert text in result.stderr and result.stdout == b""
    assert b"image files" in upscale(data, server.address, "-s", 2, "--resume", check=2).stderr


def test_a_pipe_of_ffmpeg_on_both_ends(server, tmp_path):
    out = tmp_path / "out.mkv"
    subprocess.run(
        f"'{FFMPEG}' -loglevel error -f lavfi -i testsrc2=size=64x48:rate=25 -frames:v 4 -pix_fmt yuv420p -f yuv4mpegpipe - |"
        f" '{BIN}/hiif' upscale --y4m - -o - -s 2.25 {' '.join(FAST)} --server {server.address} -q |"
        f" '{FFMPEG}' -loglevel error -f yuv4mpegpipe -i - -c:v ffv1 '{out}'", shell=True, check=True)
    shown = subprocess.run([FFMPEG, "-loglevel", "error", "-i", out, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
                           check=True, capture_output=True).stdout
    assert numpy.frombuffer(shown, numpy.uint8).size == 4 * 144 * 108 * 3


def grey(frames=3):
    """A stream of 16 x 16 grey pixels."""
    return b"YUV4MPEG2 W16 H16 F25:1 Cmono\n" + b"".join(b"FRAME\n" + bytes([100]) * 256 for _ in range(frames))


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    with run_tile_server(tmp_path_factory.mktemp("tiles")) as address:
        yield address


@pytest.fixture
def run(tiles, tmp_path):
    """Runs in a folder with in.y4m; standard error."""
    (tmp_path / "in.y4m").write_bytes(grey())

    def run(output, *flags, source="in.y4m", check=0, **options):
        return hiif("upscale", "--y4m", source, "-o", output, "-s", 2, *flags, "--server", tiles, check=check, cwd=tmp_path,
                    **options).stderr
    return run


def frames_of(path):
    data = path.read_bytes()
    assert data.startswith(b"YUV4MPEG2 W32 H32 ")
    return data.count(b"FRAME\n")


def test_an_output_that_is_there(run, tmp_path):
    out = tmp_path / "out.y4m"
    out.write_bytes(b"mine")
    assert "exists already; --exists" in run("out.y4m", check=1)
    assert "skipped in.y4m: out.y4m is there" in run("out.y4m", "--exists", "skip")
    assert out.read_bytes() == b"mine"
    assert "out-1.y4m: 3 frames" in run("out.y4m", "--exists", "rename")
    assert out.read_bytes() == b"mine" and frames_of(tmp_path / "out-1.y4m") == 3
    run("out.y4m", "--exists", "overwrite")
    assert frames_of(out) == 3
    assert "none of skip" in run("out.y4m", "--exists", "sometimes", check=2)


@pytest.mark.parametrize("name", ["in.y4m", "./in.y4m", "link.y4m", "hard.y4m"])
def test_an_output_that_is_the_input(run, tmp_path, name):
    source = tmp_path / "in.y4m"
    if name == "link.y4m":
        (tmp_path / name).symlink_to("in.y4m")
    elif name == "hard.y4m":
        (tmp_path / name).hardlink_to(source)
    for flags in ((), ("--exists", "skip")):
        assert "is the input itself" in run(name, *flags, check=1)
    assert source.read_bytes() == grey()
    source.write_bytes(grey()[:-1])  # broken, it stays as it was
    assert "stays as it was" in run(name, "--exists", "overwrite", check=1)
    with open(source, "rb") as file:
        assert "stays as it was" in run(name, "--exists", "overwrite", source="-", stdin=file, check=1)
    assert source.read_bytes() == grey()[:-1]
    source.write_bytes(grey())
    run(name, "--exists", "overwrite")
    assert frames_of(source) == 3


def test_a_part_keeps_the_shape_of_its_pixels(run, tmp_path):
    (tmp_path / "in.y4m").write_bytes(b"YUV4MPEG2 W64 H48 F25:1 Ip A1:1 Cmono\nFRAME\n" + bytes(64 * 48))
    run("out.y4m", "--crop", "0,0,16,24")
    assert (tmp_path / "out.y4m").read_bytes().startswith(b"YUV4MPEG2 W32 H48 F25:1 Ip A1:1 Cmono\n")


def test_a_header_alone_takes_no_memory(tiles, tmp_path):
    """Of a gigabyte a frame, and three bytes of it."""
    source = tmp_path / "in.y4m"
    source.write_bytes(b"YUV4MPEG2 W16000 H16000 F25:1 C444p10\nFRAME\nabc")
    measured = ("import resource, subprocess, sys; r = subprocess.run(sys.argv[1:]).returncode; "
                "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(r)")
    ran = subprocess.run([sys.executable, "-c", measured, BIN / "hiif", "upscale", "--y4m", source, "-o",
                          tmp_path / "out.y4m", "-s", "1", "--server", tiles], capture_output=True, text=True, check=False)
    assert ran.returncode == 1 and "ends within frame 1 (3 of 1536000000 bytes)" in ran.stderr
    assert int(ran.stdout) * 1024 < 300e6


def test_a_broken_stream_replaces_nothing_unasked(run, tmp_path):
    (tmp_path / "in.y4m").write_bytes(grey()[:-1])
    out = tmp_path / "out.y4m"
    assert "frames before it are written" in run("out.y4m", check=1)
    assert frames_of(out) == 2
    out.write_bytes(b"mine")
    for flags, code in (((), 1), (("--exists", "skip"), 0), (("--exists", "rename"), 1)):
        run("out.y4m", *flags, check=code)
        assert out.read_bytes() == b"mine"
    assert frames_of(tmp_path / "out-1.y4m") == 2
    run("out.y4m", "--exists", "overwrite", check=1)
    assert frames_of(out) == 2


def test_a_file_that_comes_meanwhile_stays(tiles, tmp_path):
    out = tmp_path / "out.y4m"
    process = subprocess.Popen([BIN / "hiif", "upscale", "--y4m", "-", "-o", out, "-s", "2", "--server", tiles],
                               stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(grey()[:-1])
    process.stdin.flush()
    while not list(tmp_path.glob("*.part")):  # it has looked
        assert process.poll() is None
        time.sleep(0.01)
    out.write_bytes(b"mine")
    _, text = process.communicate()
    assert process.returncode == 1 and b"stays as it was" in text
    assert [path.name for path in tmp_path.iterdir()] == ["out.y4m"] and out.read_bytes() == b"mine"
