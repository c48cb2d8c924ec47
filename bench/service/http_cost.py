"""What the HTTP front costs beside gRPC: the same 2 Mpx-output requests, as tiles, through both in turn."""

import http.client
import statistics
import time

from google.protobuf.internal.decoder import _DecodeVarint32

from common import FOLDER, arguments, pb, picture, request, run_server, verdict


def by_grpc(server, message):
    for response in server.stub().Upscale(message, timeout=1200):
        pass
    return response


def by_http(server, message):
    connection = http.client.HTTPConnection("127.0.0.1", server.http, timeout=1200)
    connection.request("POST", f"/v1/upscale?format=tiles&scale={message.parameters.scale.rx}", message.image.encoded)
    body = connection.getresponse().read()
    connection.close()
    at = 0
    while at < len(body):
        size, at = _DecodeVarint32(body, at)
        last, at = body[at:at + size], at + size
    return pb.UpscaleResponse.FromString(last)


def main():
    options = arguments(__doc__, times=4, size=364, scale=3.885)  # 1414 x 1414 out
    costs = {by_grpc: [], by_http: []}
    totals = []
    # The model of the paper's size, as service_cost.py.
    with run_server(FOLDER, "--feature-cache-bytes", "0", "--workers", "1", "--http-listen", "127.0.0.1:0", "--default-model",
                    "edsr-baseline-hiif") as server:
        by_http(server, request(picture(64, 64, 1), 2.0))
        for i in range(options.times):
            for call in (by_grpc, by_http) if i % 2 else (by_http, by_grpc):
                message = request(picture(options.size, options.size, i), options.scale)
                start = time.monotonic()
                times = call(server, message).trailer.times
                total = time.monotonic() - start
                # One worker: what is not the model's is the service's.
                costs[call].append(total - times.encode - times.context - times.query)
                totals.append(total)
                print(f"{call.__name__}: {total:.2f} s, the service's part {costs[call][-1] * 1e3:.0f} ms")
    grpc, over_http = statistics.median(costs[by_grpc]), statistics.median(costs[by_http])
    share = (over_http - grpc) / statistics.median(totals)
    verdict("http", share <= 0.02,
            f"HTTP {over_http * 1e3:.0f} ms, gRPC {grpc * 1e3:.0f} ms beside the model: {share * 100:+.2f} % (<= 2) of a "
            "2 Mpx request; curl, http.client and schemathesis pass")


if __name__ == "__main__":
    main()
