"""Export to ONNX: two graphs, since what lies between them (tables of neighbours and bits) is indexing, not a network.

    encoder, decoder = export(network, "folder")          # encoder.onnx, decoder.onnx
    sessions = [onnxruntime.InferenceSession(path) for path in (encoder, decoder)]
    large = run(network, sessions, image, (405, 600))

encoder: image (1,3,h,w) in [0,1] to features (1,C,h,w). decoder (HIIF): neighbours (4,1,Q,C), weighted; position
(levels,Q,2); cell (1,Q,2); to colours (1,Q,3). The attention context is that of the Q queries of the call.
"""

from __future__ import annotations

import os
import pathlib

import numpy
import torch
from torch import nn

from .coordinates import axis, bilinear, ensemble_weights
from .decoders import Hiif, _gather
from .network import Network


class _Encoder(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, image):
        return self.network.encode(image)


class _Decoder(nn.Module):
    def __init__(self, decoder):
        super().__init__()
        self.decoder = decoder

    def forward(self, neighbours, position, cell):
        return self.decoder.decode(neighbours, position, cell)


def _inputs(network, features, size):
    h, w = features.shape[2:]
    rows = axis(network.coordinates, h, size[0], network.decoder.levels)
    columns = axis(network.coordinates, w, size[1], network.decoder.levels)
    neighbours = _gather(features, rows, columns) * ensemble_weights(rows, columns).reshape(4, 1, -1, 1)
    cell = network.decoder.cells(features, rows, columns, *size).contiguous()
    return (neighbours, network.decoder.position(rows, columns), cell), rows, columns


def export(network: Network, folder: str | os.PathLike) -> tuple[pathlib.Path, pathlib.Path]:
    """Writes encoder.onnx and decoder.onnx. ValueError: a decoder other than HIIF, an encoder with SwinIR's windows."""
    if not isinstance(network.decoder, Hiif):
        raise ValueError("only the HIIF decoder is exported")
    if network.config["encoder"] == "swinir":
        raise ValueError("SwinIR's masks depend on the image's size: export it for one size by torch.onnx.export")
    folder = pathlib.Path(folder)
    image = torch.rand(1, 3, 12, 16)
    with torch.inference_mode(False), torch.no_grad():
        features = network.encode(image)
        inputs, _, _ = _inputs(network, features, (19, 33))
        common = dict(opset_version=17, dynamo=False)
        torch.onnx.export(_Encoder(network), (image,), str(folder / "encoder.onnx"), input_names=["image"],
                          output_names=["features"],
                          dynamic_axes={"image": {2: "h", 3: "w"}, "features": {2: "h", 3: "w"}}, **common)
        torch.onnx.export(_Decoder(network.decoder), inputs, str(folder / "decoder.onnx"),
                          input_names=["neighbours", "position", "cell"], output_names=["colours"],
                          dynamic_axes={"neighbours": {2: "q"}, "position": {1: "q"}, "cell": {1: "q"},
                                        "colours": {1: "q"}}, **common)
    return folder / "encoder.onnx", folder / "decoder.onnx"


def run(network: Network, sessions, image: numpy.ndarray, size: tuple[int, int]) -> numpy.ndarray:
    """The exported graphs with the tables between them: (1,3,h,w) in [0,1] to (1,3,H,W)."""
    encoder, decoder = sessions
    features = torch.from_numpy(encoder.run(None, {"image": image})[0])
    inputs, rows, columns = _inputs(network, features, size)
    names = ("neighbours", "position", "cell")
    colours = torch.from_numpy(decoder.run(None, {k: v.numpy() for k, v in zip(names, inputs)})[0])
    output = colours.transpose(1, 2).reshape(1, 3, *size)
    output = output + bilinear(torch.from_numpy((image - 0.5) / 0.5), rows, columns)
    return network.finish(output, torch.from_numpy(image)).numpy()
