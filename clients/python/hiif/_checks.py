"""What a server says is held against what was asked: nothing is written, and no memory is taken, on its word alone."""

from __future__ import annotations

from typing import Any, Optional, Tuple

import grpc

try:
    from google_crc32c import extend as crc32c
except ImportError:  # without it checksums are not compared
    crc32c = None

from hiif.v1 import super_resolution_pb2 as pb

MAX_SCALE = 32
MAX_TILE = 4096
# Of a list of models.
MAX_MODELS = 10_000
BYTES = {pb.SAMPLE_TYPE_U8: 1, pb.SAMPLE_TYPE_U16: 2, pb.SAMPLE_TYPE_F32: 4}


class Error(Exception):
    """What the server said. `code` is a grpc.StatusCode; `retry_after` seconds, or None."""

    def __init__(self, code: grpc.StatusCode, message: str, retry_after: Optional[float] = None):
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message
        self.retry_after = retry_after

    def __reduce__(self) -> Tuple[Any, ...]:
        # Exception's own takes what its __init__ was given, which is the text alone.
        return type(self), (self.code, self.message, self.retry_after)


def require(condition: bool, what: str) -> None:
    """Raises Error (DATA_LOSS: another server may do better)."""
    if not condition:
        raise Error(grpc.StatusCode.DATA_LOSS, f"the server's answer is damaged: {what}")


class ResponseChecker:
    """One stream of raw tiles, from its header on.

    asked: with the token and first tile that were sent. raw: the picture, where it was sent as pixels.
    """

    def __init__(self, asked: pb.UpscaleParameters, raw: Optional[pb.RawImage] = None):
        self._asked = pb.UpscaleParameters()
        self._asked.CopyFrom(asked)
        self._raw = raw
        self._header: Optional[pb.UpscaleHeader] = None
        self._next = asked.first_tile
        self._sent = 0
        self._crc = 0

    def header(self, header: pb.UpscaleHeader) -> None:
        require(self._header is None, "two headers")
        width, height, region = header.output_width, header.output_height, header.region
        require(min(width, height, header.input_width, header.input_height, region.width, region.height) >= 1 and
                min(region.x, region.y) >= 0 and region.x + region.width <= width and
                region.y + region.height <= height and 1 <= header.channels <= 4 and header.sample_type in BYTES and
                0 <= header.orientation_applied <= 8, "a header without a valid size")
        self._as_asked(header)
        require(header.format == pb.FILE_FORMAT_UNSPECIFIED, "a file where tiles were asked for")
        grid = header.grid
        require(1 <= grid.tile_size <= MAX_TILE and grid.columns == -(-region.width // grid.tile_size) and
                grid.rows == -(-region.height // grid.tile_size), "a header whose tiles do not cover the region")
        require(self._next <= grid.columns * grid.rows, "fewer tiles than had come before")
        self._header = header

    def _as_asked(self, header: pb.UpscaleHeader) -> None:
        asked, raw = self._asked, self._raw
        width, height = header.output_width, header.output_height
        inner = header.input_width, header.input_height
        require(width <= MAX_SCALE * inner[0] + 1 and height <= MAX_SCALE * inner[1] + 1,
                "an output of more than 32 times its input")
        if asked.HasField("scale"):
            factors = asked.scale.rx, asked.scale.ry or asked.scale.rx
            require(all(abs(out - side * factor) <= 1 for out, side, factor in zip((width, height), inner, factors)),
                    "another factor than asked for")
        else:
            require(asked.target.width in (0, width) and asked.target.height in (0, height),
                    "another size than asked for")
        part = asked.region if asked.HasField("region") else pb.Region(width=width, height=height)
        require(header.region == part, "another region than asked for")
        require(asked.sample_type in (pb.SAMPLE_TYPE_UNSPECIFIED, header.sample_type),
                "samples of another type than asked for")
        require(asked.model in ("", header.model) and asked.model_version in ("", header.model_version),
                "another model than asked for")
        if raw is not None:
            require(inner == (raw.width, raw.height) and header.channels == raw.channels,
                    "a picture of another shape than was sent")

    def tile(self, tile: pb.Tile) -> None:
        require(self._header is not None, "it does not begin with a header")
        require(not self._asked.validate_only, "tiles of a validate_only")
        header: Any = self._header
        grid, region, size = header.grid, header.region, header.grid.tile_size
        require(tile.index == self._next and tile.index < grid.columns * grid.rows,
                f"tile {tile.index} came where {self._next} was due")
        x, y = tile.index % grid.columns * size, tile.index // grid.columns * size
        require((tile.x, tile.y) == (region.x + x, region.y + y) and
                (tile.width, tile.height) == (min(size, region.width - x), min(size, region.height - y)),
                f"tile {tile.index} is not where the grid has it")
        require(len(tile.samples) == tile.width * tile.height * header.channels * BYTES[header.sample_type],
                f"tile {tile.index} has another number of bytes")
        if crc32c is not None:
            require(crc32c(0, tile.samples) == tile.crc32c, f"checksum of tile {tile.index}")
            self._crc = crc32c(self._crc, tile.samples)
        self._next += 1
        self._sent += 1

    def trailer(self, trailer: pb.UpscaleTrailer) -> None:
        require(self._header is not None, "it does not begin with a header")
        header: Any = self._header
        require(trailer.messages_sent == self._sent, f"{self._sent} messages of {trailer.messages_sent} came")
        require(crc32c is None or trailer.crc32c == self._crc, "checksum of the whole")
        require(self._asked.validate_only or self._next == header.grid.columns * header.grid.rows,
                "it ended before its last tile")


def check_query(response: pb.QueryResponse, positions: int) -> None:
    """Three values in [0, 1] for each position."""
    require(len(response.rgb) == 3 * positions, f"{len(response.rgb)} values for {positions} positions")
    require(all(0 <= value <= 1 for value in response.rgb), "colours outside 0 to 1")
