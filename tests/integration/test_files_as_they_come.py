"""Files, names, links, pipes, file systems and surroundings as people have them: kinds k15 to k27 of docs/formats.md.
With a server that streams tiles without a model."""

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import threading

import numpy
import pytest
from PIL import Image

from processes import BIN, ROOT, hiif, run_server, run_tile_server


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    with run_tile_server(tmp_path_factory.mktemp("tiles")) as address:
        yield address


@pytest.fixture
def upscale(tiles):
    def run(*words, **options):
        return hiif("upscale", *words, "-s", 2, "--server", tiles, **options)
    return run


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Image.new("RGB", (12, 10), (200, 100, 50)).save(path)
    return path


def copy(picture, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture.read_bytes())
    return path


def made(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["写" * 78, "n" * 247, "é" * 123])
def test_k15_names_almost_as_long_as_names_may_be(upscale, picture, tmp_path, name):
    source = copy(picture, tmp_path / "in" / f"{name}.png")
    upscale(source, "--name", "{stem}.{ext}", "-o", f"{tmp_path}/out/")
    assert made(tmp_path / "out") == [f"{name}.png"]


def test_k16_names_with_an_at_sign(upscale, picture, tmp_path):
    copy(picture, tmp_path / "a.png")
    copy(picture, tmp_path / "@home.png")
    copy(picture, tmp_path / "@eaDir" / "thumb.png")
    upscale("a.png", "@eaDir", "@home.png", "-o", "out/", cwd=tmp_path)
    assert made(tmp_path / "out") == ["@home_x2.png", "a_x2.png"]
    upscale("@home.png", "-o", "one.png", cwd=tmp_path)
    assert (tmp_path / "one.png").exists()
    upscale(".", "-r", "-o", "all/", cwd=tmp_path, check=None)
    assert "@eaDir/thumb_x2.png" not in made(tmp_path / "all")


def test_k17_lists_of_names(upscale, picture, tmp_path):
    listed = tmp_path / "list"
    listed.write_bytes(b"\xef\xbb\xbf" + f"{picture}\r\n{tmp_path}/gone[1].png\n{tmp_path}/no*.png\n".encode())
    result = upscale(f"@{listed}", "-o", f"{tmp_path}/out/", check=1)
    assert made(tmp_path / "out") == ["picture_x2.png"] and "gone[1].png" in result.stderr
    assert "1 done, 2 failed" in result.stderr
    listed.write_bytes(f"{picture}\n".encode("utf-16"))
    assert "UTF-16" in upscale(f"@{listed}", picture, "-o", f"{tmp_path}/out2/", check=1).stderr
    assert made(tmp_path / "out2") == ["picture_x2.png"]


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become somebody else")
def test_k18_folders_that_cannot_be_read(tiles, picture, tmp_path):
    source = tmp_path / "library"
    copy(picture, source / "a.png")
    for name in ("lost+found", "private"):
        copy(picture, source / name / "b.png")
        (source / name).chmod(0o700)
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o777)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and folder != folder.parent and str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    result = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", BIN / "hiif", "upscale",
                             source, "-r", "-o", f"{out}/", "-s", "2", "--server", tiles], capture_output=True,
                            text=True, check=False)
    assert made(out) == ["a_x2.png"], result.stderr
    assert result.returncode == 1 and "private" in result.stderr and "lost+found" not in result.stderr


def test_k19_what_is_no_file_in_a_folder(upscale, picture, tmp_path):
    source = tmp_path / "in"
    copy(picture, source / "z.png")
    os.mkfifo(source / "a.png")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(source / "b.png"))
        upscale(source, "-o", f"{tmp_path}/out/", timeout=30)
        upscale(f"{source}/*.png", "-o", f"{tmp_path}/out2/", timeout=30)
    assert made(tmp_path / "out") == made(tmp_path / "out2") == ["z_x2.png"]


