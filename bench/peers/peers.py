"""hiif-server beside what else can serve an upscaler: the same pictures and factors, one machine, one after the other.

Each peer is a process of its own in an environment of its own (build/venvs/NAME, made by scripts/verify peers), with two threads
and, where it has that, its batching on; what cannot be started is said and left out. What runs the same network must give the
same picture. Figures are kept in build/peers.json, so that --only measures some of them again; the report is of all that are there.
"""

import argparse
import base64
import concurrent.futures
import contextlib
import http.client
import io
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "service"))
from common import FOLDER, ROOT, picture, run_server, verdict  # noqa: E402

MODEL = "edsr-baseline-hiif"
OURS = {  # name: (what it is, model, flags)
    "hiif": (f"hiif-server, {MODEL}", MODEL, ()),
    "hiif-float32": (f"hiif-server, {MODEL}, float32", MODEL, ("--precision", "float32")),
    "hiif-fast": (f"hiif-server, {MODEL}-fast", f"{MODEL}-fast", ()),
}
PEERS = {  # name: (what it is, environment, command of serve.py)
    "litserve": ("PyTorch HIIF, LitServe", "litserve", "litserve"),
    "bentoml": ("PyTorch HIIF, BentoML", "bentoml", "bentoml"),
    "ray": ("PyTorch HIIF, Ray Serve", "ray", "ray"),
    "onnxruntime": ("exported HIIF, onnxruntime", None, "onnxruntime"),
    "ncnn": ("realesrgan-ncnn, animevideov3", "ncnn", "ncnn"),
    "pillow": ("Pillow's Lanczos (no network)", None, "pillow"),
}
OTHER_NETWORKS = ("hiif-fast", "ncnn", "pillow")
SCALES = (2.0, 2.7, 3.3, 4.0)
CLIENTS = (1, 8, 64)
VENVS = ROOT / "build" / "venvs"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def post(port, name, body, scale):
    """(seconds to the first bytes of pixels, seconds to the last one, the answer)."""
    path, headers = f"/?scale={scale}", {}
    one = {"image": base64.b64encode(body).decode(), "scale": scale}
    if name.startswith("litserve"):
        path, headers, body = "/predict", {"Content-Type": "application/json"}, json.dumps(one)
    elif name == "bentoml":
        path, headers, body = "/upscale", {"Content-Type": "application/json"}, json.dumps({"requests": [one]})
    elif name in OURS:
        path = f"/v1/upscale?scale={scale}"
    begin = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    with contextlib.closing(connection):
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        assert response.status == 200, (name, response.status, response.read()[:300])
        answer = response.read(2000)  # more than a header
        first = time.monotonic() - begin
        answer += response.read()
    return first, time.monotonic() - begin, answer


def pixels_of(name, answer):
    if name.startswith("litserve"):
        answer = base64.b64decode(json.loads(answer)["image"])
    elif name == "bentoml":
        answer = base64.b64decode(json.loads(answer)[0])
    return numpy.asarray(Image.open(io.BytesIO(answer)).convert("RGB")).astype(int)


def check(name, answer, side):
    """The same network gives the same picture, but for what bfloat16 rounds."""
    pixels = pixels_of(name, answer)
    assert pixels.shape == (side, side, 3), pixels.shape
    reference = ROOT / "build" / "peers-reference.npy"
    if name == "hiif":
        numpy.save(reference, pixels)
    elif name not in OTHER_NETWORKS and reference.exists():
        apart = numpy.abs(pixels - numpy.load(reference))
        assert apart.mean() < 0.5 and apart.max() < 16, f"another picture: {apart.mean():.2f} levels apart, {apart.max()} at most"


def tree(pid):
    """{pid: fields of /proc/PID/stat behind the name} of a process and its descendants."""
    facts = {}
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            facts[int(entry.name)] = (entry / "stat").read_text().rsplit(")", 1)[1].split()
    found, grown = {pid}, True
    while grown:
        more = {one for one, fact in facts.items() if int(fact[1]) in found} - found
        found, grown = found | more, bool(more)
    return {one: facts[one] for one in found if one in facts}


def cpu_seconds(pid):
    """Of a process and its descendants, those that are over included."""
    return sum(int(ticks) for fact in tree(pid).values() for ticks in fact[11:15]) / os.sysconf("SC_CLK_TCK")


class Memory:
    """The most that a process and its descendants hold, in bytes (shared pages once: PSS), looked at twice a second."""

    def __init__(self, pid):
        self.pid, self.peak, self.over = pid, 0, threading.Event()
        self.thread = threading.Thread(daemon=True, target=self.watch)
        self.thread.start()

    def watch(self):
        while not self.over.wait(0.5):
            self.peak = max(self.peak, self.now())

    def now(self):
        total = 0
        for pid in tree(self.pid):
            with contextlib.suppress(OSError, IndexError):
                total += int(pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().split("Pss:")[1].split()[0]) * 1024
        return total

    def stop(self):
        self.over.set()
        self.thread.join()
        return self.peak


