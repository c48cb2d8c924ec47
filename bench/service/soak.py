"""Valid, invalid, cancelled and slow traffic with a reload every 20 s: memory, descriptors and threads stay where
they are, and every request is counted under the code that its client saw."""

import collections
import random
import threading
import time

import grpc
import requests
from common import FOLDER, arguments, pb, picture, request, run_server, verdict

MODEL = "edsr-baseline-hiif-fast"
CACHE = 64 << 20


class Traffic:
    """Clients in threads of their own until `over`; codes: what they were answered."""

    def __init__(self, server):
        from hiif.v1 import super_resolution_pb2_grpc as rpc
        self.rpc, self.server = rpc, server
        self.over = threading.Event()
        self.codes = collections.Counter()
        self.lock = threading.Lock()
        kinds = (self.valid, self.valid, self.invalid, self.cancelled, self.slow, self.query, self.reload)
        self.threads = [threading.Thread(daemon=True, target=kind, args=(i,)) for i, kind in enumerate(kinds)]
        for thread in self.threads:
            thread.start()

    def stub(self):
        return self.rpc.SuperResolutionServiceStub(
            self.server.channel(**{"grpc.use_local_subchannel_pool": 1}))

    def note(self, method, code):
        with self.lock:
            self.codes[method, code.name] += 1

    def call(self, method, work):
        try:
            work()
            self.note(method, grpc.StatusCode.OK)
        except grpc.RpcError as e:
            self.note(method, e.code())

    def valid(self, seed):
        rng, stub = random.Random(seed), self.stub()
        while not self.over.is_set():
            image = picture(rng.randint(8, 160), rng.randint(8, 160), rng.randrange(10**9))
            parameters = {"encoded": pb.EncodedOutput(format=rng.choice([1, 2, 3]))} if rng.random() < 0.3 else {}
            self.call("Upscale", lambda: list(stub.Upscale(
                request(image, rng.choice([1, 1.5, 2, 2.7]), **parameters), timeout=60)))

    def invalid(self, seed):
        rng, stub = random.Random(seed), self.stub()
        while not self.over.wait(0.05):
            image = bytearray(picture(rng.randint(8, 60), rng.randint(8, 60), rng.randrange(10**9)))
            for _ in range(4):
                image[rng.randrange(len(image))] ^= 1 << rng.randrange(8)
            self.call("Upscale", lambda: list(stub.Upscale(
                request(bytes(image), rng.choice([2.0, 0.0, 99.0, float("nan")])), timeout=60)))

    def cancelled(self, seed):
        # More than a connection's windows hold (7.7 MB): what is not read cannot have ended well for the server.
        rng, stub = random.Random(seed), self.stub()
        while not self.over.is_set():
            call = stub.Upscale(request(picture(400, 400, rng.randrange(10**9)), 4.0))
            next(iter(call))  # the server has it
            self.over.wait(rng.random())
            call.cancel()
            self.note("Upscale", call.code())

    def slow(self, seed):
        rng, stub = random.Random(seed), self.stub()

        def read():
            image = picture(64, 64, rng.randrange(10**9))
            for _ in stub.Upscale(request(image, 4.0, tile_size=64), timeout=60):
                self.over.wait(0.3)
        while not self.over.is_set():
            self.call("Upscale", read)

    def query(self, seed):
        rng, stub = random.Random(seed), self.stub()
        while not self.over.wait(0.2):
            message = pb.QueryRequest(image=pb.ImageSource(encoded=picture(40, 40, rng.randrange(300))),
                                      coordinates=[0.1] * 200, cell_row=2 / 80, cell_column=2 / rng.randint(41, 1200))
            self.call("Query", lambda: stub.Query(message, timeout=30))

    def reload(self, _):
        stub = self.rpc.ModelControlServiceStub(self.server.channel())
        while not self.over.wait(20):
            self.call("LoadModel", lambda: stub.LoadModel(pb.LoadModelRequest(name=MODEL), timeout=60))

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(90)


def process(server):
    """(resident MB, descriptors, threads)."""
    folder = f"/proc/{server.process.pid}"
    import os
    return server.rss() / 1e6, len(os.listdir(folder + "/fd")), len(os.listdir(folder + "/task"))


def idle(server, most=20):
    """The same once the server has given back what it does not use."""
    time.sleep(6)
    lowest = process(server)
    for _ in range(most):
        time.sleep(1)
        lowest = min(lowest, process(server))
    return lowest


def cached(server):
    """Bytes of the feature cache, by its metric."""
    for line in requests.get(server.management + "/metrics", timeout=10).text.splitlines():
        if line.startswith("hiif_feature_cache_bytes"):
            return float(line.split()[-1])
    return 0.0


def counted(server):
    """hiif_requests_total by method and code."""
    found = collections.Counter()
    for line in requests.get(server.management + "/metrics", timeout=10).text.splitlines():
        if line.startswith("hiif_requests_total{"):
            labels = dict(part.split("=") for part in line[line.index("{") + 1:line.index("}")].split(","))
            found[labels["method"].strip('"'), labels["code"].strip('"')] += int(float(line.split()[-1]))
    return found


def main():
    options = arguments(__doc__, minutes=5.0, warm_up=1.0, growth=10.0)
    with run_server(FOLDER, "--enable-model-control", "--default-model", MODEL, "--memory-bytes", "2GiB",
                    "--feature-cache-bytes", CACHE, "--max-queue-time", "1h") as server:
        codes = collections.Counter()

        def run(minutes, cache=0, most=10):
            traffic = Traffic(server)
            start = time.monotonic()
            # A busy machine has not filled the cache after a minute, and filling it is no growth.
            while server.process.poll() is None and time.monotonic() < start + 60 * (
                    minutes if cached(server) >= cache else max(minutes, most)):
                time.sleep(1)
            traffic.stop()
            codes.update(traffic.codes)
            return idle(server)
        before = run(options.warm_up, cache=0.9 * CACHE)
        print(f"after warm-up of {options.warm_up:g} min or more: {before[0]:.0f} MB, {cached(server) / 1e6:.0f} of them "
              f"cached, {before[1]} descriptors, {before[2]} threads", flush=True)
        after = run(options.minutes)
        alive = server.process.poll() is None
        seen = counted(server) if alive else {}
    growth = after[0] - before[0]
    # What was cancelled ends a little after its client has gone.
    differ = {key: (codes[key], seen.get(key, 0)) for key in codes | seen if codes[key] != seen.get(key, 0)}
    wrong = {key: n for key, n in codes.items()
             if key[1] not in ("OK", "INVALID_ARGUMENT", "CANCELLED", "RESOURCE_EXHAUSTED")}
    ok = (alive and growth <= options.growth and after[1] <= before[1] + 4 and after[2] <= before[2] + 8
          and not differ and not wrong)
    verdict("soak-short", ok,
            f"{sum(codes.values())} requests in {options.minutes:g} min: {growth:+.0f} MB, descriptors {before[1]} to "
            f"{after[1]}, threads {before[2]} to {after[2]}, codes that differ from the clients' {differ}, "
            f"unexpected {wrong}")


if __name__ == "__main__":
    main()
