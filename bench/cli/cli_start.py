"""What the command line costs before anything is sent to a server that runs: from its start to the first byte of
the connection, and to the first byte of the picture."""

import io
import socket
import statistics
import subprocess
import threading
import time

from PIL import Image

from tools import BIN, FOLDER, arguments, run_server, verdict


class Proxy:
    """Passes one connection on to a server and notes when the first byte came, and a mark."""

    def __init__(self, port, mark):
        self._port = port
        self._mark = mark
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.first = self.marked = None
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(("127.0.0.1", self._port))
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._copy, args=(server, client, False), daemon=True).start()
            threading.Thread(target=self._copy, args=(client, server, True), daemon=True).start()

    def _copy(self, source, target, watch):
        seen = b""
        try:
            while data := source.recv(1 << 16):
                if watch:
                    now = time.monotonic()
                    self.first = self.first or now
                    seen = (seen + data)[-(1 << 17):]
                    if self.marked is None and self._mark in seen:
                        self.marked = now
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def main():
    options = arguments(__doc__, times=30)
    out = io.BytesIO()
    Image.new("RGB", (12, 10), (30, 90, 150)).save(out, "PNG")
    picture = FOLDER / "picture.png"
    picture.write_bytes(out.getvalue())
    first, marked, bare = [], [], []
    with run_server(FOLDER) as server:
        for i in range(options.times + 1):
            start = time.monotonic()
            subprocess.run([str(BIN / "hiif"), "--version"], check=True, capture_output=True)
            bare.append(time.monotonic() - start)
            proxy = Proxy(server.port, b"\x89PNG\r\n\x1a\n")
            start = time.monotonic()
            subprocess.run([str(BIN / "hiif"), "upscale", str(picture), "-o", str(FOLDER / "o.png"), "-s", "2",
                            "--exists", "overwrite", "--server", proxy.address], check=True, capture_output=True)
            if i > 0:  # the first one reads the program from the disk
                first.append(proxy.first - start)
                marked.append(proxy.marked - start)
    worst = sorted(marked)[int(0.9 * len(marked))]
    verdict("cli-start", statistics.median(marked) <= 0.05,
            f"first byte after {statistics.median(first) * 1e3:.0f} ms, first byte of the picture after "
            f"{statistics.median(marked) * 1e3:.0f} ms (<= 50; nine in ten {worst * 1e3:.0f}); "
            f"hiif --version takes {statistics.median(bare) * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
