"""Connections until no descriptor is left, closed again: a small request is answered within 5 s."""

import socket
import time

import requests
from common import FOLDER, arguments, picture, request, run_server, verdict

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"


def main():
    options = arguments(__doc__, connections=1200, limit=1024)
    with run_server(FOLDER, nofile=options.limit) as server:
        image = picture(16, 16)
        opened = []
        for _ in range(options.connections):
            try:
                opened.append(socket.create_connection(("127.0.0.1", server.port), 5))
                opened[-1].sendall(PREFACE)
            except OSError:
                pass
        time.sleep(2)
        live = requests.get(server.management + "/livez", timeout=10).status_code
        for connection in opened:
            connection.close()
        start = time.monotonic()
        channel = server.channel(**{"grpc.use_local_subchannel_pool": 1})
        from hiif.v1 import super_resolution_pb2_grpc as rpc
        list(rpc.SuperResolutionServiceStub(channel).Upscale(request(image, 2.0), timeout=10))
        took = time.monotonic() - start
        end = time.monotonic() + 10
        while (live_after := requests.get(server.management + "/livez", timeout=10).status_code) != 200:
            if time.monotonic() > end:
                break
            time.sleep(0.2)
    verdict("descriptors", took <= 5 and live_after == 200,
            f"{len(opened)} connections at a limit of {options.limit}: /livez {live} meanwhile, {live_after} after; a "
            f"small request took {took:.2f} s after they were closed (must 5)")


if __name__ == "__main__":
    main()
