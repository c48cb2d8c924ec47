"""Peak memory of a server that makes a large picture, everything included."""

import pathlib
import time

from common import FOLDER, arguments, request, run_server, verdict

import io

import numpy
from PIL import Image


def main():
    options = arguments(__doc__, side=1024, scale=4.0)
    pixels = numpy.random.default_rng(1).integers(0, 255, (options.side, options.side, 3), numpy.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    with run_server(FOLDER) as server:
        status = pathlib.Path(f"/proc/{server.process.pid}/status")
        idle = server.rss()
        start = time.monotonic()
        for response in server.stub().Upscale(request(out.getvalue(), options.scale), timeout=7200):
            pass
        seconds = time.monotonic() - start
        assert response.WhichOneof("part") == "trailer"
        peak = int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024
    megapixels = (options.side * options.scale) ** 2 / 1e6
    verdict("memory-16mpx", peak <= 1.2e9, f"{peak / 1e6:.0f} MB at most (<= 1200) for {megapixels:.1f} Mpx out, "
            f"{idle / 1e6:.0f} MB idle, {seconds:.0f} s")


if __name__ == "__main__":
    main()
