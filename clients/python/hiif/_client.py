"""The client for ordinary code."""

from __future__ import annotations

import time
from typing import Any, Callable, List, Optional, Sequence, Tuple, Union

import grpc
import numpy as np
from PIL import Image

from hiif._common import (UPLOAD_ABOVE, Assembly, Error, Progress, Retries, add_page, call_metadata, channel_of,
                          colours_of, ending, error_of, parameters_of, query_of, query_uploads, shape_of,
                          shape_request, uploads)
from hiif._pictures import Picture, Source, source_of
from hiif.v1 import super_resolution_pb2 as pb
from hiif.v1 import super_resolution_pb2_grpc as rpc


class Client:
    """Any thread.

    server: "host:port", "unix:PATH", or a name that resolves to several addresses, which are then used in turn;
    with http:// or https:// (TLS; port 443 where none is named) before it or not. credentials: for TLS (grpc.ssl_channel_credentials()). token: a
    bearer token; ValueError where it would travel to another machine in clear text, unless allow_token_over_plaintext.
    attempts: of a call that breaks, in a row without progress.
    """

    def __init__(self, server: str, *, credentials: Optional[grpc.ChannelCredentials] = None,
                 token: Optional[str] = None, attempts: int = 8, allow_token_over_plaintext: bool = False):
        self._metadata = call_metadata(token)
        self._channel = channel_of(server, credentials, grpc.insecure_channel, grpc.secure_channel, token,
                                   allow_token_over_plaintext)
        self._stub = rpc.SuperResolutionServiceStub(self._channel)
        self._attempts = attempts
        self._closed = False
        self._gone: Callable[[], bool] = lambda: False  # of Retries

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Ends what is under way."""
        self._closed = True
        self._channel.close()

    def upscale(self, picture: Picture, scale: Union[None, float, Tuple[float, float]] = None, *,
                size: Optional[Tuple[int, int]] = None, region: Optional[Sequence[int]] = None,
                model: str = "", as_array: Optional[bool] = None, progress: Optional[Progress] = None,
                timeout: Optional[float] = None, **parameters: Any) -> Union[Image.Image, np.ndarray, pb.UpscaleHeader]:
        """The picture enlarged; an array for an array, else a Pillow image, unless as_array says otherwise.

        picture: a Pillow image, an array, a path, an open file or its bytes. scale: 1 to 32, or (horizontal,
        vertical). size: (width, height) instead; a 0 keeps the aspect ratio. region: (x, y, width, height)
        of the output to compute. progress: called with pixels done and pixels in all. timeout: seconds, for
        the whole call. parameters: other fields of UpscaleParameters; with validate_only=True nothing is computed, and the
        UpscaleHeader comes back: size, tiles, estimated_seconds. A Pillow image is taken as it shows itself,
        not turned by its EXIF; what its info has (profile, EXIF, texts) comes back. What is lost is told by LossWarning.
        Raises Error, and TypeError for what cannot be sent or cannot be held by Pillow, and for encoded, resume_token
        and first_tile, which are the client's own.
        """
        source = source_of(picture, as_array, bool(parameters.get("convert_to_srgb")),
                           bool(parameters.get("clip")))
        assembly = Assembly(parameters_of(scale, size, region, model=model, **parameters), source, progress)
        retries = self._retries(timeout)
        while assembly.trailer is None:
            assembly.begin()
            try:
                with ending(self._call(source, assembly.parameters, retries.left())) as call:
                    for response in call:
                        if assembly.add(response):
                            retries.progress()
                if assembly.trailer is None:
                    raise Error(grpc.StatusCode.DATA_LOSS, "the stream ended without a trailer")
            except (grpc.RpcError, Error) as failure:
                time.sleep(retries.wait(assembly.failed(error_of(failure))))
        return assembly.result()

    def _retries(self, timeout: Optional[float]) -> Retries:
        return Retries(self._attempts, timeout, lambda: self._closed, self._gone)

    def _call(self, source: Source, parameters: pb.UpscaleParameters, timeout: Optional[float]) -> Any:
        if source.size() > UPLOAD_ABOVE:
            return self._stub.UpscaleUpload(uploads(source, parameters), timeout=timeout,
                                            metadata=self._metadata)
        return self._stub.Upscale(pb.UpscaleRequest(image=source.message, parameters=parameters),
                                  timeout=timeout, metadata=self._metadata)

    def _unary(self, method: Any, request: Any, retries: Retries) -> Any:
        while True:
            try:
                response = method(request, timeout=retries.left(), metadata=self._metadata)
                retries.progress()
                return response
            except grpc.RpcError as failure:
                time.sleep(retries.wait(error_of(failure)))

    def query(self, picture: Picture, positions: Sequence[Tuple[float, float]], *, scale: float = 4,
              model: str = "", timeout: Optional[float] = None) -> np.ndarray:
        """Colours, (n, 3) in [0, 1], at n positions (x, y) in pixels of the picture, (0, 0) its upper left
        corner, as an enlargement by `scale` would see them; of a Pillow image of other values (I, F), in its range.
        timeout: seconds, for the whole call. Raises Error."""
        retries = self._retries(timeout)
        source = source_of(picture)
        width, height = self._shape(source, model, retries)
        query = query_of(width, height, positions, scale, model)
        if source.size() > UPLOAD_ABOVE:
            answer = self._unary(
                lambda request, **how: self._stub.QueryUpload(query_uploads(source, request), **how), query, retries)
        else:
            query.image.CopyFrom(source.message)
            answer = self._unary(self._stub.Query, query, retries)
        return source.values(colours_of(answer, len(positions)))

    def _shape(self, source: Source, model: str, retries: Retries) -> Tuple[int, int]:
        """Width and height, of a file as the server turns it."""
        parameters = shape_request(source, model)
        if parameters is None:
            return source.message.raw.width, source.message.raw.height
        while True:
            try:
                with ending(self._call(source, parameters, retries.left())) as call:
                    for response in call:
                        if response.WhichOneof("part") == "header":
                            shape = shape_of(response.header)
                            retries.progress()
                            return shape
                raise Error(grpc.StatusCode.DATA_LOSS, "the stream ended without a header")
            except (grpc.RpcError, Error) as failure:
                time.sleep(retries.wait(error_of(failure)))

    def models(self, timeout: Optional[float] = 30) -> List[pb.Model]:
        """Every model of the server, failed ones too. timeout: seconds, for the whole call. Raises Error."""
        retries = self._retries(timeout)
        found: List[pb.Model] = []
        token = ""
        while True:
            page = self._unary(self._stub.ListModels, pb.ListModelsRequest(page_token=token), retries)
            token = add_page(found, page)
            if not token:
                return found