def load(port, pid, name, clients, requests, size):
    jobs = [(picture(size, size, seed), random.Random(seed).choice(SCALES)) for seed in range(requests)]
    pixels = sum(int(size * scale + 0.5) ** 2 for _, scale in jobs)
    before, begin = cpu_seconds(pid), time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        seconds = sorted(total for _, total, _ in pool.map(lambda job: post(port, name, *job), jobs))
    speed = pixels / (time.monotonic() - begin)
    return {"speed": speed, "cpu": (cpu_seconds(pid) - before) / pixels * 1e6, "p50": seconds[len(seconds) // 2],
            "p99": seconds[min(len(seconds) - 1, int(0.99 * len(seconds)))]}


def measure(port, pid, name, options):
    memory = Memory(pid)
    check(name, post(port, name, picture(options.size, options.size, 999), 2.0)[2], 2 * options.size)
    figures = {str(c): load(port, pid, name, c, max(options.least, c), options.size) for c in CLIENTS}
    figures["first"], figures["whole"], _ = post(port, name, picture(options.large, options.large, 7), 4.0)
    figures["memory"] = memory.stop()
    return figures


@contextlib.contextmanager
def ours(name):
    _, model, flags = OURS[name]
    models = FOLDER / f"{name}-models"  # of the one: the others need not be warmed up
    models.mkdir()
    shutil.copy(ROOT / "models" / f"{model}.safetensors", models)
    with run_server(FOLDER, "--http-listen", "127.0.0.1:0", "--feature-cache-bytes", "0", *flags, model_dir=models) as server:
        yield server.http, server.process.pid


@contextlib.contextmanager
def peer(name):
    _, environment, command = PEERS[name]
    python = VENVS / environment / "bin" / "python" if environment else sys.executable
    port = free_port()
    log = FOLDER / f"{name}.log"
    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen([str(python), str(pathlib.Path(__file__).with_name("serve.py")), command, str(port)],
                                   stdout=out, stderr=out, start_new_session=True,
                                   env={**os.environ, "BENTOML_DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "2",
                                        "RAY_raylet_start_wait_time_s": "240", "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "240",
                                        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120",
                                        "PYTHONPATH": str(FOLDER), "LD_LIBRARY_PATH": str(VENVS / "lib")})
    try:
        end = time.monotonic() + 420
        while True:
            assert process.poll() is None, f"it ended: {log.read_text()[-300:]}"
            assert time.monotonic() < end, f"it does not answer: {log.read_text()[-300:]}"
            try:
                post(port, name, picture(16, 16, 1), 2.0)
                break
            except (OSError, http.client.HTTPException, AssertionError):
                time.sleep(0.5)
        yield port, process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def table(results):
    lines = ["| | pixels/s with 1, 8, 64 clients | CPU s a Mpx | p50 / p99 of 8, ms | of 64, s | first pixel / whole, s | memory, MB |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for name, f in results.items():
        speeds = ", ".join(f"{f[str(c)]['speed']:,.0f}" for c in CLIENTS)
        lines.append(f"| {f['what']} | {speeds} | {f['8']['cpu']:.1f} | {f['8']['p50'] * 1e3:.0f} / {f['8']['p99'] * 1e3:.0f} | "
                     f"{f['64']['p50']:.1f} / {f['64']['p99']:.1f} | {f['first']:.2f} / {f['whole']:.2f} | {f['memory'] / 1e6:.0f} |")
    return "\n".join(lines)


def chart(results):
    """Pixels a second with 8 clients, as bars (SVG)."""
    most = max(f["8"]["speed"] for name, f in results.items() if name != "pillow")
    rows = []
    for i, (name, f) in enumerate((n, f) for n, f in results.items() if n != "pillow"):
        width, y = 340 * f["8"]["speed"] / most, 40 + 26 * i
        rows.append(f'<text x="250" y="{y + 13}" text-anchor="end">{f["what"]}</text><rect x="258" y="{y}" width="{width:.1f}" '
                    f'height="18" fill="{"#c33" if name in OURS else "#999"}"/><text x="{264 + width:.1f}" y="{y + 13}">'
                    f'{f["8"]["speed"] / 1e3:,.0f}</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 {60 + 26 * len(rows)}" font-family="sans-serif" font-size="12">'
            '<rect width="100%" height="100%" fill="white"/><text x="258" y="24" font-weight="bold">thousand output pixels a second, '
            "8 clients, two cores</text>\n" + "\n".join(rows) + "\n</svg>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=32, help="side of the pictures")
    parser.add_argument("--large", type=int, default=128, help="side of the one for the first pixel and memory, x4")
    parser.add_argument("--least", type=int, default=32, help="requests of each load, or one a client")
    parser.add_argument("--only", default="", help="names, by commas")
    parser.add_argument("--svg", type=pathlib.Path, help="write the picture here")
    options = parser.parse_args()
    kept = ROOT / "build" / "peers.json"
    results = json.loads(kept.read_text()) if options.only and kept.exists() else {}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # its peers end with it
    for name in options.only.split(",") if options.only else [*OURS, *PEERS]:
        results.pop(name, None)
        begin = time.monotonic()
        try:
            with (ours if name in OURS else peer)(name) as (port, pid):
                results[name] = {"what": {**OURS, **PEERS}[name][0], **measure(port, pid, name, options)}
            print(f"{name}: measured in {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
        except (AssertionError, OSError, ValueError, http.client.HTTPException) as error:
            print(f"{name}: left out: {error}", file=sys.stderr, flush=True)
        kept.write_text(json.dumps(results))
    results = {name: results[name] for name in (*OURS, *PEERS) if name in results}
    print(table(results))
    if options.svg:
        options.svg.write_text(chart(results), encoding="utf-8")
    same = [name for name in PEERS if name not in OTHER_NETWORKS]
    missing = [name for name in ("hiif", *same) if name not in results]
    if missing:
        verdict("peers", False, "did not run: " + ", ".join(missing))
    best = max(same, key=lambda name: results[name]["8"]["speed"])
    ratio = results["hiif"]["8"]["speed"] / results[best]["8"]["speed"]
    verdict("peers", ratio >= 1, f"with 8 clients {ratio:.1f} x the best server of the same network ({best}); "
            f"{len(results)} of {len(OURS) + len(PEERS)} ran: {', '.join(results)}")


if __name__ == "__main__":
    main()
