"""Plain PyTorch HIIF as a BentoML service, its adaptive batching on. Images are base64 in JSON: batched arguments are lists."""

import base64

import bentoml
import pydantic

import engines


class Request(pydantic.BaseModel):
    image: str
    scale: float


@bentoml.service(traffic={"timeout": 600})
class Upscaler:
    def __init__(self):
        self.run = engines.bytes_to_bytes(engines.by_torch())

    @bentoml.api(batchable=True, max_batch_size=engines.BATCH, max_latency_ms=600_000)
    def upscale(self, requests: list[Request]) -> list[str]:
        answers = self.run([(base64.b64decode(request.image), request.scale) for request in requests])
        return [base64.b64encode(answer).decode() for answer in answers]
