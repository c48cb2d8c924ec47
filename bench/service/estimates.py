"""What a fresh server says a request will take, against what it takes; and six people at once.

Each request is the first of its server: nothing but the warm-up is known. Then --people requests of 1 Mpx x4,
--apart seconds apart, with default settings: all must be served."""

import threading
import time

import grpc
from common import FOLDER, ROOT, arguments, picture_of, request, run_server, verdict

MEGAPIXELS = {"0.04": 200, "0.25": 512, "1": 1024, "4": 2048}  # side of a square image


def first_request(model, side, scale):
    """Seconds that the header promised, and that it took."""
    with run_server(FOLDER, "--default-model", model, "--max-receive-bytes", "256MiB") as server:
        start = time.monotonic()
        call = server.stub().Upscale(request(picture_of(side, side, 1), scale, model=model), timeout=3600)
        promised = next(call).header.estimated_seconds
        for _ in call:
            pass
        return promised, time.monotonic() - start


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
            threads.append(threading.Thread(target=one, args=(server, i)))
            threads[-1].start()
            time.sleep(apart)
        for thread in threads:
            thread.join()
    return outcomes


def main():
    options = arguments(__doc__, models="all", sizes="0.04,1,4", scale=4.0, people=6, apart=4.0, people_side=1024)
    # Networks; bicubic and lanczos take no time.
    models = sorted(path.stem for path in (ROOT / "models").glob("*.safetensors") if path.stat().st_size > 1 << 16)
    if options.models != "all":
        models = options.models.split(",")
    worst = 1.0
    for model in models:
        for size in options.sizes.split(","):
            promised, took = first_request(model, MEGAPIXELS[size], options.scale)
            ratio = max(promised / took, took / promised)
            worst = max(worst, ratio)
            print(f"{model}, {size} Mpx x{options.scale:g}: estimated {promised:.2f} s, took {took:.2f} s "
                  f"(factor {ratio:.2f})", flush=True)
    outcomes = people(options.people, options.apart, options.people_side)
    served = sum(isinstance(outcome, float) for outcome in outcomes)
    for outcome in outcomes:
        print("  one of six:", f"{outcome:.0f} s" if isinstance(outcome, float) else outcome)
    verdict("estimates", worst <= 2 and served == options.people,
            f"first requests take within {worst:.2f} x of the estimate (must 2), {served} of {options.people} "
            f"people {options.apart:g} s apart are served")


if __name__ == "__main__":
    main()
