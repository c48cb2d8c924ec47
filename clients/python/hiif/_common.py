"""What both clients share: requests, pictures from streams, and when to try again."""

from __future__ import annotations

import contextlib
import ipaddress
import random
import time
import urllib.parse
import warnings
from typing import Any, Callable, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

import grpc
import numpy as np
from grpc_status import rpc_status
from PIL import Image

from google.rpc import error_details_pb2
from hiif._checks import MAX_MODELS, Error, ResponseChecker, check_query, require
from hiif._pictures import DTYPES, Source
from hiif.v1 import super_resolution_pb2 as pb

Progress = Callable[[int, int], None]

# Tiles are at most 1 MiB, colours (Query) 3 MiB unless the server allows more; a request is as large as its picture.
# A server that was away is tried again every five seconds, not every two minutes, and one that is gone without a word
# is found by pings, which gRPC's servers take every five minutes. Each client has its own connections and waits.
# "min_reconnect_backoff" is what a handshake may take at first: with less, a slow link would not connect.
CHANNEL_OPTIONS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", 16 << 20),
                   ("grpc.initial_reconnect_backoff_ms", 200), ("grpc.min_reconnect_backoff_ms", 5_000),
                   ("grpc.max_reconnect_backoff_ms", 5_000), ("grpc.keepalive_time_ms", 300_000),
                   ("grpc.keepalive_timeout_ms", 20_000), ("grpc.use_local_subchannel_pool", 1)]
# Schemes of addresses that are host:port otherwise, and whether they mean TLS.
WEB_SCHEMES = {"http": False, "https": True, "grpc": False, "grpcs": True}
# Pictures above this go in chunks: below gRPC's own limit of a message, 4 MiB, which a server or proxy may have.
UPLOAD_ABOVE = 3 << 20
CHUNK = 1 << 20
# Seconds that a call waits for room in an overloaded server.
MAX_OVERLOAD_WAIT = 600.0


class LossWarning(UserWarning):
    """Something of a picture that its result does not hold, or holds in another form."""


def error_of(error: Union[grpc.RpcError, Error]) -> Error:
    """An Error of a failed call."""
    if isinstance(error, Error):
        return error
    retry_after = None
    try:
        status = rpc_status.from_call(error)
    except (ValueError, AttributeError, NotImplementedError):
        status = None
    for detail in status.details if status is not None else ():
        if detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            info = error_details_pb2.RetryInfo()
            detail.Unpack(info)
            retry_after = info.retry_delay.seconds + info.retry_delay.nanos * 1e-9
    return Error(error.code(), error.details() or "", retry_after)


class Retries:
    """How long to wait before another attempt: RESOURCE_EXHAUSTED as the server said, for ten minutes in all;
    UNAVAILABLE and broken streams longer and longer, among them those that a server or a proxy cancels while the
    client is not closed(), unless the server is gone() for good; everything else not at all."""

    def __init__(self, attempts: int, timeout: Optional[float], closed: Callable[[], bool],
                 gone: Callable[[], bool] = lambda: False):
        self._attempts = attempts
        self._closed = closed
        self._gone = gone
        self._end = None if timeout is None else time.monotonic() + timeout
        self._failed = 0
        self._overload = 0.0

    def left(self) -> Optional[float]:
        """Seconds until the timeout of the whole call."""
        return None if self._end is None else max(0.001, self._end - time.monotonic())

    def progress(self) -> None:
        """Something that need not be asked for again has come: begin to count anew."""
        self._failed = 0
        self._overload = 0.0

    def wait(self, error: Error) -> float:
        """Seconds; raises the error where trying again is of no use."""
        if error.code == grpc.StatusCode.RESOURCE_EXHAUSTED and error.retry_after is not None:
            wait = max(error.retry_after, 0.02) * random.uniform(1, 1.2)
            self._overload += wait
            if self._overload > MAX_OVERLOAD_WAIT or self._attempts <= 1:
                raise error
        elif (error.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DATA_LOSS) or
              (error.code == grpc.StatusCode.CANCELLED and not self._closed())):
            self._failed += 1
            if self._failed >= self._attempts or self._gone():
                raise error
            backoff = min(10.0, 0.2 * 2 ** (self._failed - 1)) * random.uniform(0.8, 1.2)
            wait = max(backoff, error.retry_after or 0.0)
        else:
            raise error
        if self._end is not None and time.monotonic() + wait >= self._end:
            raise Error(grpc.StatusCode.DEADLINE_EXCEEDED,
                        f"the timeout comes before the next attempt, in {wait:.1f} s; the last one: {error}",
                        error.retry_after)
        return wait


