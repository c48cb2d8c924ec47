"""Plain PyTorch HIIF behind LitServe, its batching on."""

import base64

import litserve

import engines


class Upscaler(litserve.LitAPI):
    def __init__(self):
        super().__init__(max_batch_size=engines.BATCH, batch_timeout=engines.BATCH_WAIT)

    def setup(self, device):
        self.upscale = engines.bytes_to_bytes(engines.by_torch())

    def decode_request(self, request):
        return base64.b64decode(request["image"]), float(request["scale"])

    def batch(self, inputs):
        return inputs

    def predict(self, x):
        return self.upscale(x)

    def unbatch(self, output):
        return output

    def encode_response(self, output):
        return {"image": base64.b64encode(output).decode()}