def test_pictures_are_found_by_their_first_bytes(upscale, picture, tmp_path):
    source = tmp_path / "in"
    for name in ("a", "b.HIF", "c.apng", "d.mpo.bak"):
        copy(picture, source / name)
    (source / "notes").write_text("P is a letter")
    upscale(source, "-o", f"{tmp_path}/out/")
    assert made(tmp_path / "out") == ["a_x2.png", "b_x2.png", "c_x2.apng", "d.mpo_x2.png"]


def test_what_is_no_picture_is_not_read_to_its_end(upscale, picture, tmp_path):
    """A device without an end, a film of half a terabyte: known by their beginnings."""
    film = tmp_path / "film.png"
    with open(film, "wb") as file:
        file.truncate(1 << 39)
    for source in ("/dev/zero", film):
        assert "not an image" in upscale(source, "-o", tmp_path / "o.png", check=1, timeout=60).stderr
    with open("/dev/zero", "rb") as endless:
        assert "not an image" in upscale("-", "-o", tmp_path / "o.png", check=1, timeout=60, stdin=endless).stderr
    shutil.copy(picture, film)
    os.truncate(film, 1 << 39)  # begins as one
    assert "above 8 GiB" in upscale(film, "-o", tmp_path / "o.png", check=1, timeout=60).stderr
    assert "empty" in upscale("/dev/null", "-o", tmp_path / "o.png", check=1).stderr


@pytest.mark.parametrize("command", [("query", "0,0"), ("compare", "--scale", "2", "-o", "o.png"), ("bench",)],
                         ids=lambda words: words[0])
def test_nor_by_other_commands(tiles, tmp_path, command):
    done = hiif(command[0], "/dev/zero", *command[1:], "--server", tiles, check=None, timeout=60, cwd=tmp_path)
    assert done.returncode not in (0, -6, -9, -11) and "/dev/zero: not an image" in done.stderr, done
    assert not (tmp_path / "o.png").exists()


@pytest.mark.parametrize("command", [("upscale", "-o", "o.png"), ("upscale", "-o", "o.png", "--log-format", "json"),
                                     ("query", "0,0"), ("compare", "-o", "o.png"), ("bench",)], ids=lambda words: words[0])
def test_messages_name_a_file_once(tiles, tmp_path, picture, command):
    wrong = {"short.txt": b"short", "long.txt": b"no picture at all " * 20, "head.png": picture.read_bytes()[:20],
             "cut.jpg": b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(100), "gone.png": None}
    for name, data in wrong.items():
        if data is not None:
            (tmp_path / name).write_bytes(data)
        if command[0] == "bench" and data is not None and name != "long.txt":
            continue  # sends whatever looks like a picture
        done = hiif(command[0], name, *command[1:], "--server", tiles, check=None, timeout=60, cwd=tmp_path)
        first = done.stderr.splitlines()[0]
        assert done.returncode in (1, 2) and first.count(name) == 1, (command, first)
    text = hiif("upscale", "@gone.txt", "-o", "out/", "--server", tiles, check=2, cwd=tmp_path).stderr
    assert "@gone.txt: cannot open: No such file" in text, text


def test_a_token_without_an_end_is_refused(tiles, picture, tmp_path):
    done = hiif("upscale", picture, "-o", tmp_path / "o.png", "--server", tiles, "--token-file", "/dev/zero", check=None,
                timeout=60)
    assert done.returncode != 0 and "/dev/zero: longer than" in done.stderr, done


