"""A TCP proxy on loopback that stops carrying what the server sends: the client behind it reads nothing."""

import contextlib
import socket
import threading


class StallingProxy:
    """Carries `enough` bytes of each connection's answers, then nothing until resume()."""

    def __init__(self, port, enough):
        self.target, self.enough = port, enough
        self.resumed = threading.Event()
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.connections = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listening.accept()
                server = socket.socket()
                server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
                server.connect(("127.0.0.1", self.target))
                self.connections += [client, server]
                threading.Thread(target=self._carry, args=(client, server, None), daemon=True).start()
                threading.Thread(target=self._carry, args=(server, client, self.enough), daemon=True).start()

    def _carry(self, source, target, enough):
        carried = 0
        try:
            while part := source.recv(8192):
                if enough is not None and carried > enough:
                    self.resumed.wait()
                target.sendall(part)
                carried += len(part)
            target.shutdown(socket.SHUT_WR)
        except OSError:  # broken off here, so there too
            for one in (source, target):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def resume(self):
        self.resumed.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.resume()
        for one in [self.listening, *self.connections]:
            one.close()
