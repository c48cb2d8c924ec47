"""What one output pixel of a very long image costs: the same at x32 as at x1, since tables are of the region and
not of the whole axes. The pixel is the one a larger region gives."""

import pathlib
import time

from common import FOLDER, arguments, assemble, pb, run_server, verdict

import io

import numpy
from PIL import Image


def main():
    options = arguments(__doc__, width=1_000_000, model="edsr-baseline-hiif-fast")
    line = numpy.random.default_rng(1).integers(0, 255, options.width, numpy.uint8)
    raw = pb.ImageSource(raw=pb.RawImage(width=options.width, height=1, channels=1, samples=line.tobytes()))
    out = io.BytesIO()
    Image.fromarray(line[None, :2 * 34464]).save(out, "TIFF", compression="tiff_deflate")
    tiff = pb.ImageSource(encoded=out.getvalue())

    def upscale(image, scale, x, width, height):
        """Pixels, seconds and the rise of the server's peak memory, of a fresh server."""
        with run_server(FOLDER, "--feature-cache-bytes", "0") as server:
            status = pathlib.Path(f"/proc/{server.process.pid}/status")
            before = server.rss()
            start = time.monotonic()
            _, pixels, _ = assemble(server.stub().Upscale(pb.UpscaleRequest(
                image=image, parameters=pb.UpscaleParameters(
                    model=options.model, scale=pb.Scale(rx=scale),
                    region=pb.Region(x=x, y=0, width=width, height=height))), timeout=600))
            seconds = time.monotonic() - start
            peak = int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024
        return pixels, seconds, peak - before

    _, seconds_1, bytes_1 = upscale(raw, 1.0, 0, 1, 1)
    x = 32 * (options.width // 2) + 5
    pixel, seconds, rise = upscale(raw, 32.0, x, 1, 1)
    around, _, _ = upscale(raw, 32.0, x - 300, 600, 32)
    _, seconds_tiff, rise_tiff = upscale(tiff, 32.0, 0, 1, 1)
    same = (pixel[0, 0] == around[0, 300]).all()
    verdict("bounded-region",
            same and seconds <= 1.5 * seconds_1 + 1 and rise <= 1.2 * bytes_1 + 50e6 and
            seconds_tiff <= seconds and rise_tiff <= rise,
            f"{options.width} x 1, region 1 x 1: x32 {seconds:.1f} s, +{rise / 1e6:.0f} MB; x1 {seconds_1:.1f} s, "
            f"+{bytes_1 / 1e6:.0f} MB; TIFF {seconds_tiff:.1f} s, +{rise_tiff / 1e6:.0f} MB; pixel "
            f"{'as' if same else 'NOT as'} in a larger region")


if __name__ == "__main__":
    main()
