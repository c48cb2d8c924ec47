"""Many clients at once: every result as alone, throughput as alone, small requests soon."""

import random
import statistics
import threading
import time

import numpy

from common import FOLDER, arguments, assemble, picture, request, run_server, verdict

SCALES = [1.3, 1.5, 2, 2.5, 2.7, 3, 3.3, 4, 6, 8]


def mix(count, megapixels):
    """Requests of mixed sizes (64 to 512) and scales (1.3 to 8), about so many megapixels out."""
    rng = random.Random(5)
    requests = []
    while len(requests) < count:
        width, height = rng.randint(64, 512), rng.randint(64, 512)
        scale = rng.choice(SCALES)
        if width * height * scale * scale <= megapixels * 1e6 / count * 2.5:
            requests.append(request(picture(width, height, len(requests)), scale))
    requests[0] = request(picture(64, 64, 0), 8.0)
    requests[1] = request(picture(512, 512, 1), 1.3)
    return requests


def upscale(server, message):
    return assemble(server.stub().Upscale(message, timeout=3600), checksums=False)[1]


def first_tile(server, message):
    start = time.monotonic()
    call = server.stub().Upscale(message, timeout=600)
    for response in call:
        if response.WhichOneof("part") == "tile":
            elapsed = time.monotonic() - start
            break
    list(call)
    return elapsed


def main():
    options = arguments(__doc__, clients=64, megapixels=12.0, small=15, big_scale=8.0)
    with run_server(FOLDER, "--feature-cache-bytes", "0", "--max-queue-time", "1h") as server:
        messages = mix(options.clients, options.megapixels)
        upscale(server, messages[0])
        start = time.monotonic()
        alone = [upscale(server, message) for message in messages]
        alone_s = time.monotonic() - start
        results = [None] * len(messages)

        def work(index):
            results[index] = upscale(server, messages[index])

        threads = [threading.Thread(daemon=True, target=work, args=(i,)) for i in range(len(messages))]
        start = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        together_s = time.monotonic() - start
        same = sum(r is not None and numpy.array_equal(r, a) for r, a in zip(results, alone))
        print(f"{same} of {len(messages)} results identical; alone {alone_s:.1f} s, together "
              f"{together_s:.1f} s for {sum(a.shape[0] * a.shape[1] for a in alone) / 1e6:.1f} Mpx")

        small = [request(picture(64, 64, 1000 + i), 2.0) for i in range(2 * options.small)]
        quiet = statistics.median(first_tile(server, m) for m in small[:options.small])
        big = server.stub().Upscale(request(picture(512, 512, 7), options.big_scale), timeout=7200)
        next(big), next(big)  # header and a tile: decoding is under way
        reader = threading.Thread(target=lambda: drain(big), daemon=True)
        reader.start()
        busy = statistics.median(first_tile(server, m) for m in small[options.small:])
        big.cancel()
        reader.join()
    ratio = alone_s / together_s
    verdict("load-identical", same == len(messages) and ratio >= 0.95 and busy <= 3 * quiet,
            f"{same}/{len(messages)} identical, throughput {ratio:.2f} of one at a time (>= 0.95), "
            f"first tile {busy / quiet:.2f} x ({quiet:.2f} s alone) during a "
            f"{(512 * options.big_scale) ** 2 / 1e6:.1f} Mpx job (<= 3)")


def drain(call):
    import grpc
    try:
        for _ in call:
            pass
    except grpc.RpcError:
        pass  # cancelled at the end


if __name__ == "__main__":
    main()