@contextlib.contextmanager
def ending(call: Any) -> Iterator[Any]:
    """The stream, which ends with the block however that ends: one that nobody reads would stay alive at the server."""
    try:
        yield call
    finally:
        call.cancel()


def parameters_of(scale: Union[None, float, Tuple[float, float]], size: Optional[Tuple[int, int]],
                  region: Optional[Sequence[int]], **others: Any) -> pb.UpscaleParameters:
    """scale: a factor, or (horizontal, vertical); size: (width, height), 0 keeps the aspect ratio."""
    if (scale is None) == (size is None):
        raise TypeError("either a scale or a size is needed")
    own = {"encoded", "first_tile", "resume_token"}.intersection(others)
    if own:
        raise TypeError(f"{', '.join(sorted(own))}: the client asks for tiles, and goes on after a break, by itself")
    parameters = pb.UpscaleParameters(**{k: v for k, v in others.items() if v is not None})
    if size is not None:
        parameters.target.width, parameters.target.height = size
    elif isinstance(scale, (tuple, list)):
        parameters.scale.rx, parameters.scale.ry = scale
    else:
        parameters.scale.rx = float(scale)  # type: ignore[arg-type]
    if region is not None:
        region_ = parameters.region
        region_.x, region_.y, region_.width, region_.height = region
    return parameters


def _chunks(message: Any, source: pb.ImageSource) -> Iterator[Any]:
    """The messages, of the type `message`, behind the first one of an upload."""
    data = source.encoded
    if source.WhichOneof("source") == "raw":
        raw = source.raw
        data = raw.samples
        yield message(raw=pb.RawImage(width=raw.width, height=raw.height, channels=raw.channels,
                                      sample_type=raw.sample_type))
    for begin in range(0, len(data), CHUNK):
        yield message(chunk=data[begin:begin + CHUNK])


def uploads(source: Source, parameters: pb.UpscaleParameters) -> Iterable[pb.UpscaleUploadRequest]:
    """The messages of UpscaleUpload."""
    yield pb.UpscaleUploadRequest(parameters=parameters)
    yield from _chunks(pb.UpscaleUploadRequest, source.message)


def query_uploads(source: Source, query: pb.QueryRequest) -> Iterable[pb.QueryUploadRequest]:
    """The messages of QueryUpload."""
    yield pb.QueryUploadRequest(query=query)
    yield from _chunks(pb.QueryUploadRequest, source.message)


def warn(texts: Iterable[str]) -> None:
    """Tells the caller of the client."""
    for text in texts:
        warnings.warn(text, LossWarning, stacklevel=4)


def _same_output(one: pb.UpscaleHeader, other: pb.UpscaleHeader) -> bool:
    """What tiles of two streams must have in common to be parts of one output."""
    def of_output(header: pb.UpscaleHeader) -> pb.UpscaleHeader:
        copy = pb.UpscaleHeader()
        copy.CopyFrom(header)
        for name in ("estimated_seconds", "request_id", "resume_token"):
            copy.ClearField(name)
        return copy
    return of_output(one) == of_output(other)


