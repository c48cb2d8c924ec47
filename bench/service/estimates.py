"""What a server says a request will take, against what it takes; and six people at once.

On a fresh server, which knows its warm-up alone, for each model, factor and size: the first request (within 2 x), one
after it and one beside another that began just before (1.5 x). Then --people requests of 1 Mpx x4, --apart seconds
apart, with default settings: all must be served.

The whole takes hours on two cores, 4 Mpx x4 alone ten minutes a request. Short forms leave sizes out, not kinds:
--sizes 0.04 --people 0 (3 minutes); --models edsr-baseline-hiif-fast --sizes 1 --scales 2 --people 0 (2 minutes)."""

import threading
import time

import grpc
from common import FOLDER, ROOT, arguments, picture_of, request, run_server, verdict

MEGAPIXELS = {"0.04": 200, "0.25": 512, "1": 1024, "4": 2048}  # side of a square image


class Request(threading.Thread):
    """One request, and the factor between the seconds that its header promised and those that it took."""

    def __init__(self, server, model, side, scale, seed):
        super().__init__()
        self.message = request(picture_of(side, side, seed), scale, model=model)
        self.stub = server.stub()
        self.promised = self.took = 0.0
        self.begun = threading.Event()

    def run(self):
        start = time.monotonic()
        call = self.stub.Upscale(self.message, timeout=7200)
        self.promised = next(call).header.estimated_seconds
        self.begun.set()
        for _ in call:
            pass
        self.took = time.monotonic() - start

    def factor(self):
        return max(self.promised / self.took, self.took / self.promised) if self.took else float("inf")


def three_requests(model, side, scale):
    """Of a fresh server: the first, one that follows it, and one beside another."""
    with run_server(FOLDER, "--default-model", model, "--max-receive-bytes", "256MiB") as server:
        first, second, other, beside = (Request(server, model, side, scale, seed) for seed in range(1, 5))
        for alone in (first, second):
            alone.start()
            alone.join()
        other.start()
        other.begun.wait(600)
        beside.start()
        beside.join()
        other.join()
        return first, second, beside


def people(count, apart, side):
    """Outcome of each of `count` requests: seconds, or the error."""
    outcomes = [None] * count

    def one(server, i):
        start = time.monotonic()
        try:
            for _ in server.stub().Upscale(request(picture_of(side, side, i), 4.0), timeout=3600):
                pass
            outcomes[i] = time.monotonic() - start
        except grpc.RpcError as error:
            outcomes[i] = f"{error.code().name}: {error.details()}"

    with run_server(FOLDER, "--max-receive-bytes", "256MiB") as server:
        threads = []
        for i in range(count):
            threads.append(threading.Thread(daemon=True, target=one, args=(server, i)))
            threads[-1].start()
            time.sleep(apart)
        for thread in threads:
            thread.join()
    return outcomes


def main():
    options = arguments(__doc__, models="all", sizes="0.04,1,4", scales="2,4", people=6, apart=4.0, people_side=1024)
    # Networks; bicubic and lanczos take no time.
    models = sorted(path.stem for path in (ROOT / "models").glob("*.safetensors") if path.stat().st_size > 1 << 16)
    if options.models != "all":
        models = options.models.split(",")
    worst = {"first": 1.0, "after it": 1.0, "beside another": 1.0}
    print("| model | Mpx | scale | " + " | ".join(f"{name}: said, took, factor" for name in worst) + " |\n"
          "| --- | --- | --- | --- | --- | --- |")
    for model in models:
        for scale in options.scales.split(","):
            for size in options.sizes.split(","):
                asked = dict(zip(worst, three_requests(model, MEGAPIXELS[size], float(scale))))
                worst = {name: max(worst[name], one.factor()) for name, one in asked.items()}
                print(f"| {model} | {size} | x{scale} | " + " | ".join(
                    f"{one.promised:.2f} s, {one.took:.2f} s, {one.factor():.2f}" for one in asked.values()) + " |",
                    flush=True)
    outcomes = people(options.people, options.apart, options.people_side)
    served = sum(isinstance(outcome, float) for outcome in outcomes)
    for outcome in outcomes:
        print("  one of six:", f"{outcome:.0f} s" if isinstance(outcome, float) else outcome)
    verdict("estimates", worst["first"] <= 2 and max(worst["after it"], worst["beside another"]) <= 1.5 and
            served == options.people,
            f"within {worst['first']:.2f} x of the first estimate (must 2), {worst['after it']:.2f} x after it and "
            f"{worst['beside another']:.2f} x beside another (must 1.5); {served} of {options.people} people "
            f"{options.apart:g} s apart are served")


if __name__ == "__main__":
    main()
