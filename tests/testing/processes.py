"""Real processes: the server of this build, its command line, and clients generated from the proto."""

import contextlib
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import time

import grpc
import numpy
from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("HIIF_BIN", ROOT / "build" / "release" / "bin"))


def make_stubs(out):
    """The Python package as it is installed, its code for the proto made by an unmodified grpcio-tools, on
    the import path."""
    shutil.copytree(ROOT / "clients" / "python" / "hiif", out / "hiif", dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("v1"))
    code = protoc.main(
        ["protoc", f"-I{ROOT / 'proto'}", f"--python_out={out}", f"--grpc_python_out={out}",
         "hiif/v1/super_resolution.proto"])
    assert code == 0
    sys.path.insert(0, str(out))


class Server:
    """A running hiif-server and how to talk to it."""

    def __init__(self, process, port, management_port, log):
        self.process = process
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self.management = f"http://127.0.0.1:{management_port}"
        self.log = log

    def channel(self, **options):
        return grpc.insecure_channel(self.address, options=list(options.items()))

    def stub(self):
        from hiif.v1 import super_resolution_pb2_grpc as rpc
        return rpc.SuperResolutionServiceStub(self.channel())

    def rss(self):
        """Resident bytes."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def stop(self, sig=signal.SIGTERM, timeout=60):
        self.process.send_signal(sig)
        return self.process.wait(timeout)


@contextlib.contextmanager
def run_server(folder, *flags, model_dir=ROOT / "models", environment=None, ready=True, nofile=None):
    """Starts a server on free ports; ends it at the end of the block. nofile: its limit of descriptors."""
    port_file = folder / f"ports-{time.monotonic_ns()}"
    log = folder / f"{port_file.name}.log"
    command = [BIN / "hiif-server", "--listen", "127.0.0.1:0", "--management-listen", "127.0.0.1:0",
               "--port-file", port_file, "--model-dir", model_dir, "--shutdown-delay", "0s",
               "--log-format", "json", *flags]
    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=out,
                                   env={**os.environ, **(environment or {})})
    if nofile is not None:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (nofile, nofile))
    try:
        deadline = time.monotonic() + 120
        while ready and not port_file.exists():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        ports = port_file.read_text().split() if ready else [0, 0]
        server = Server(process, int(ports[0]), int(ports[1]), log)
        server.http = int(ports[2]) if len(ports) > 2 else 0  # with --http-listen
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def run_tile_server(folder, *flags):
    """Starts a server that streams tiles of any size without a model (tests/testing/tile_server.h); its
    address."""
    port_file = folder / f"tile-port-{time.monotonic_ns()}"
    program = BIN.parent / "tests" / "tile-server"
    process = subprocess.Popen([str(part) for part in (program, "--port-file", port_file, *flags)],
                               stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not port_file.exists() or not port_file.read_text().endswith("\n"):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        yield "127.0.0.1:" + port_file.read_text().strip()
    finally:
        process.kill()
        process.wait()


def hiif(*arguments, check=0, timeout=300, **options):
    """Runs the command line; `check` is the exit code it must have, None any."""
    result = subprocess.run([str(BIN / "hiif"), *map(str, arguments)], capture_output=True, text=True,
                            timeout=timeout, check=False, **options)
    assert check is None or result.returncode == check, (result.returncode, result.stdout,
                                                         result.stderr)
    return result


def start(command, ignored=(), **options):
    """A process, with signals as a terminal gives them, also where these tests ignore some (nohup, a shell's
    background); it ignores those that are named. Without a preexec_fn, whose fork gRPC may abort."""
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(n, signal.SIG_IGN if n in ignored else lambda *_: None) for n in numbers]
    try:
        return subprocess.Popen(command, **options)
    finally:
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)


def until_signals_are_taken(process, numbers=(signal.SIGINT, signal.SIGTERM), seconds=60):
    """Until `hiif` waits for them, which it does once it has begun: they are blocked, and not all are."""
    end = time.monotonic() + seconds
    while process.poll() is None:
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="ascii", errors="replace")
        blocked = int(next(line for line in status.splitlines() if line.startswith("SigBlk:")).split()[1], 16)
        taken = [number for number in (*numbers, signal.SIGUSR1) if blocked >> (number - 1) & 1]
        if taken == list(numbers):
            return
        assert time.monotonic() < end, "hiif has not begun"
        time.sleep(0.02)


def assemble(responses, checksums=True):
    """Header, pixels (NumPy) and trailer of a stream of raw tiles, every checksum compared."""
    header, image, trailer, crc, count = None, None, None, 0, 0
    for response in responses:
        part = response.WhichOneof("part")
        assert response.ByteSize() <= 1 << 20
        if part == "header":
            assert header is None
            header = response.header
            kind = {1: numpy.uint8, 2: numpy.dtype("<u2"), 3: numpy.dtype("<f4")}[header.sample_type]
            image = numpy.zeros((header.region.height, header.region.width, header.channels), kind)
        elif part == "tile":
            tile = response.tile
            assert tile.index == count
            if checksums:
                assert tile.crc32c == crc32c(tile.samples)
                crc = crc32c(tile.samples, crc)
            top, left = tile.y - header.region.y, tile.x - header.region.x
            image[top:top + tile.height, left:left + tile.width] = numpy.frombuffer(
                tile.samples, image.dtype).reshape(tile.height, tile.width, header.channels)
            count += 1
        else:
            trailer = response.trailer
    assert trailer is not None, "a stream without a trailer"
    assert trailer.messages_sent == count
    assert trailer.crc32c == crc or not checksums
    return header, image, trailer


_TABLE = []
for _i in range(256):
    _c = _i
    for _ in range(8):
        _c = (_c >> 1) ^ (0x82F63B78 if _c & 1 else 0)
    _TABLE.append(_c)


def crc32c(data, crc=0):
    """CRC-32C (RFC 3720), byte by byte: independent of the project's own."""
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