class Assembly:
    """The picture of a stream, which may go on in another stream after a break."""

    def __init__(self, parameters: pb.UpscaleParameters, source: Source, progress: Optional[Progress]):
        self.parameters = parameters
        self.trailer: Optional[pb.UpscaleTrailer] = None
        self._source = source
        self._progress = progress
        self._header: Optional[pb.UpscaleHeader] = None
        self._pixels: Optional[np.ndarray] = None
        self._done = 0
        self._furthest = 0  # of all outputs that were begun
        self.begin()

    def begin(self) -> None:
        """Another stream begins, of self.parameters."""
        message = self._source.message
        self._resumed = bool(self.parameters.resume_token)
        self._checker = ResponseChecker(self.parameters,
                                        message.raw if message.WhichOneof("source") == "raw" else None)

    def add(self, response: pb.UpscaleResponse) -> bool:
        """One message, in the order of the stream; whether it was a tile that need not be sent again, further on than
        any before. Raises Error (DATA_LOSS) where the answer is damaged, or another one than was asked for."""
        require(self.trailer is None, "it goes on after its trailer")
        part = response.WhichOneof("part")
        if part == "header":
            self._checker.header(response.header)
            if not self.parameters.first_tile:
                self._begin(response.header)
            elif self._header is None or not _same_output(self._header, response.header):  # from its beginning, then
                raise Error(grpc.StatusCode.FAILED_PRECONDITION, "the output changed while it was resumed")
        elif part == "tile":
            tile, header, pixels = response.tile, self._header, self._pixels
            self._checker.tile(tile)
            assert header is not None and pixels is not None
            top, left = tile.y - header.region.y, tile.x - header.region.x
            pixels[top:top + tile.height, left:left + tile.width] = np.frombuffer(
                tile.samples, pixels.dtype).reshape(tile.height, tile.width, -1)
            self._done += tile.width * tile.height
            if self._progress is not None:
                self._progress(self._done, self._all())
            if self.parameters.resume_token:  # else it all comes again
                self.parameters.first_tile = tile.index + 1
            if self.parameters.first_tile > self._furthest:
                self._furthest = self.parameters.first_tile
                return True
        elif part == "trailer":
            self._checker.trailer(response.trailer)
            self.trailer = response.trailer
        else:
            require(False, "a part that this client does not know")
        return False

    def _all(self) -> int:
        """Pixels of the whole output."""
        return 0 if self._header is None else self._header.region.width * self._header.region.height

    def _begin(self, header: pb.UpscaleHeader) -> None:
        self._source.check_result(header.channels, header.sample_type)
        self._header = header
        self._done = 0
        self.parameters.resume_token = header.resume_token
        if self.parameters.validate_only:
            return
        shape = header.region.height, header.region.width, header.channels
        try:  # pages of zeros, which take memory as tiles come
            self._pixels = np.zeros(shape, DTYPES[header.sample_type])
        except (MemoryError, ValueError) as error:
            raise MemoryError(f"an output of {shape[1]} x {shape[0]} pixels does not fit into memory: ask for regions "
                              "of it") from error

    def failed(self, error: Error) -> Error:
        """What an attempt ended with, as a reason to wait: the server cannot go on from where another one stopped,
        then from its beginning, or as it is."""
        if error.code != grpc.StatusCode.FAILED_PRECONDITION or not self._resumed:
            return error
        self._header = None
        self.parameters.resume_token = b""
        self.parameters.first_tile = 0
        return Error(grpc.StatusCode.DATA_LOSS, error.message, error.retry_after)

    def result(self) -> Union[Image.Image, np.ndarray, pb.UpscaleHeader]:
        """What the sender of the picture expects, of validate_only the header; tells of losses."""
        assert self._header is not None and self.trailer is not None
        warn([*self._source.warnings, *self.trailer.warnings])
        if self.parameters.validate_only:
            return self._header
        assert self._pixels is not None
        return self._source.result(self._pixels, self._header.icc_profile)


def shape_request(source: Source, model: str) -> Optional[pb.UpscaleParameters]:
    """What asks the server for the size of a file, as it sees it; None where the size is known. Of the model that is
    meant, which may be the only one to work, and of one pixel, which no limit of outputs forbids."""
    if source.message.WhichOneof("source") == "raw":
        return None
    return pb.UpscaleParameters(model=model, scale=pb.Scale(rx=1), region=pb.Region(width=1, height=1),
                                validate_only=True)


def query_of(width: int, height: int, positions: Sequence[Tuple[float, float]], scale: float,
             model: str) -> pb.QueryRequest:
    """Without the picture. positions: (x, y) in its pixels, (0, 0) its upper left corner."""
    scale = float(scale)
    request = pb.QueryRequest(model=model, cell_row=2 / (height * scale), cell_column=2 / (width * scale))
    for x, y in positions:
        x, y = float(x), float(y)  # twice a small integer of NumPy may be too large for one
        request.coordinates.extend((2 * y / height - 1, 2 * x / width - 1))
    return request


