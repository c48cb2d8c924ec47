"""Animations that stay some (--animation): composed, enlarged and timed as Pillow reads input and output."""

import io
import pathlib
import shutil
import signal
import struct
import subprocess
import time

import numpy
import pytest
from PIL import Image, ImageSequence

from processes import BIN, hiif, run_tile_server

FAST = ("-n", "edsr-baseline-hiif-fast")
DURATIONS = [20, 100, 40, 1300, 70]
SIZE = (32, 24)


def picture(step, alpha=False):
    """Smooth, another one each step, with a hole that moves where there is alpha."""
    y, x = numpy.mgrid[0:SIZE[1], 0:SIZE[0]]
    rgb = numpy.stack([x * 6 + 10 * step, y * 8, 200 - 30 * step + 0 * x], -1).clip(0, 255).astype(numpy.uint8)
    if not alpha:
        return Image.fromarray(rgb)
    hole = (abs(x - 6 - 4 * step) < 5) & (abs(y - 12) < 6)
    return Image.fromarray(numpy.dstack([rgb, numpy.where(hole, 0, 255).astype(numpy.uint8)]))


def saved(path, frames, **options):
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    return path


def plays(image):
    """In all, 0 for ever: a GIF counts those after the first."""
    loop = image.info.get("loop")
    if image.format != "GIF":
        return loop
    return 1 if loop is None else loop + 1 if loop else 0


def opened(path):
    """Frames as they are shown (RGBA), durations, plays."""
    with Image.open(path) as image:
        shown = [(numpy.asarray(frame.convert("RGBA")), frame.info.get("duration", 0))
                 for frame in ImageSequence.Iterator(image)]
        return [s for s, _ in shown], [round(d) for _, d in shown], plays(image)


def on_grey(rgba):
    alpha = rgba[..., 3:].astype(float) / 255
    return rgba[..., :3] * alpha + 128 * (1 - alpha)


def same_pictures(small, large, tolerance):
    """Each large one against the small one made as large by Pillow, laid on grey."""
    assert len(small) == len(large)
    for before, after in zip(small, large):
        expected = Image.fromarray(on_grey(before).round().astype(numpy.uint8)).resize(
            (after.shape[1], after.shape[0]), Image.BICUBIC)
        assert numpy.abs(on_grey(after) - numpy.asarray(expected)).mean() < tolerance


@pytest.fixture
def animate(server):
    def run(source, target, *flags, check=0):
        return hiif("upscale", source, "-o", target, "-s", 2, "--animation", "--exists", "overwrite", *FAST, *flags,
                    "--server", server.address, check=check)
    return run


@pytest.mark.parametrize("out", ["webp", "png", "gif"])
@pytest.mark.parametrize("form", ["webp", "png", "gif"])
@pytest.mark.parametrize("alpha", [False, True])
def test_pictures_and_timing_are_kept(animate, tmp_path, form, out, alpha):
    options = {"lossless": True} if form == "webp" else {"disposal": 2} if form == "gif" and alpha else {}
    source = saved(tmp_path / f"in.{form}", [picture(i, alpha) for i in range(5)], duration=DURATIONS, loop=4, **options)
    result = animate(source, tmp_path / f"out.{out}")
    small, durations, loops = opened(source)
    large, durations_out, loops_out = opened(tmp_path / f"out.{out}")
    assert durations == DURATIONS and durations_out == durations and loops_out == loops
    assert large[0].shape == (48, 64, 4)
    same_pictures(small, large, 14 if out == "gif" else 8)
    assert ("256 colours" in result.stderr) == (out == "gif")


