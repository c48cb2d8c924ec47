"""A checkpoint as spandrel describes models, for programs that run models by it. Needs spandrel.

    model = hiif.torch.descriptor("models/edsr-baseline-hiif-fast.safetensors", scale=4)
    large = model(image)                          # (1,3,h,w) in [0,1] to (1,3,4h,4w), padded and clamped by spandrel

spandrel knows whole factors only; `model.model` is the network with all of them. Its own ModelLoader hands an architecture the
tensors of a file without the metadata, where HIIF's configuration stands, so files are read here.
"""

from __future__ import annotations

import os

import spandrel

from .checkpoint import load
from .network import Network


class HiifArchitecture(spandrel.Architecture[Network]):
    """For spandrel's registry: names such tensors, and says how to load their file."""

    def __init__(self):
        super().__init__(id="HIIF", name="HIIF", detect=lambda state: {"freq.weight", "fc_layers.0.fc1.weight"} <= state.keys())

    def load(self, state_dict):
        raise spandrel.UnsupportedModelError("HIIF's configuration is in the file's metadata: hiif.torch.descriptor(path, scale)")


def descriptor(path: str | os.PathLike, scale: int = 4, **options) -> spandrel.ImageModelDescriptor[Network]:
    """The network of a checkpoint at one factor. options: as load(). ValueError: those of load(), or a scale below 1."""
    if scale != int(scale) or scale < 1:
        raise ValueError(f"scale: {scale} is no whole factor; the network itself takes any size")
    network = load(path, **options)
    return spandrel.ImageModelDescriptor(
        network, network.state_dict(), HiifArchitecture(), purpose="SR", scale=int(scale), input_channels=3, output_channels=3,
        tags=[network.config["encoder"], network.config["decoder"]],
        supports_half=False, supports_bfloat16=False,  # coordinates need float32
        tiling=spandrel.ModelTiling.DISCOURAGED,  # the attention's context is that of the whole output
        call_fn=lambda model, image: model(image, (image.shape[2] * int(scale), image.shape[3] * int(scale))))
