"""Cancelling in mid-stream: the worker is free within one tile, queue and memory are as before."""

import time

from common import FOLDER, arguments, metric, picture, request, run_server, verdict, wait_for


def main():
    options = arguments(__doc__, times=20)
    with run_server(FOLDER, "--feature-cache-bytes", "0") as server:
        big = request(picture(256, 256, 3), 16.0)  # 16.8 Mpx
        trailer = list(server.stub().Upscale(request(picture(64, 64, 1), 4.0), timeout=120))[-1].trailer
        tile_s = trailer.times.query  # one tile of 256 x 256, all its strips one after the other
        list(server.stub().Upscale(request(picture(256, 256, 3), 1.0), timeout=120))
        before = server.rss()
        free = []
        for _ in range(options.times):
            call = server.stub().Upscale(big, timeout=3600)
            next(call), next(call)
            start = time.monotonic()
            call.cancel()
            wait_for(lambda: metric(server, "hiif_queue_coordinates") == 0 and
                     metric(server, "hiif_inflight_requests") == 0)
            free.append(time.monotonic() - start)
        after = server.rss()
    verdict("cancel", max(free) <= tile_s + 0.2 and after - before < 64e6,
            f"free again after {max(free):.2f} s at most of {options.times} (a tile takes one core "
            f"{tile_s:.2f} s), memory {(after - before) / 1e6:+.0f} MB, queue empty")


if __name__ == "__main__":
    main()
