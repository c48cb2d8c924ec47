"""Streams of UpscaleUpload that send nothing: others are answered throughout."""

import threading
import time

import grpc
from common import FOLDER, arguments, metric, pb, picture, request, run_server, verdict


def main():
    options = arguments(__doc__, streams=600, seconds=12)
    from hiif.v1 import super_resolution_pb2_grpc as rpc
    over = threading.Event()

    def nothing():
        over.wait(120)
        yield from ()

    image = picture(16, 16)
    with run_server(FOLDER) as server:
        own = rpc.SuperResolutionServiceStub(server.channel(**{"grpc.use_local_subchannel_pool": 1}))
        list(own.Upscale(request(image, 2.0), timeout=60))
        times, failed, most, calls, stub = [], 0, 0.0, [], None
        end = time.monotonic() + options.seconds
        while time.monotonic() < end:
            # As many as asked for, those that were cut off begun again.
            calls = [call for call in calls if not call.done()]
            while len(calls) < options.streams:
                if len(calls) % 90 == 0:
                    stub = rpc.SuperResolutionServiceStub(
                        server.channel(**{"grpc.use_local_subchannel_pool": 1}))
                calls.append(stub.UpscaleUpload(nothing()))
            most = max(most, metric(server, "hiif_incomplete_uploads"))
            start = time.monotonic()
            try:
                list(own.Upscale(request(image, 2.0), timeout=10))
                list(own.UpscaleUpload(iter([
                    pb.UpscaleUploadRequest(parameters=request(image, 2.0).parameters),
                    pb.UpscaleUploadRequest(chunk=image)]), timeout=10))
            except grpc.RpcError:
                failed += 1
            times.append(time.monotonic() - start)
        over.set()
        for call in calls:
            call.cancel()
    verdict("silent-uploads", failed == 0 and most >= options.streams * 0.9 and max(times) < 5,
            f"{most:.0f} streams were silent; {len(times)} pairs of small requests beside them, {failed} failed, the "
            f"slowest took {max(times):.2f} s")


if __name__ == "__main__":
    main()
