"""Draws the Grafana dashboard's panels from a real Prometheus that scraped a real server under a mixed load:
docs/images/dashboard.svg. Each query is the dashboard's own, with its windows shortened to the length of the run."""

import argparse
import contextlib
import html
import io
import math
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import grpc
import numpy
import requests
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "testing"))

from dashboard import expand, panels  # noqa: E402
from processes import make_stubs, run_server  # noqa: E402

COLOURS = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f"]
WIDTH, HEIGHT, GAP = 290, 110, 46
STEP = 2


def picture(side, seed):
    """PNG of a part of the example photograph, another one for each seed."""
    image = Image.open(ROOT / "examples/chelsea.png").convert("RGB")
    x, y = seed * 7 % (image.width - side), seed * 5 % (image.height - side)
    out = io.BytesIO()
    image.crop((x, y, x + side, y + side)).save(out, "PNG")
    return out.getvalue()


def load(server, seconds):
    """Small and middling pictures, some twice; two clients at a time, then six."""
    from hiif.v1 import super_resolution_pb2 as pb
    stop, stub = time.monotonic() + seconds, server.stub()

    def client(number):
        rng = numpy.random.default_rng(number)
        if number >= 2:
            time.sleep(seconds / 3)
        while time.monotonic() < stop:
            side = int(rng.choice([16, 24, 48]))
            request = pb.UpscaleRequest(
                image=pb.ImageSource(encoded=picture(side, int(rng.integers(0, 6)))),
                parameters=pb.UpscaleParameters(scale=pb.Scale(rx=float(rng.uniform(1.5, 4)))))
            # A deadline out of reach is refused, a broken picture is an error: both belong in the picture.
            if rng.random() < 0.05:
                request.image.encoded = b"not a picture"
            with contextlib.suppress(grpc.RpcError):
                for _ in stub.Upscale(request, timeout=60 if rng.random() > 0.1 else 0.2):
                    pass

    threads = [threading.Thread(daemon=True, target=client, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextlib.contextmanager
def prometheus(folder, server):
    """Address of one that scrapes the server each second."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "prometheus.yaml"
    config.write_text("global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: hiif\n"
                      f"  static_configs: [{{targets: ['{server.management[7:]}'], labels: {{instance: server-0}}}}]\n")
    process = subprocess.Popen(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
                                f"--web.listen-address=127.0.0.1:{port}"], stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def series(address, target, begin, end):
    """[(legend, [(time, value)])] of one query."""
    query = expand(target["expr"], "20s")
    answer = requests.get(f"{address}/api/v1/query_range", timeout=30,
                          params={"query": query, "start": begin, "end": end, "step": STEP}).json()
    assert answer["status"] == "success", (query, answer)
    found = []
    for result in answer["data"]["result"]:
        legend = re.sub(r"\{\{ *(\w+) *\}\}", lambda m, r=result: r["metric"].get(m[1], ""),
                        target.get("legendFormat") or "")
        values = [(t, float(v)) for t, v in result["values"] if math.isfinite(float(v))]
        found.append((legend.strip() or "value", values, result["metric"]))
    return found


def short(value):
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def lines(found, x, y, at):
    most = max((v for _, values, _ in found for _, v in values), default=0) or 1
    parts = [f'<text x="{x - 4}" y="{y + 8}" text-anchor="end">{short(most)}</text>'
             f'<text x="{x - 4}" y="{y + HEIGHT}" text-anchor="end">0</text>']
    shown = sorted(found, key=lambda f: -max((v for _, v in f[1]), default=0))
    for number, (legend, values, _) in enumerate(shown):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(f"{x + at(t):.1f},{y + HEIGHT * (1 - v / most):.1f}" for t, v in values)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.3" points="{points}"/>')
        if number < 4:
            parts.append(f'<text x="{x + 4 + number % 2 * WIDTH / 2:.0f}" y="{y + HEIGHT + 13 + number // 2 * 12}" '
                         f'fill="{colour}">{html.escape(legend[:26])}</text>')
    return parts


def draw(address, begin, end):
    rows = math.ceil(len(panels()) / 3)
    size = (3 * (WIDTH + 60) + 10, rows * (HEIGHT + GAP + 12) + 10)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" font-family="sans-serif" '
             f'font-size="10"><rect width="{size[0]}" height="{size[1]}" fill="white"/>']
    for number, panel in enumerate(panels()):
        x, y = 50 + number % 3 * (WIDTH + 60), 20 + number // 3 * (HEIGHT + GAP + 12)
        found = [s for t in panel["targets"] for s in series(address, t, begin, end)]
        assert found, f"no data for {panel['title']}"

        def at(t):
            return (t - begin) / (end - begin) * WIDTH

        parts.append(f'<text x="{x}" y="{y - 5}" font-size="12">{html.escape(panel["title"])}</text>'
                     f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#bbb"/>')
        parts += lines(found, x, y, at)
    return "\n".join(parts) + "\n</svg>\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs/images/dashboard.svg")
    args = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp())
    make_stubs(folder)
    models = folder / "models"
    models.mkdir()
    for name in ("edsr-baseline-hiif", "edsr-baseline-hiif-fast"):
        shutil.copy(ROOT / "models" / f"{name}.safetensors", models)
    with run_server(folder, model_dir=models) as server, prometheus(folder, server) as address:
        time.sleep(4)
        begin = time.time()
        load(server, args.seconds)
        time.sleep(6)
        args.out.write_text(draw(address, begin, time.time()))
    print(args.out)


if __name__ == "__main__":
    main()
