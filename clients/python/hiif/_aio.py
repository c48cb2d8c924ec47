"""The client for asyncio."""

from __future__ import annotations

import asyncio
from typing import Any, List, Optional, Sequence, Tuple, Union

import grpc
import numpy as np
from PIL import Image

from hiif._common import (CHANNEL_OPTIONS, UPLOAD_ABOVE, Assembly, Error, Picture, Progress, Retries,
                          call_metadata, colours_of, error_of, parameters_of, query_of, source_of,
                          uploads)
from hiif.v1 import super_resolution_pb2 as pb
from hiif.v1 import super_resolution_pb2_grpc as rpc


class AsyncClient:
    """Client, with coroutines.

    server: "host:port", "unix:PATH", or a name that resolves to several addresses, which are then used in
    turn. credentials: for TLS (grpc.ssl_channel_credentials()). token: a bearer token. attempts: of a call
    that breaks, in a row without progress.
    """

    def __init__(self, server: str, *, credentials: Optional[grpc.ChannelCredentials] = None,
                 token: Optional[str] = None, attempts: int = 8):
        options = [*CHANNEL_OPTIONS, ("grpc.lb_policy_name", "round_robin")]
        self._channel = (grpc.aio.insecure_channel(server, options) if credentials is None else
                         grpc.aio.secure_channel(server, credentials, options))
        self._stub = rpc.SuperResolutionServiceStub(self._channel)
        self._metadata = call_metadata(token)
        self._attempts = attempts

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends what is under way."""
        await self._channel.close()

    async def upscale(self, picture: Picture, scale: Union[None, float, Tuple[float, float]] = None, *,
                size: Optional[Tuple[int, int]] = None, region: Optional[Sequence[int]] = None,
                model: str = "", progress: Optional[Progress] = None,
                timeout: Optional[float] = None, **parameters: Any) -> Union[Image.Image, np.ndarray]:
        """The picture enlarged; an array for an array, else a Pillow image.

        picture: a Pillow image, an array, a path, or the bytes of a file. scale: 1 to 32, or (horizontal,
        vertical). size: (width, height) instead; a 0 keeps the aspect ratio. region: (x, y, width, height)
        of the output to compute. progress: called with pixels done and pixels in all. timeout: seconds, for
        the whole call. parameters: other fields of UpscaleParameters. Raises Error.
        """
        source, kind = source_of(picture)
        assembly = Assembly(parameters_of(scale, size, region, model=model, **parameters), kind, progress)
        retries = Retries(self._attempts, timeout)
        while assembly.trailer is None:
            try:
                async for response in self._call(source, assembly.parameters, retries.left()):
                    if assembly.add(response):
                        retries.progress()
                if assembly.trailer is None:
                    raise Error(grpc.StatusCode.DATA_LOSS, "the stream ended without a trailer")
            except (grpc.RpcError, Error) as failure:
                error = error_of(failure)
                if (error.code == grpc.StatusCode.FAILED_PRECONDITION and
                        assembly.parameters.resume_token):
                    assembly.start_over()
                    continue
                await asyncio.sleep(retries.wait(error))
        return assembly.result()

    def _call(self, source: pb.ImageSource, parameters: pb.UpscaleParameters,
              timeout: Optional[float]) -> Any:
        if len(source.encoded) > UPLOAD_ABOVE:
            return self._stub.UpscaleUpload(iter(list(uploads(source, parameters))), timeout=timeout,
                                            metadata=self._metadata)
        return self._stub.Upscale(pb.UpscaleRequest(image=source, parameters=parameters),
                                  timeout=timeout, metadata=self._metadata)

    async def _unary(self, method: Any, request: Any, timeout: Optional[float]) -> Any:
        retries = Retries(self._attempts, timeout)
        while True:
            try:
                return await method(request, timeout=retries.left(), metadata=self._metadata)
            except grpc.RpcError as failure:
                await asyncio.sleep(retries.wait(error_of(failure)))

    async def query(self, picture: Picture, positions: Sequence[Tuple[float, float]], *, scale: float = 4,
              model: str = "", timeout: Optional[float] = None) -> np.ndarray:
        """Colours, (n, 3) in [0, 1], at n positions (x, y) in pixels of the picture, (0, 0) its upper left
        corner, as an enlargement by `scale` would see them. Raises Error."""
        request = query_of(picture, positions, scale, model)
        return colours_of(await self._unary(self._stub.Query, request, timeout))

    async def models(self, timeout: Optional[float] = 30) -> List[pb.Model]:
        """Every model of the server, failed ones too. Raises Error."""
        found: List[pb.Model] = []
        token = ""
        while True:
            page = await self._unary(self._stub.ListModels, pb.ListModelsRequest(page_token=token), timeout)
            found.extend(page.models)
            token = page.next_page_token
            if not token:
                return found