def as_ffmpeg_shows(source):
    """Its frames (RGBA). Pillow takes the first frame behind a hidden picture for a later one, which "previous" needs."""
    raw = subprocess.run(["ffmpeg", "-loglevel", "error", "-i", source, "-vsync", "0", "-f", "rawvideo", "-pix_fmt",
                          "rgba", "-"], check=True, capture_output=True).stdout
    return list(numpy.frombuffer(raw, numpy.uint8).reshape(-1, SIZE[1], SIZE[0], 4))


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.parametrize("dispose", [0, 1, 2])
@pytest.mark.parametrize("blend", [0, 1])
@pytest.mark.parametrize("hidden", [False, True])
def test_parts_of_an_apng_are_composed(animate, tmp_path, dispose, blend, hidden):
    """Frames smaller than the canvas, with every disposal and blending; ffmpeg composes them too."""
    frames = [picture(0, alpha=True)]
    for i in range(1, 4):
        frame = frames[-1].copy()
        frame.paste(picture(i, alpha=True).crop((4 * i, 3, 4 * i + 12, 15)), (4 * i, 3))
        frames.append(frame)
    source = saved(tmp_path / "in.png", frames, duration=[30, 60, 90, 120], disposal=dispose, blend=blend,
                   **({"default_image": True} if hidden else {}))
    animate(source, tmp_path / "out.png")
    small = as_ffmpeg_shows(source)
    large, durations, _ = opened(tmp_path / "out.png")
    assert durations == ([30, 60, 90] if hidden else [30, 60, 90, 120])
    same_pictures(small, large, 8)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
@pytest.mark.parametrize("dispose", [0, 1, 2])
@pytest.mark.parametrize("hidden", [False, True])
def test_a_file_of_each_frame_of_an_apng(server, tmp_path, dispose, hidden):
    """Composed, not the first one again and again."""
    frames = [picture(0, alpha=True)]
    for i in range(1, 4):
        frame = frames[-1].copy()
        frame.paste(picture(i, alpha=True).crop((4 * i, 3, 4 * i + 12, 15)), (4 * i, 3))
        frames.append(frame)
    source = saved(tmp_path / "in.png", frames, duration=40, disposal=dispose,
                   **({"default_image": True} if hidden else {}))
    hiif("upscale", source, "--all-frames", "-o", f"{tmp_path}/out/", "-f", "png", "-s", 2, *FAST,
         "--server", server.address)
    small = as_ffmpeg_shows(source)
    large = [numpy.asarray(Image.open(path).convert("RGBA")) for path in sorted((tmp_path / "out").iterdir())]
    same_pictures(small, large, 8)


def test_a_frame_of_no_time_and_playing_once(animate, tmp_path):
    source = saved(tmp_path / "in.webp", [picture(i) for i in range(3)], duration=[0, 50, 0], loop=1, lossless=True)
    for out in ("webp", "png", "gif"):
        animate(source, tmp_path / f"o.{out}")
        _, durations, loops = opened(tmp_path / f"o.{out}")
        assert durations == [0, 50, 0] and loops == 1, out


def test_profile_orientation_and_metadata(animate, tmp_path):
    from PIL import ImageCms
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a described one"
    source = saved(tmp_path / "in.webp", [picture(i) for i in range(3)], duration=40, lossless=True, icc_profile=profile,
                   exif=exif)
    for out in ("webp", "png"):
        animate(source, tmp_path / f"o.{out}")
        with Image.open(tmp_path / f"o.{out}") as image:
            assert image.size == (48, 64) and image.n_frames == 3
            assert image.info["icc_profile"] == profile
            assert image.getexif()[0x010E] == "a described one" and image.getexif().get(0x0112, 1) == 1
    assert "profile" in animate(source, tmp_path / "o.gif").stderr


def test_crops_names_pipes_and_folders(animate, server, tmp_path):
    source = saved(tmp_path / "in.gif", [picture(i) for i in range(3)], duration=50, loop=0)
    animate(source, tmp_path / "crop.webp", "--crop", "4,4,16,8")
    assert opened(tmp_path / "crop.webp")[0][0].shape == (16, 32, 4)
    # Through pipes, where nothing can go back.
    whole = animate(source, tmp_path / "whole.webp") and (tmp_path / "whole.webp").read_bytes()
    for name in ("webp", "png", "gif"):
        piped = subprocess.run([BIN / "hiif", "upscale", "-", "-o", "-", "-f", name, "-s", "2", "--animation", *FAST,
                                "--server", server.address], input=source.read_bytes(), capture_output=True, check=True)
        with Image.open(io.BytesIO(piped.stdout)) as image:
            assert image.n_frames == 3
        assert name != "webp" or piped.stdout == whole
    # A folder of both kinds: a GIF becomes a WebP, stills stay what they are.
    folder = tmp_path / "folder"
    folder.mkdir()
    saved(folder / "a.gif", [picture(i) for i in range(3)], duration=50)
    picture(0).save(folder / "b.png")
    hiif("upscale", folder, "-o", tmp_path / "made", "-s", 2, "--animation", *FAST, "--server", server.address)
    with Image.open(tmp_path / "made" / "a_x2.webp") as image:
        assert image.n_frames == 3
    assert Image.open(tmp_path / "made" / "b_x2.png").size == (64, 48)