def test_k20_links_pipes_and_devices(upscale, picture, tmp_path):
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "x.png"
    link = tmp_path / "link.png"
    link.symlink_to("real/x.png")
    for _ in range(2):  # dangling, then not
        upscale(picture, "-o", link, "--exists", "overwrite")
        assert link.is_symlink() and Image.open(target).size == (24, 20)
    target.chmod(0o600)
    upscale(picture, "-o", target, "--exists", "overwrite")
    assert target.stat().st_mode & 0o777 == 0o600
    assert made(tmp_path / "real") == ["x.png"]
    loop = tmp_path / "loop.png"
    loop.symlink_to("loop.png")
    assert "links" in upscale(picture, "-o", loop, check=1).stderr

    pipe = tmp_path / "pipe.tif"
    os.mkfifo(pipe)
    received = []
    reader = threading.Thread(daemon=True, target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    upscale(picture, "-o", pipe)
    reader.join(20)
    assert received[0].startswith(b"II") and pipe.is_fifo()
    upscale(picture, "-o", "/dev/null", "-f", "png")
    assert "No space" in upscale(picture, "-o", "/dev/full", "-f", "png", check=1).stderr


REFUSE = r"""
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
class Filter(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32)]
class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_uint16), ("filter", ctypes.POINTER(Filter))]
calls = [(int(a), int(b)) for a, b in (word.split(":") for word in sys.argv[1].split(","))]
steps = [(0x20, 0, 0, 0)]
for number, error in calls:
    steps += [(0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | error)]
steps.append((0x06, 0, 0, 0x7FFF0000))
program = Program(len(steps), (Filter * len(steps))(*[Filter(*step) for step in steps]))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0
os.execv(sys.argv[2], sys.argv[2:])
"""
FCHMOD, FSYNC, RENAME = 91, 74, 82  # x86-64


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of system calls are of x86-64")
@pytest.mark.parametrize("refused,fails", [
    ([(FCHMOD, errno.EPERM)], False), ([(FCHMOD, errno.ENOTSUP)], False), ([(FSYNC, errno.EINVAL)], False),
    ([(FSYNC, errno.ENOSYS), (FCHMOD, errno.EROFS)], False), ([(FSYNC, errno.EIO)], True)])
def test_k21_file_systems_that_refuse(tiles, picture, tmp_path, refused, fails):
    out = tmp_path / "out.png"
    calls = ",".join(f"{number}:{error}" for number, error in refused)
    result = subprocess.run([sys.executable, "-c", REFUSE, calls, BIN / "hiif", "upscale", picture, "-o", out, "-s", "2",
                             "--server", tiles], capture_output=True, text=True, check=False)
    assert result.returncode == (1 if fails else 0), result.stderr
    assert out.exists() != fails


def test_k22_an_input_cut_while_it_is_used(tmp_path):
    """Read as it is at first; whatever happens to it later ends no run."""
    big = tmp_path / "big.tif"
    Image.fromarray(numpy.random.default_rng(1).integers(0, 256, (1800, 1800, 3), numpy.uint8)).save(big)
    with run_tile_server(tmp_path, "--tile-delay-ms", "700") as address:
        process = subprocess.Popen([BIN / "hiif", "upscale", big, "-o", tmp_path / "o.png", "-s", "1", "--crop",
                                    "0,0,600,600", "--server", address], stderr=subprocess.PIPE, text=True)
        for _ in range(4):
            os.truncate(big, max(big.stat().st_size // 3, 1))
            try:
                process.wait(0.4)
            except subprocess.TimeoutExpired:
                pass
        assert process.wait(60) in (0, 1), process.stderr.read()


def test_k23_a_long_tmpdir(picture, tmp_path):
    folder = tmp_path / "/".join(["job-0123456789abcdef"] * 6)
    folder.mkdir(parents=True)
    hiif("models", env={**os.environ, "TMPDIR": str(folder)})


def test_k24_a_folder_without_the_default_model(picture, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    assert "no *.safetensors" in hiif("models", "-m", own, check=3, timeout=60).stderr
    shutil.copy(ROOT / "models" / "edsr-baseline-hiif-fast.safetensors", own / "mine.safetensors")
    assert "mine" in hiif("models", "-m", own, timeout=60).stdout
    (own / "mine.safetensors").unlink()
    (own / "broken.safetensors").write_bytes(b"no tensors")
    result = hiif("models", "-m", own, check=3, timeout=60)
    assert "broken" in result.stderr


def test_k25_settings_of_a_service_in_the_environment(picture, tmp_path):
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({"tokens": [{"name": "a", "token": "secret-secret-secret"}]}))
    environment = {**os.environ, "HIIF_TOKEN_FILE": str(tokens), "HIIF_LISTEN": "0.0.0.0:1", "HIIF_TLS_CERT": "none",
                   "HIIF_DEFAULT_MODEL": "none"}
    hiif("upscale", picture, "-o", tmp_path / "o.png", "-s", 2, "-n", "edsr-baseline-hiif-fast", env=environment)


def test_k26_proxies_are_not_for_this_machine(tiles, tmp_path):
    environment = {**os.environ, "http_proxy": "http://127.0.0.1:9", "no_proxy": "", "NO_PROXY": ""}
    port = tiles.rsplit(":", 1)[1]
    for address in (tiles, f"localhost:{port}"):
        hiif("health", "--server", address, "--connect-timeout", 3, env=environment)
    away = hiif("health", "--server", "192.0.2.1:1", "--connect-timeout", 1, env=environment, check=3)
    assert "http_proxy=http://127.0.0.1:9" in away.stderr
    code = f"import hiif; print(len(hiif.Client('{tiles}', attempts=1).models(timeout=10)))"
    subprocess.run([sys.executable, "-c", code], env={**environment, "PYTHONPATH": ":".join(sys.path)}, check=True)


def test_k27_addresses_as_people_write_them(tiles):
    import hiif as client
    for address in (f"http://{tiles}", f"http://{tiles}/", f"dns:///{tiles}", f"ipv4:{tiles}"):
        hiif("health", "--server", address, "--connect-timeout", 3)
    with client.Client(f"http://{tiles}") as python:
        assert python.models()
    for address, text in ((f"http://{tiles}/v1", "path"), ("localhost", "host:port"), ("::1", "host:port"),
                          (f"{tiles}0000", "host:port"), ("ftp://localhost:1", "host:port")):
        assert text in hiif("health", "--server", address, check=2).stderr


@pytest.mark.parametrize("address", ["127.evil.example:1", "127.0.0.1.example:1", "localhost.example:1",
                                     "10.0.0.1:1", "dns:///127.evil.example:1"])
def test_a_token_is_for_loopback_numbers_not_for_names_like_them(address):
    result = hiif("health", "--server", address, check=2, env={**os.environ, "HIIF_TOKEN": "secret"})
    assert "clear text" in result.stderr


def test_names_with_control_bytes_do_not_reach_the_terminal(upscale, picture, tmp_path):
    source = copy(picture, tmp_path / "in" / "a\x1b[2J\nfake  done\u009b.png")
    result = upscale(source, "-o", f"{tmp_path}/out/")
    assert "\x1b" not in result.stderr and "\u009b" not in result.stderr and "\\x1b[2J\\x0afake" in result.stderr
    gone = upscale(tmp_path / "gone\x07.png", picture, "-o", f"{tmp_path}/out2/", check=1)
    assert "\x07" not in gone.stderr


def test_k28_the_management_port_on_ipv6(tmp_path):
    import requests
    if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6") or not open("/proc/net/if_inet6").read():
        pytest.skip("this machine has no IPv6")
    for host in ("[::1]", "[::]"):
        with run_server(tmp_path, "--management-listen", f"{host}:0") as server:
            port = server.management.rsplit(":", 1)[1]
            for own in ("[::1]",) if host == "[::1]" else ("[::1]", "127.0.0.1"):
                for _ in range(40):  # more than are relayed at a time
                    assert requests.get(f"http://{own}:{port}/livez", timeout=10).ok
                assert "hiif_" in requests.get(f"http://{own}:{port}/metrics", timeout=10).text
            if host == "[::1]":
                continue  # the same relay: once is enough for ten seconds
            idle = [socket.create_connection(("::1", int(port))) for _ in range(20)]
            assert requests.get(f"http://[::1]:{port}/livez", timeout=20).ok
            for connection in idle:
                connection.close()
