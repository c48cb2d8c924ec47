"""A client that reads nothing: others unaffected, memory bounded, cut off at the timeout."""

import statistics
import time

import grpc

from common import FOLDER, arguments, picture, request, run_server, verdict


def timed(server, seed):
    start = time.monotonic()
    list(server.stub().Upscale(request(picture(64, 64, seed), 2.0), timeout=120))
    return time.monotonic() - start


def main():
    options = arguments(__doc__, seconds=30.0)
    timeout = options.seconds
    with run_server(FOLDER, "--write-timeout", f"{timeout:g}s", "--feature-cache-bytes", "0") as server:
        alone = statistics.median(timed(server, i) for i in range(5))
        channel = grpc.insecure_channel(server.address, options=[("grpc.http2.bdp_probe", 0)])
        from hiif.v1 import super_resolution_pb2_grpc as rpc
        start = time.monotonic()
        call = rpc.SuperResolutionServiceStub(channel).Upscale(
            request(picture(96, 96, 9), 14.0, sample_type=3), timeout=3600)  # 22 MB of floats
        next(call)
        time.sleep(min(5.0, timeout / 3))  # its credits are used up
        before = server.rss()
        times, peak = [], before
        while time.monotonic() - start < timeout * 0.8:
            times.append(timed(server, 100 + len(times)))
            peak = max(peak, server.rss())
        cut = None
        while time.monotonic() - start < timeout * 2 + 30:
            if "nothing was read" in server.log.read_text():
                cut = time.monotonic() - start
                break
            time.sleep(0.1)
        try:
            list(call)
            code = "OK"
        except grpc.RpcError as error:
            code = error.code().name
    ratio = statistics.median(times) / alone
    verdict("slow-reader",
            cut is not None and code == "DEADLINE_EXCEEDED" and ratio <= 1.3 and peak - before < 100e6,
            f"others take {ratio:.2f} x their time alone (<= 1.3), memory {(peak - before) / 1e6:+.0f} "
            f"MB, cut off after {cut or float('nan'):.1f} s with {code} (timeout {timeout:g} s)")


if __name__ == "__main__":
    main()