def test_what_is_refused(animate, server, tmp_path):
    source = saved(tmp_path / "in.gif", [picture(i) for i in range(3)], duration=50)
    assert "holds no animation" in animate(source, tmp_path / "o.jpg", check=1).stderr
    plain = hiif("upscale", source, "-o", tmp_path / "o.webp", "-s", 2, "--server", server.address, check=1)
    assert "3 frames" in plain.stderr and "--animation" in plain.stderr
    both = hiif("upscale", source, "-o", tmp_path / "o.webp", "--animation", "--all-frames", check=2)
    assert "choose one" in both.stderr
    pages = saved(tmp_path / "in.tif", [picture(i) for i in range(3)])
    assert "--all-frames" in animate(pages, tmp_path / "o.webp", check=1).stderr
    huge = bytearray(saved(tmp_path / "in.webp", [picture(i) for i in range(3)], duration=50).read_bytes())
    huge[24:30] = b"\xfe\x3f\0" * 2
    (tmp_path / "huge.webp").write_bytes(huge)
    assert "megapixels" in animate(tmp_path / "huge.webp", tmp_path / "o.png", check=1).stderr
    assert not list(tmp_path.glob("o*")), "nothing half-written is left"


def test_damage_leaves_nothing(animate, tmp_path):
    source = saved(tmp_path / "in.png", [picture(i) for i in range(4)], duration=50)
    data = bytearray(source.read_bytes())
    at = data.rindex(b"fdAT")
    (length,) = struct.unpack(">I", data[at - 4:at])
    data[at + 8:at + 4 + length] = b"\xff" * (length - 4)
    (tmp_path / "bad.png").write_bytes(data)
    result = animate(tmp_path / "bad.png", tmp_path / "o.webp", check=1)
    assert "frame 4" in result.stderr
    assert not list(tmp_path.glob("o*"))


def test_many_frames_in_flat_memory(tmp_path):
    """What the process takes is that of a few."""
    frames = [Image.new("P", (32, 32)) for _ in range(2)]
    for i, frame in enumerate(frames):
        frame.putpalette([200 * i, 30, 60] * 256)
    source = saved(tmp_path / "in.gif", frames * 150, duration=20, optimize=False)
    with Image.open(source) as image:
        count = image.n_frames
    assert count == 300
    with run_tile_server(tmp_path) as address:
        process = subprocess.Popen([BIN / "hiif", "upscale", source, "-o", tmp_path / "o.png", "-s", "4", "--animation",
                                    "--server", address], stderr=subprocess.DEVNULL)
        most = 0
        while process.poll() is None:
            try:
                status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
                most = max(most, int(status.split("VmHWM:")[1].split()[0]))
            except (OSError, IndexError):  # it has just ended
                pass
            time.sleep(0.01)
    assert process.returncode == 0 and 0 < most < 100 << 10, most
    with Image.open(tmp_path / "o.png") as image:
        assert image.n_frames == count and image.size == (128, 128)


def test_interrupted_it_leaves_nothing(tmp_path):
    source = saved(tmp_path / "in.gif", [picture(i % 7) for i in range(200)], duration=20)
    with run_tile_server(tmp_path, "--tile-delay-ms", "20") as address:
        process = subprocess.Popen([BIN / "hiif", "upscale", source, "-o", tmp_path / "o.webp", "-s", "2", "--animation",
                                    "--server", address], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("o.*.part")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert not list(tmp_path.glob("o.*"))
