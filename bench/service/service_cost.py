"""What the service adds to the model: decode, copy, protobuf, network of a 2 Mpx-output request to the paper's network."""

import statistics
import time

from common import FOLDER, arguments, picture, request, run_server, verdict

# What the share was promised of; the default model takes a third of its time.
MODEL = "edsr-baseline-hiif"


def main():
    options = arguments(__doc__, times=3, size=364, scale=3.885)  # 1414 x 1414 out
    costs, shares = [], []
    with run_server(FOLDER, "--feature-cache-bytes", "0", "--workers", "1") as server:
        list(server.stub().Upscale(request(picture(64, 64, 1), 2.0, model=MODEL), timeout=120))
        for i in range(options.times):
            message = request(picture(options.size, options.size, i), options.scale, model=MODEL)
            start = time.monotonic()
            for response in server.stub().Upscale(message, timeout=1200):
                pass
            total = time.monotonic() - start
            # One worker: what is not the model's is the service's, waiting for the client included.
            times = response.trailer.times
            cost = total - times.encode - times.context - times.query
            costs.append(cost)
            shares.append(cost / total)
            print(f"{total:.2f} s, of which the model {total - cost:.2f} s, the service {cost:.3f} s")
    cost, share = statistics.median(costs), statistics.median(shares)
    verdict("service-cost", cost <= 0.25 and share <= 0.02,
            f"{cost * 1e3:.0f} ms (<= 250), {share * 100:.2f} % (<= 2) of a 2 Mpx request")


if __name__ == "__main__":
    main()
