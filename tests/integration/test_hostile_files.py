"""Files made to hurt: each costs its own request alone. More of them, with figures: scripts/verify attacks."""

import contextlib
import io
import os
import pathlib
import signal
import struct
import threading
import time
import zlib

import grpc
import pytest
from PIL import Image
from processes import ROOT
from test_metrics import scrape
from test_server_bad_input import png, request

ATTACKS = pathlib.Path(os.environ.get("HIIF_SHARED", ROOT.parent / "shared")) / "attack" / "files"


def decoders(server):
    """Pids of the decoder processes, whichever thread started them."""
    found = []
    for task in pathlib.Path(f"/proc/{server.process.pid}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has ended since
            found += [int(pid) for pid in (task / "children").read_text().split()]
    return found


def served(server, image=None, timeout=30):
    list(server.stub().Upscale(request(image, model="edsr-baseline-hiif-fast"), timeout=timeout))


def bomb(width, height):
    """A PNG of one colour: kilobytes that become width x height pixels."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = zlib.compressobj(9)
    body = b"".join(rows.compress(b"\0" * (1 + width * 3)) for _ in range(height)) + rows.flush()
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", body) + chunk(b"IEND", b""))


@pytest.mark.skipif(not ATTACKS.is_dir(), reason="shared/attack is not here")
@pytest.mark.parametrize("name", ["circle.avif", "overlay.avif", "exif300.tif", "truncated.ppm", "xmp.png"])
def test_files_that_ended_or_filled_the_server(server, name):
    before = server.rss()
    start = time.monotonic()
    try:
        list(server.stub().Upscale(request((ATTACKS / name).read_bytes(), validate_only=True), timeout=60))
    except grpc.RpcError as error:
        assert error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED), error
    assert time.monotonic() - start < 15
    served(server)
    assert server.rss() - before < 200e6


def test_a_decoder_that_dies_costs_one_request_at_most(start_server):
    """None where it is dead before it gets its task: test_decoder_processes.py."""
    server = start_server()
    served(server)
    pids = decoders(server)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)  # as a crash in a codec would
    failures = 0
    for _ in range(8):
        try:
            served(server)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
            failures += 1
    served(server)
    assert server.process.poll() is None
    ends = {reason: scrape(server)[f'hiif_decoders_ended_total{{reason="{reason}"}}'] for reason in ("IDLE", "CRASH")}
    assert ends["CRASH"] == failures and 1 <= sum(ends.values()) <= len(pids), ends


def test_cancelled_decoding_frees_its_worker_at_once(start_server):
    server = start_server("--feature-cache-bytes", "0")
    served(server)
    out = io.BytesIO()
    Image.effect_noise((7000, 7000), 40).convert("RGB").save(out, "WEBP", quality=90)  # seconds to decode
    slow = request(out.getvalue())
    for _ in range(4):
        call = server.stub().Upscale(slow, timeout=0.5)
        with pytest.raises(grpc.RpcError):
            list(call)
    start = time.monotonic()
    served(server)
    assert time.monotonic() - start < 5


def test_no_decoder_is_left_behind(start_server):
    server = start_server()
    served(server)
    pids = decoders(server)
    assert pids
    server.stop()
    end = time.monotonic() + 5
    while any(pathlib.Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(pathlib.Path(f"/proc/{pid}").exists() for pid in pids)


def test_decoders_have_no_files_and_no_privileges(start_server):
    server = start_server()
    served(server)
    for pid in decoders(server):
        status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
        assert status["Seccomp"].strip() == "2"
        assert status["NoNewPrivs"].strip() == "1"
        kinds = {os.readlink(f"/proc/{pid}/fd/{fd}").split(":")[0] for fd in os.listdir(f"/proc/{pid}/fd")}
        assert not any(kind.endswith(".safetensors") for kind in kinds), kinds
        environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
        assert b"HIIF" not in environment and b"HOME" not in environment


def test_decoding_in_the_server_is_one_setting(start_server):
    server = start_server("--decode-isolation", "none")
    served(server)
    assert not decoders(server)


def test_small_requests_beside_bombs(start_server):
    server = start_server("--feature-cache-bytes", "0")
    served(server)
    files = [bomb(6000, 6000), bomb(1, 2_000_000), bomb(7000, 7000)]
    over = threading.Event()

    def attack():
        while not over.is_set():
            for file in files:
                try:
                    list(server.stub().Upscale(request(file, validate_only=True), timeout=10))
                except grpc.RpcError:
                    pass

    threads = [threading.Thread(daemon=True, target=attack) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for i in range(5):
            served(server, png((20 + i, 20)))
    finally:
        over.set()
        for thread in threads:
            thread.join()
