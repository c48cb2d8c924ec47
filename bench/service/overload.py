"""Four times more requests than the server can take: goodput, refusals, memory, retry times."""

import statistics
import threading
import time

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from common import FOLDER, arguments, picture, request, run_server, verdict


LEAST_RETRY = 0.05  # s; a server never says less


def retry_delay(error):
    for detail in rpc_status.from_call(error).details:
        if detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            info = error_details_pb2.RetryInfo()
            detail.Unpack(info)
            return info.retry_delay.seconds + info.retry_delay.nanos * 1e-9
    return None


class Load:
    """Requests at a fixed rate, whatever becomes of them (open loop)."""

    def __init__(self, server, messages):
        self.stub = server.stub()
        self.messages = messages
        self.lock = threading.Lock()
        self.done, self.refused, self.failed, self.without_retry = [], [], [], 0

    def one(self, index):
        start = time.monotonic()
        try:
            for _ in self.stub.Upscale(self.messages[index % len(self.messages)], timeout=120):
                pass
            with self.lock:
                self.done.append(time.monotonic())
        except grpc.RpcError as error:
            elapsed = time.monotonic() - start
            with self.lock:
                if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
                    self.refused.append(elapsed)
                    self.without_retry += retry_delay(error) is None
                else:
                    self.failed.append(error.code().name)

    def run(self, rate, seconds):
        threads, start = [], time.monotonic()
        for index in range(int(rate * seconds)):
            time.sleep(max(0, start + index / rate - time.monotonic()))
            threads.append(threading.Thread(daemon=True, target=self.one, args=(index,)))
            threads[-1].start()
        end = time.monotonic()
        for thread in threads:
            thread.join()
        return start, end


def capacity(server, messages, seconds):
    """Requests a second with four at a time (closed loop)."""
    load = Load(server, messages)
    stop = time.monotonic() + seconds

    def work(offset):
        index = offset
        while time.monotonic() < stop:
            load.one(index)
            index += 4

    threads = [threading.Thread(daemon=True, target=work, args=(i,)) for i in range(4)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(load.done) / (time.monotonic() - start)


def refusal(stub, message, deadline):
    """Seconds after which to ask again, or None: it would be accepted. Nothing is computed."""
    probe = type(message)()
    probe.CopyFrom(message)
    probe.parameters.validate_only = True
    try:
        list(stub.Upscale(probe, timeout=deadline))
    except grpc.RpcError as error:
        delay = retry_delay(error)
        if delay is None:
            raise
        return delay
    return None


def retry_accuracy(server, message, deadline):
    """Fills the queue, takes the word of a refusal, and looks when a request with this deadline would come in. A long
    deadline is refused for the length of the queue and has little to wait for; a short one waits until most is done."""
    load = Load(server, [message])
    threads = []
    for index in range(500):
        threads.append(threading.Thread(daemon=True, target=load.one, args=(index,)))
        threads[-1].start()
        time.sleep(0.01)
        promised = refusal(load.stub, message, 60)  # full at last
        if promised is not None and deadline != 60:
            promised = refusal(load.stub, message, deadline)
        if promised is not None:
            break
    start = time.monotonic()
    while refusal(load.stub, message, deadline) is not None:
        time.sleep(0.02)
    waited = time.monotonic() - start
    for thread in threads:
        thread.join()
    return promised, max(waited, LEAST_RETRY)


def fitting_size(server, seconds=0.1):
    """Side of a picture that this machine enlarges in about so many seconds: a faster one would not be filled."""
    stub, message = server.stub(), request(picture(48, 48, 0), 2.0)
    times = []
    for _ in range(4):
        start = time.monotonic()
        list(stub.Upscale(message, timeout=60))
        times.append(time.monotonic() - start)
    return int(min(192, max(48, 48 * (seconds / min(times)) ** 0.5)))


def main():
    options = arguments(__doc__, seconds=60.0, factor=4.0, size=0)
    with run_server(FOLDER, "--feature-cache-bytes", "0", "--max-queue-time", "2s") as server:
        size = options.size or fitting_size(server)
        messages = [request(picture(size, size, i), 2.0) for i in range(64)]
        able = capacity(server, messages, max(8.0, options.seconds / 4))
        before = server.rss()
        load = Load(server, messages)
        start, end = load.run(able * options.factor, options.seconds)
        after = server.rss()
        goodput = sum(start + 2 < t <= end for t in load.done) / (end - start - 2)
        slow = sorted(load.refused)
        p99 = slow[int(len(slow) * 0.99)] if slow else float("inf")
        median = slow[len(slow) // 2] if slow else float("inf")
        waits = []
        for deadline in (60, 1):
            pairs = [retry_accuracy(server, messages[0], deadline) for _ in range(5)]
            waits.append([statistics.median(p[i] for p in pairs) for i in (0, 1)])
    print(f"capacity {able:.1f}/s, offered {able * options.factor:.1f}/s: {len(load.done)} served, "
          f"{len(load.refused)} refused ({load.without_retry} without a retry time), "
          f"failed otherwise: {load.failed[:5]}")
    ok = (goodput >= 0.9 * able and median <= 0.05 and not load.failed and not load.without_retry
          and all(0.5 <= promised / waited <= 2 for promised, waited in waits) and after - before < 100e6)
    verdict("overload", ok,
            f"goodput {goodput / able:.2f} of capacity (>= 0.9), refused in {median * 1e3:.1f} ms "
            f"(median, p99 {p99 * 1e3:.0f} ms; <= 50), retry time "
            + " and ".join(f"{promised:.2f} s against {waited:.2f} s" for promised, waited in waits)
            + f" (within 2 x), memory {(after - before) / 1e6:+.0f} MB")


if __name__ == "__main__":
    main()
