"""A client of HTTP/2 by hand: gRPC calls that send and read only what they are told to."""

import contextlib
import socket
import struct
import time

from hostile import PREFACE, frame, header_block

DATA, HEADERS, RESET, SETTINGS, PING, WINDOW = 0, 1, 3, 4, 6, 8
ACK = END_STREAM = 1
END_HEADERS = 4


def message(body, compressed=False):
    """A message of gRPC."""
    return struct.pack(">BI", compressed, len(body)) + body


class Http2:
    """One connection. window: bytes that the server may send on each stream before read() of it; address: of this
    machine's, where it comes from."""

    def __init__(self, port, window=65535, address="127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", port), 20, source_address=(address, 0))
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, window)) +
                            frame(WINDOW, 0, 0, struct.pack(">I", 1 << 30)))
        self.unread = b""
        self.room = {0: 65535}  # bytes that may be sent: on the connection, and on each stream
        self.first_room = 65535
        self.data = {}  # by stream: what came
        self.ended = set()
        self.calls = 0
        self.gone = False  # the connection is closed

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def call(self, path, *messages, end=True, headers=()):
        """Begins a call and sends its messages; its stream."""
        stream = 2 * self.calls + 1
        self.calls += 1
        self.data[stream] = b""
        self.room[stream] = self.first_room
        block = header_block(path.encode())
        for name, value in headers:
            block += b"\0" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode()
        self.socket.sendall(frame(HEADERS, END_HEADERS, stream, block))
        for one in messages:
            self.send(stream, one)
        if end and stream not in self.ended:
            self.socket.sendall(frame(DATA, END_STREAM, stream))
        return stream

    def send(self, stream, body):
        """As the server takes it; less than all where it ends the stream."""
        while body and stream not in self.ended:
            part = body[:min(16384, self.room[0], self.room[stream])]
            if part:
                with contextlib.suppress(OSError):
                    self.socket.sendall(frame(DATA, 0, stream, part))
                self.room[0] -= len(part)
                self.room[stream] -= len(part)
                body = body[len(part):]
            self.pump(0 if part else 1)

    def read(self, stream, size=1 << 30):
        """Lets the server send so much more."""
        self.socket.sendall(frame(WINDOW, 0, stream, struct.pack(">I", size)))

    def until(self, done, seconds):
        """Whether done() becomes true in time."""
        end = time.monotonic() + seconds
        while not done() and not self.gone and time.monotonic() < end:
            self.pump(0.2)
        return done()

    def pump(self, seconds):
        """Takes what comes."""
        self.socket.settimeout(seconds)
        try:
            part = self.socket.recv(1 << 16)
        except (TimeoutError, BlockingIOError):
            return
        except OSError:
            part = b""
        finally:
            self.socket.settimeout(20)
        if not part:
            self.gone = True
            self.ended.update(self.data)
        self.unread += part
        while len(self.unread) >= 9:
            size = int.from_bytes(self.unread[:3], "big")
            if len(self.unread) < 9 + size:
                return
            kind, flags, stream = self.unread[3], self.unread[4], int.from_bytes(self.unread[5:9], "big")
            payload, self.unread = self.unread[9:9 + size], self.unread[9 + size:]
            self._take(kind, flags, stream, payload)

    def _take(self, kind, flags, stream, payload):
        if kind == DATA:
            self.data[stream] += payload
        elif kind == SETTINGS and not flags & ACK:
            for name, value in struct.iter_unpack(">HI", payload):
                if name == 4:
                    for one in self.data:
                        self.room[one] += value - self.first_room
                    self.first_room = value
            self.socket.sendall(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.socket.sendall(frame(PING, ACK, 0, payload))
        elif kind == WINDOW:
            self.room[stream] = self.room.get(stream, self.first_room) + int.from_bytes(payload, "big")
        if kind == RESET or (kind in (DATA, HEADERS) and flags & END_STREAM):
            self.ended.add(stream)
