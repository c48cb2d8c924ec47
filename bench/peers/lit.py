"""Plain PyTorch HIIF behind LitServe."""

import base64

import litserve

import engines


class Upscaler(litserve.LitAPI):
    def setup(self, device):
        self.upscale = engines.bytes_to_bytes(engines.by_torch())

    def decode_request(self, request):
        return base64.b64decode(request["image"]), float(request["scale"])

    def predict(self, x):
        return self.upscale(*x)

    def encode_response(self, output):
        return {"image": base64.b64encode(output).decode()}
