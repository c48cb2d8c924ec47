"""PSNR of video that goes through `hiif upscale --y4m - -o - -s 1`, by ffmpeg, in every pixel format."""

import sys

from tools import FOLDER, ROOT, arguments, run_server

sys.path.insert(1, str(ROOT / "tests" / "integration"))
from test_video import FORMATS, clip, psnr, upscale  # noqa: E402

LEAST = 42.0


def main():
    options = arguments(__doc__, frames=5)
    worst = 1e9
    with run_server(FOLDER) as server:
        for pixel_format in FORMATS:
            data = clip(pixel_format, options.frames, "160x120")
            value = psnr(data, upscale(data, server.address, "-s", 1, "-n", "edsr-baseline-hiif-fast").stdout)
            worst = min(worst, value)
            print(f"{pixel_format:12} {value:.1f} dB", flush=True)
    sys.exit(0 if worst >= LEAST else 1)


main()
