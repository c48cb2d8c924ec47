"""Plain PyTorch HIIF as a BentoML service."""

import pathlib

import bentoml

import engines


@bentoml.service(traffic={"timeout": 600})
class Upscaler:
    def __init__(self):
        self.run = engines.bytes_to_bytes(engines.by_torch())

    @bentoml.api
    def upscale(self, image: pathlib.Path, scale: float, context: bentoml.Context) -> pathlib.Path:
        out = pathlib.Path(context.temp_dir) / "large.png"
        out.write_bytes(self.run(image.read_bytes(), scale))
        return out
