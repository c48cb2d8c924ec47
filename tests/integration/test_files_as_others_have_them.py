"""Siblings of the kinds k15 to k28 of docs/formats.md: other refusals, names, links, folders and addresses than those of
test_files_as_they_come.py, which has the fixtures."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from PIL import Image

from processes import BIN, ROOT, hiif, run_server, start, until_signals_are_taken
from test_files_as_they_come import FCHMOD, FSYNC, REFUSE, RENAME, copy, made, picture, tiles, upscale  # noqa: F401

root = pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become somebody else and to mount")
x86 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of system calls are of x86-64")
GETDENTS = 217


@pytest.fixture
def open_folder(tmp_path):
    """Which anybody may enter."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and folder != folder.parent and str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    return tmp_path


@pytest.fixture
def one(tmp_path_factory):
    """A folder of one model, which is ready at once."""
    folder = tmp_path_factory.mktemp("one")
    shutil.copy(ROOT / "models" / "bicubic.safetensors", folder)
    return folder


def as_nobody(*words, **options):
    return subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", BIN / "hiif",
                           *map(str, words)], capture_output=True, text=True, check=False, timeout=60, **options)


def test_k15_names_that_are_too_long_are_found_before_the_work(upscale, picture, tmp_path):
    source = copy(picture, tmp_path / "in" / ("n" * 251 + ".png"))  # 255 bytes
    for more in ((), ("--dry-run",)):
        told = upscale(source, "-o", f"{tmp_path}/out/", *more, check=1).stderr
        assert "longer than the file system takes; --name" in told
    assert not (tmp_path / "out").exists()
    upscale(source, "--name", "{stem}.{ext}", "-o", f"{tmp_path}/out/")
    assert made(tmp_path / "out") == [source.name]
    started = hiif("compare", picture, "--scale", 2, "-o", tmp_path / ("c" * 252 + ".png"), check=1).stderr
    assert "too long" in started


@root
def test_k18_what_cannot_be_looked_at(tiles, picture, open_folder):
    source, out = open_folder / "library", open_folder / "out"
    for name in ("a.png", "closed/b.png", "list/c.png", "secret.png", "noext"):
        copy(picture, source / name)
    (source / "closed").chmod(0o711)
    (source / "list").chmod(0o744)
    (source / "secret.png").chmod(0o600)
    (source / "noext").chmod(0o600)
    (source / "gone.png").symlink_to("nowhere.png")
    (source / "round.png").symlink_to("round.png")
    out.mkdir()
    out.chmod(0o777)
    done = as_nobody("upscale", source, "-r", "-o", f"{out}/", "-s", 2, "--server", tiles)
    assert done.returncode == 1 and made(out) == ["a_x2.png"]
    for name in ("closed", "list/c.png", "secret.png", "noext", "gone.png", "round.png"):
        assert f"{source}/{name}" in done.stderr, (name, done.stderr)
    told = as_nobody("upscale", f"{source}/*/*.png", picture, "-s", 2, "--server", tiles, "--dry-run").stderr
    assert f"{source}/closed: cannot read the folder" in told and f"{source}/list/c.png: cannot open" in told
    assert "no file matches" not in told
    told = as_nobody("upscale", f"{source}/closed/*.png", "-o", f"{out}/", "-s", 2, "--server", tiles).stderr
    assert "Permission denied" in told


