"""Hostile files and connections (tests/testing/hostile.py): what each costs, and what others notice of it."""

import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import threading
import time

import grpc
from common import FOLDER, ROOT, arguments, pb, picture, request, run_server, verdict
from hostile import FLOODS, Flood, files

MODEL = "edsr-baseline-hiif-fast"
MEMORY = 1 << 30
SHARED = pathlib.Path(os.environ.get("HIIF_SHARED", ROOT.parent / "shared")) / "attack" / "files"


def health(port):
    """Child process: health checks over a connection that is there, until its input ends; their seconds."""
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    check = channel.unary_unary("/grpc.health.v1.Health/Check")
    check(b"", timeout=20)
    print("ready", flush=True)
    times = []
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    while not over.is_set():
        start = time.monotonic()
        with contextlib.suppress(grpc.RpcError):
            check(b"", timeout=20)
        times.append(time.monotonic() - start)
        over.wait(0.02)
    print(json.dumps(times))


@contextlib.contextmanager
def watched(server, seen):
    """seen: `health`, the 99th percentile of its checks meanwhile, and `peak`, of resident bytes."""
    probe = subprocess.Popen([sys.executable, __file__, "--probe", str(server.port)], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    assert probe.stdout.readline() == "ready\n"
    over = threading.Event()

    def sample():
        while not over.wait(0.02) and server.process.poll() is None:
            seen["peak"] = max(seen.get("peak", 0), server.rss())
    thread = threading.Thread(daemon=True, target=sample)
    thread.start()
    yield
    time.sleep(0.3)
    over.set()
    thread.join()
    times = sorted(json.loads(probe.communicate()[0]))
    seen["health"] = times[int(len(times) * 0.99)] if times else float("inf")


def small(stub, seed, count=5):
    """Seconds until a small request is answered, the median, over a connection that is there."""
    times = []
    for i in range(count):
        message = request(picture(16, 16, seed * 100 + i), 2.0)
        start = time.monotonic()
        while True:
            try:
                list(stub.Upscale(message, timeout=30))
                break
            except grpc.RpcError:
                assert time.monotonic() - start < 60, "nobody is served any more"
                time.sleep(0.02)
        times.append(time.monotonic() - start)
    return statistics.median(times)


def send(server, data, frame):
    """(status, seconds) of a request for one pixel."""
    start = time.monotonic()
    parameters = {"region": pb.Region(width=1, height=1), **({"frame": frame} if frame else {})}
    try:
        list(server.stub().Upscale(request(data, 2.0, **parameters), timeout=120))
        code = "OK"
    except grpc.RpcError as error:
        code = error.code().name
    return code, time.monotonic() - start


def confine(pid, most):
    """A cgroup of that much memory for the process, its folder; None where none can be made."""
    for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/memory"):
        folder = pathlib.Path(root) / f"hiif-attacks-{pid}"
        limit = "memory.max" if root.endswith("cgroup") else "memory.limit_in_bytes"
        try:
            folder.mkdir()
            if not (folder / limit).exists():  # no file system of cgroups
                raise FileNotFoundError(limit)
            (folder / limit).write_text(str(most))
            (folder / "cgroup.procs").write_text(str(pid))
            return folder
        except OSError:
            remove(folder)
    return None


def remove(folder):
    with contextlib.suppress(OSError):  # not there, or something runs in it yet
        folder.rmdir()


class Attacks:
    def __init__(self, server):
        self.server = server
        self.stub = server.stub()
        small(self.stub, 0)
        self.alone = small(self.stub, 1, 9)
        self.failures = []
        self.count = 0

    def judge(self, name, seen, before, text, bounds):
        """bounds: (figure, most) by name, beside those that hold for every attack."""
        self.count += 1
        after = small(self.stub, 1000 + self.count)
        bounds = {**bounds, "health p99 ms": (seen["health"] * 1e3, 100),
                  "small request after, times alone": (after / self.alone, 2)}
        missed = [f"{key} {value:.2f} (must {most})" for key, (value, most) in bounds.items() if value > most]
        if self.server.process.poll() is not None:
            missed.append("the server ended")
        print(f"{name}: {text}, {(seen['peak'] - before) / 1e6:+.0f} MB, health p99 {seen['health'] * 1e3:.0f} ms, small "
              f"request after {after / self.alone:.2f} of alone{'; MISSED ' + ', '.join(missed) if missed else ''}", flush=True)
        if missed:
            self.failures.append(name)
        self.peak = max(getattr(self, "peak", 0), seen["peak"])

    def file(self, name, data, frame, repeat=20):
        send(self.server, data, frame)
        time.sleep(0.2)
        before, seen = self.server.rss(), {}
        with watched(self.server, seen):
            answers = [send(self.server, data, frame) for _ in range(repeat)]
        code = answers[0][0]
        times = sorted(seconds for _, seconds in answers)
        last = times[-1] if len(times) < 100 else times[int(len(times) * 0.99)]
        bounds = {"MB more": ((seen["peak"] - before) / 1e6, 64)} if code != "OK" else {}
        # Half a second is what a decoder may take over a header before it is killed.
        bounds["s"] = (last, 1.0 if code == "OK" or times[0] > 0.3 else 0.05)
        self.judge(name, seen, before, f"{len(data)} bytes, {code} after {last * 1e3:.0f} ms at most", bounds)

    def flood(self, name, payload, seconds):
        before, seen = self.server.rss(), {}
        with watched(self.server, seen):
            flood = Flood(self.server.port, payload)
            time.sleep(seconds)
            flood.stop()
        self.judge(name, seen, before,
                   f"{flood.sent / 1e6:.0f} MB in {seconds:g} s, closed {flood.closed} times",
                   {"MB more": ((seen["peak"] - before) / 1e6, 64)})


def main():
    options = arguments(__doc__, seconds=10.0, repeat=20, only="")  # --only floods, or part of a name
    flags = ("--default-model", MODEL, "--memory-bytes", MEMORY, "--max-queue-time", "1h")
    with contextlib.ExitStack() as after, run_server(FOLDER, *flags) as server:
        confined = confine(server.process.pid, MEMORY + MEMORY // 10)
        if confined:
            after.callback(remove, confined)
        attacks = Attacks(server)
        print(f"a small request alone takes {attacks.alone * 1e3:.0f} ms; in a cgroup of 1.1 GiB: {bool(confined)}", flush=True)
        for name, (data, frame) in files().items():
            if options.only in name:
                attacks.file(name, data, frame, options.repeat)
        for path in sorted(SHARED.glob("*")):
            if options.only in path.name:
                attacks.file(path.name, path.read_bytes(), 0, max(1, options.repeat // 5))
        for name, make in FLOODS.items():
            if options.only in name or options.only == "floods":
                attacks.flood(name, make(), options.seconds)
        most = attacks.peak / MEMORY
    if most > 1.1:
        attacks.failures.append(f"memory {most:.2f} of --memory-bytes")
    verdict("attacks", not attacks.failures,
            f"{attacks.count} attacks, memory at most {most:.2f} of --memory-bytes, missed: {attacks.failures}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--probe"]:
        health(int(sys.argv[2]))
    else:
        main()