def colours_of(response: pb.QueryResponse, positions: int) -> np.ndarray:
    """(positions, 3) of float32 in [0, 1]. Tells of losses; raises Error (DATA_LOSS)."""
    check_query(response, positions)
    warn(response.warnings)
    return np.array(response.rgb, np.float32).reshape(-1, 3)


def shape_of(header: pb.UpscaleHeader) -> Tuple[int, int]:
    """Width and height of the picture that was sent. Raises Error (DATA_LOSS)."""
    require(header.input_width >= 1 and header.input_height >= 1, "a header without a valid size")
    return header.input_width, header.input_height


def add_page(found: List[pb.Model], page: pb.ListModelsResponse) -> str:
    """Adds the models of a page; the token of the next one. Raises Error (DATA_LOSS)."""
    require(bool(page.models) or not page.next_page_token, "a list of models with an empty page")
    found.extend(page.models)
    require(len(found) <= MAX_MODELS, "a list of models without an end")
    return page.next_page_token


def _is_loopback(host: str) -> bool:
    """By number, not by how a name begins: "127.0.0.1.example" is somewhere else."""
    if host.lower() == "localhost":
        return True
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        return False
    return (getattr(number, "ipv4_mapped", None) or number).is_loopback


def _without_scheme(server: str) -> Tuple[str, bool]:
    """host:port of an address with one of WEB_SCHEMES before it (port 443 where TLS names none), and whether that means
    TLS; another one as it is. Raises ValueError."""
    scheme, separator, rest = server.partition("://")
    if not separator or scheme not in WEB_SCHEMES:
        return server, False
    address, _, path = rest.partition("/")
    if path:
        raise ValueError(f'"{server}" names a path: a server is host:port alone')
    if ":" not in address.rpartition("]")[2]:
        if not address or not WEB_SCHEMES[scheme]:
            raise ValueError(f'"{server}" is no address of a server: host:port is needed, as http://localhost:8500')
        address += ":443"
    return address, WEB_SCHEMES[scheme]


def channel_of(server: str, credentials: Optional[grpc.ChannelCredentials], plain: Any, secure: Any,
               token: Optional[str] = None, allow_token_over_plaintext: bool = False) -> Any:
    """A channel; plain and secure make one without and with TLS. http:// and https:// (grpc://, grpcs://) before the
    address are understood, the latter as TLS; no proxy is asked for this machine's own addresses. Raises ValueError for
    an address with a path, and where the token would leave this machine in clear text and that was not allowed."""
    named = server
    server, tls = _without_scheme(server)
    if tls and credentials is None:
        credentials = grpc.ssl_channel_credentials()
    if server.startswith("unix:"):  # gRPC takes a URI
        server = "unix:" + urllib.parse.quote(server[5:], safe="/:@!$&'()*+,;=", errors="surrogateescape")
    options = [*CHANNEL_OPTIONS, ("grpc.lb_policy_name", "round_robin")]
    address = server
    for scheme in ("dns:///", "dns:", "ipv4:", "ipv6:"):
        if address.startswith(scheme):
            address = address[len(scheme):]
            break
    own = _is_loopback(address.rsplit(":", 1)[0].strip("[]"))
    if own:
        options.append(("grpc.enable_http_proxy", 0))
    if (token and credentials is None and not allow_token_over_plaintext and not own and
            not server.startswith(("unix:", "unix-abstract:"))):
        raise ValueError(f"the token would travel to {named} in clear text: use TLS (credentials, or https://), or "
                         "allow it explicitly (allow_token_over_plaintext)")
    return plain(server, options) if credentials is None else secure(server, credentials, options)


def call_metadata(token: Optional[str]) -> Sequence[Tuple[str, str]]:
    """Raises ValueError where no header could hold the token."""
    token = (token or "").strip()  # a file ends with a line break
    if not (token.isascii() and token.isprintable()):
        raise ValueError("the token has characters that no token has, line breaks perhaps: give one token, not the "
                         "server's list of tokens")
    return [("authorization", "Bearer " + token)] if token else []