@x86
@pytest.mark.parametrize("error", [errno.EIO, errno.ESTALE])
def test_k18_folders_that_fail_while_they_are_read(tiles, picture, tmp_path, error):
    (tmp_path / "in").mkdir()
    done = subprocess.run([sys.executable, "-c", REFUSE, f"{GETDENTS}:{error}", BIN / "hiif", "upscale", tmp_path / "in",
                           picture, "-o", f"{tmp_path}/out/", "-s", "2", "--server", tiles], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 1 and made(tmp_path / "out") == ["picture_x2.png"]
    assert os.strerror(error) in done.stderr


def test_k19_pipes_that_a_shell_names(upscale, picture, tmp_path):
    """Nobody writes into one: given up. Somebody does: read, as late as it may be."""
    source = tmp_path / "in"
    copy(picture, source / "z.png")
    os.mkfifo(source / "a.png")
    os.mkfifo(source / "late.png")
    (source / "link.png").symlink_to("a.png")

    def write():
        with open(source / "late.png", "wb", buffering=0) as pipe:
            for byte in (picture.read_bytes()[:30], picture.read_bytes()[30:]):
                time.sleep(0.3)
                pipe.write(byte)

    writer = threading.Thread(daemon=True, target=write)
    writer.start()
    begun = time.monotonic()
    told = upscale(*sorted(source.iterdir()), "-o", f"{tmp_path}/out/", check=1, timeout=60).stderr
    writer.join()
    assert made(tmp_path / "out") == ["late_x2.png", "z_x2.png"] and time.monotonic() - begun < 40
    assert "a.png: a named pipe that nobody writes into" in told and "2 done, 2 failed" in told


@pytest.mark.parametrize("source", ["pipe.png", "-"])
def test_k19_one_interrupt_ends_a_wait_for_bytes(tiles, tmp_path, source):
    os.mkfifo(tmp_path / "pipe.png")
    read, write = os.pipe()
    process = start([BIN / "hiif", "upscale", source, "-o", "o.png", "-s", "2", "--server", tiles], cwd=tmp_path,
                    stdin=read, stderr=subprocess.PIPE)
    until_signals_are_taken(process)
    time.sleep(0.3)  # and waits
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == 130
    os.close(read)
    os.close(write)


def test_standard_input_that_cannot_be_read(upscale, tmp_path):
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        told = upscale("-", "-o", tmp_path / "o.png", stdin=folder, check=1, timeout=30).stderr
    finally:
        os.close(folder)
    assert "cannot read standard input: Is a directory" in told


@pytest.mark.parametrize("other", ["link", "here"])
def test_k20_hard_links_are_written_through(upscale, picture, tmp_path, other):
    """All names show the new picture, as with cp; smaller than the old one or larger."""
    for before in (b"old", bytes(100_000)):
        first, second = tmp_path / f"first{len(before)}.png", tmp_path / f"second{len(before)}.png"
        first.write_bytes(before)
        os.link(first, second)
        output = second
        if other == "link":
            output = tmp_path / f"symbolic{len(before)}.png"
            output.symlink_to(second)
        upscale(picture, "-o", output, "--exists", "overwrite")
        assert first.samefile(second) and Image.open(first).size == (24, 20)
        assert first.read_bytes().endswith(b"IEND\xaeB\x60\x82")
    hiif("compare", picture, "--scale", 2, "-n", "bicubic", "-o", second)
    assert first.samefile(second) and Image.open(first).size != (24, 20)
    assert not list(tmp_path.glob("*.part"))


@x86
@pytest.mark.parametrize("refused", [[(RENAME, errno.EPERM)], [(RENAME, errno.EXDEV)], [(RENAME, errno.ENOSYS)],
                                     [(FSYNC, errno.EACCES)], [(FCHMOD, errno.EACCES), (RENAME, errno.EBUSY)]])
@pytest.mark.parametrize("there", [False, True])
def test_k21_what_cannot_be_renamed_is_copied(tiles, picture, tmp_path, refused, there):
    out = tmp_path / "out.png"
    if there:
        out.write_bytes(bytes(50_000))
    calls = ",".join(f"{number}:{error}" for number, error in refused)
    done = subprocess.run([sys.executable, "-c", REFUSE, calls, BIN / "hiif", "upscale", picture, "-o", out, "-s", "2",
                           "--exists", "overwrite", "--server", tiles], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Image.open(out).size == (24, 20) and not list(tmp_path.glob("*.part"))


@root
def test_k21_files_that_may_be_written_and_not_replaced(tiles, picture, open_folder):
    """One that is mounted alone, another's in a sticky folder, one in a folder without the right to make files."""
    for name, mode in (("sticky", 0o1777), ("closed", 0o755)):
        target = copy(picture, open_folder / name / "o.png")
        target.chmod(0o666)
        target.parent.chmod(mode)
        done = as_nobody("upscale", picture, "-o", target, "-s", 2, "--exists", "overwrite", "--server", tiles)
        assert done.returncode == 0 and Image.open(target).size == (24, 20), done.stderr
        assert made(target.parent) == ["o.png"]
    assert target.stat().st_mode & 0o777 == 0o666
    target.chmod(0o644)
    done = as_nobody("upscale", picture, "-o", target, "-s", 2, "--exists", "overwrite", "--server", tiles)
    assert done.returncode == 1 and "Permission denied" in done.stderr
    inside, mounted = copy(picture, open_folder / "inside.png"), copy(picture, open_folder / "mount" / "o.png")
    if subprocess.run(["mount", "--bind", inside, mounted], check=False, capture_output=True).returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        hiif("upscale", picture, "-o", mounted, "-s", 2, "--exists", "overwrite", "--server", tiles)
    finally:
        subprocess.run(["umount", mounted], check=True)
    assert Image.open(inside).size == (24, 20) and made(mounted.parent) == ["o.png"]


@pytest.mark.parametrize("name", ["with,comma", "per%25cent", "ha#sh?q", "sp ace", "ü", "x" * 84, "x" * 200])
def test_k23_folders_for_a_socket(tmp_path, one, monkeypatch, name):
    import hiif as hiif_client
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / name
    folder.mkdir()
    assert "bicubic" in hiif("models", "-m", one, env={**os.environ, "TMPDIR": str(folder)}, timeout=60).stdout
    if "," in name:  # parts addresses
        return
    socket = f"unix:{name[:20]}.socket"
    server = subprocess.Popen([BIN / "hiif-server", "--listen", socket, "--management-listen", "", "--model-dir", one],
                              cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        told = hiif("health", "--server", socket, "--connect-timeout", 30, cwd=tmp_path, check=None)
        assert "SERVING" in told.stdout, told  # or NOT_SERVING, while the model is loaded
        with hiif_client.Client(f"unix:{tmp_path / socket[5:]}" if len(str(tmp_path)) < 70 else socket) as client:
            assert client.models()[0].name == "bicubic"
    finally:
        server.kill()
        server.wait()


def test_k24_a_model_that_is_not_there_is_named(picture, one):
    told = hiif("upscale", picture, "-m", one, "-n", "gone", "-s", 2, "-o", one / "o.png", check=3, timeout=60).stderr
    assert "gone" in told and "bicubic: can be named" in told


@pytest.mark.parametrize("host,own", [("[::0]", ("[::1]", "127.0.0.1")), ("[0:0:0:0:0:0:0:1]", ("[::1]",)),
                                      ("[::ffff:127.0.0.1]", ("127.0.0.1",)), ("*", ("127.0.0.1",))])
def test_k28_addresses_of_ipv6_as_they_are_written(tmp_path, one, host, own):
    import requests
    if not os.path.exists("/proc/net/if_inet6") or not open("/proc/net/if_inet6").read():
        pytest.skip("this machine has no IPv6")
    with run_server(tmp_path, "--management-listen", f"{host}:0", "--listen", f"{host}:0", "--insecure-listen",
                    model_dir=one) as server:
        management = server.management.rsplit(":", 1)[1]
        for name in own:
            assert requests.get(f"http://{name}:{management}/livez", timeout=10).ok
            hiif("health", "--server", f"{name}:{server.port}", "--connect-timeout", 10)
        if "127.0.0.1" in own:
            hiif("health", "--server", f"[::ffff:127.0.0.1]:{server.port}", "--connect-timeout", 10,
                 env={**os.environ, "http_proxy": "http://127.0.0.1:9", "HIIF_TOKEN": "of-this-machine"})


def test_what_a_server_says_of_its_models_does_not_reach_the_terminal_raw():
    import grpc
    from concurrent import futures

    from hiif.v1 import super_resolution_pb2 as pb
    from hiif.v1 import super_resolution_pb2_grpc as rpc

    class Stranger(rpc.SuperResolutionServiceServicer):
        def ListModels(self, request, context):
            return pb.ListModelsResponse(models=[pb.Model(name="a\x1b[2J", state=pb.MODEL_STATE_FAILED, device="\x07",
                                                          encoder="\x9b", error="why\nb  ready\x1b]0;")])

    server = grpc.server(futures.ThreadPoolExecutor(2))
    rpc.add_SuperResolutionServiceServicer_to_server(Stranger(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        told = hiif("models", "--server", f"127.0.0.1:{port}").stdout
    finally:
        server.stop(0)
    assert "a\\x1b[2J" in told and "why\\x0ab  ready" in told and not set("\x1b\x07\x9b") & set(told)
