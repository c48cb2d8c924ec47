"""The service on this device: mixed clients in batches, memory by metrics and nvidia-smi, no memory, kill and restart."""

import concurrent.futures
import hashlib
import random
import re
import select
import signal
import struct
import subprocess
import sys
import time
import urllib.request
import zlib
from pathlib import Path

from .machine import ROOT
from .ways import every

FACTORS = ("2", "1.5", "3", "2.7")


def _png(path, width, height):
    """A small picture of noise."""
    noise = random.Random(path.name)
    rows = b"".join(b"\0" + noise.randbytes(3 * width) for _ in range(height))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    return path


class Server:
    """A hiif-server of this kit, until stop()."""

    def __init__(self, report, decoder, environment):
        self.report = report
        ports = report.work / "ports"
        ports.unlink(missing_ok=True)
        name = "server-" + re.sub(r"\W+", "-", decoder) + ".log"
        self.log = open(report.work / name, "a", encoding="utf-8")  # pylint: disable=consider-using-with
        start = time.monotonic()
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            report.machine.command("hiif-server", "--listen", "127.0.0.1:0", "--management-listen", "127.0.0.1:0", "--port-file", ports,
                                   "--model-dir", "models", "--device", report.options.device, "--backend", "torch", "--shutdown-delay", "0s",
                                   "--feature-cache-bytes", 0),
            stdout=self.log, stderr=self.log, cwd=ROOT, env=report.machine.environment("hiif-server", **environment))
        while not ports.exists() or len(ports.read_text().split()) < 2:
            if self.process.poll() is not None or report.left() < 5:
                self.process.kill()
                raise RuntimeError("hiif-server does not start: " + Path(self.log.name).read_text(encoding="utf-8").strip()[-300:])
            time.sleep(0.05)
        self.seconds = time.monotonic() - start
        self.port, self.management = ports.read_text().split()[:2]

    def metric(self, name):
        """Sum over its series; None: there is no such."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.management}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        values = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.M)
        return sum(map(float, values)) if values else None

    def upscale(self, picture, factor, out):
        """SHA-256 of the result, or what was said instead."""
        done = self.report.machine.call("hiif", "upscale", picture, "-o", out, "-s", factor, "--exists", "overwrite", "--server",
                                        f"127.0.0.1:{self.port}", timeout=self.report.left())
        if done.returncode != 0:
            return "failed: " + done.stderr.strip()[-200:]
        return hashlib.sha256(Path(out).read_bytes()).hexdigest()

    def stop(self, how=signal.SIGTERM):
        """How it ended; at most 20 s."""
        self.process.send_signal(how)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self.log.close()


def _batches(report, decoder, server):
    """32 clients with pictures and factors of their own, alone and together."""
    count = 4 if report.options.small else 32
    if report.options.small:
        pictures = [_png(report.work / f"picture-{i}.png", 14 + i, 12) for i in range(count)]
    else:
        pictures = sorted((ROOT / "photos").glob("*.jpg"))[:count] or sorted((ROOT / "data").glob("**/*LR.png"))
    work = [(pictures[i % len(pictures)], FACTORS[i % len(FACTORS)], report.work / f"client-{i}.png") for i in range(count)]
    start = time.monotonic()
    alone = [server.upscale(*task) for task in work]
    serial = time.monotonic() - start
    before = [server.metric("hiif_batch_requests_" + what) or 0 for what in ("count", "sum")]
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        together = list(pool.map(lambda task: server.upscale(*task), work))
    seconds = time.monotonic() - start
    runs, requests = (server.metric("hiif_batch_requests_" + what) - was for what, was in zip(("count", "sum"), before))
    same = sum(a == b and not a.startswith("failed") for a, b in zip(alone, together))
    report.row(decoder=decoder, what=f"{count} clients", result=f"{same} of {count} as alone", seconds=seconds, alone_s=serial,
               requests_a_batch=requests / runs if runs else None)
    report.expect(same == count, f"{decoder}: {count - same} of {count} differ or fail: {[x for x in together if x.startswith('failed')][:1]}")
    for task in work:
        task[2].unlink(missing_ok=True)
    return work[0]


def _memory(report, decoder, server):
    by_metric, by_driver = server.metric("hiif_device_memory_used_bytes"), report.machine.card_memory_used()
    report.row(decoder=decoder, what="memory in use", result=f"metrics {by_metric}, nvidia-smi {by_driver}")
    report.expect(by_metric, "the metrics do not tell the device's memory")
    if by_metric and by_driver:
        report.expect(abs(by_metric - by_driver) < 0.1 * by_driver + (256 << 20), "the metrics of memory are not nvidia-smi's")


def _no_memory(report, decoder, server, task):
    """Another process takes the card's memory; the server refuses or makes do, and lives."""
    filler = subprocess.Popen([sys.executable, Path(__file__).with_name("eager.py"), "fill", report.options.device, str(200 << 20)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # pylint: disable=consider-using-with
    try:
        if not select.select([filler.stdout], [], [], min(60, report.left()))[0] or "taken" not in filler.stdout.readline():
            report.note("the card's memory could not be taken by another process")
        full = server.upscale(*task)
    finally:
        filler.kill()
        filler.wait()
    after = server.upscale(*task)
    report.row(decoder=decoder, what="card full", result=full[:60], after=after[:12])
    report.expect(server.process.poll() is None and not after.startswith("failed"), f"{decoder}: after a full card: {after}")


def run(report):
    for decoder, environment in every(report.machine).items():
        if decoder == "layers, own streams":
            continue  # time is short; what streams break they break for both
        report.need(30)
        server = Server(report, decoder, environment)
        try:
            report.row(decoder=decoder, what="start", seconds=server.seconds)
            task = _batches(report, decoder, server)
            if report.machine.cuda:
                _memory(report, decoder, server)
            if report.machine.cuda and report.machine.python_torch:
                _no_memory(report, decoder, server, task)
            expected = server.upscale(*task)
            server.stop(signal.SIGKILL)
            server = Server(report, decoder, environment)
            again = server.upscale(*task)
            report.row(decoder=decoder, what="killed and started again", result="as before" if again == expected else again[:60],
                       seconds=server.seconds)
            report.expect(again == expected and not again.startswith("failed"), f"{decoder}: after a restart: {again}")
            task[2].unlink(missing_ok=True)
        finally:
            code = server.stop()
        report.expect(code == 0, f"{decoder}: SIGTERM ends the server with {code}")
