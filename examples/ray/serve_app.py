"""A Ray Serve deployment whose replicas each run a hiif-server of their own.

    serve run serve_app:app
    curl --data-binary @photo.jpg 'localhost:8000/?scale=2.7' -o large.png

Needs ray[serve], hiif-client and hiif-serve (or HIIF_SERVER_BINARY). Where replicas are not needed for other reasons, serve
hiif-server itself: it schedules by work, which Serve's counting of requests cannot.
"""

import asyncio
import io
import math
import os

from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import hiif

STATUS = {"INVALID_ARGUMENT": 400, "NOT_FOUND": 404, "RESOURCE_EXHAUSTED": 429, "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504}


@serve.deployment(num_replicas=1, max_ongoing_requests=16)
class Upscaler:
    def __init__(self, model="", flags=()):
        self.upscaler = hiif.Upscaler(model, flags=flags)

    def check_health(self):
        self.upscaler.models()

    def _upscale(self, body, scale):
        out = io.BytesIO()
        # 8 bits a sample: Pillow holds no more of colours.
        self.upscaler.upscale(body, scale, sample_type="SAMPLE_TYPE_U8").save(out, "PNG")
        return out.getvalue()

    async def __call__(self, request: Request):
        try:
            scale = float(request.query_params.get("scale", "2"))
            png = await asyncio.to_thread(self._upscale, await request.body(), scale)
        except ValueError as error:
            return JSONResponse({"detail": str(error)}, 400)
        except hiif.Error as error:
            later = {} if error.retry_after is None else {"Retry-After": str(math.ceil(error.retry_after))}
            return JSONResponse({"detail": str(error)}, STATUS.get(error.code.name, 500), later)
        return Response(png, media_type="image/png")


app = Upscaler.bind(os.environ.get("HIIF_MODEL", ""), tuple(os.environ.get("HIIF_FLAGS", "").split()))
