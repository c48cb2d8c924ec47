"""An RDN that computes what an EDSR-baseline does, to train from (docs/training.md): function-preserving, as Net2Net
(Chen et al., ICLR 2016) widens networks. Each residual block becomes a dense block of two layers. The second layer of
a dense block ends in a ReLU, that of a residual block does not: its bias is raised by what keeps every photograph
given, a dither and noise above zero, and the fusion takes the same off again. All other weights of the RDN begin at
zero and learn."""

import argparse
import json
import sys

import numpy
import torch
from convert_checkpoint import read_safetensors, write
from PIL import Image
from torch.nn.functional import conv2d

parser = argparse.ArgumentParser(prog="edsr-to-rdn", description=__doc__)
parser.add_argument("output", help="native checkpoint to write, float32, with the decoder of the model")
parser.add_argument("model", help="native checkpoint whose encoder is edsr-baseline")
parser.add_argument("images", nargs="+", help="photographs that no ReLU may cut, for instance five of those to train with")
options = parser.parse_args()


def fail(message):
    sys.exit(f"edsr-to-rdn: {message}")


try:
    tensors, metadata = read_safetensors(options.model)
except Exception as error:  # json, struct and torch each have their own
    fail(f"{options.model} cannot be read as a native checkpoint: {error}")
if metadata.get("encoder") != "edsr-baseline":
    fail(f"{options.model} has the encoder {metadata.get('encoder')}, not edsr-baseline")
tensors = {name: tensor.float() for name, tensor in tensors.items()}
sizes = json.loads(metadata["encoder_config"])
features, blocks = sizes["features"], sizes["blocks"]


def edsr(name):
    return tensors[f"encoder.{name}.weight"], tensors[f"encoder.{name}.bias"]


def lowest(image):
    """Of one image: the lowest value of each block's second convolution, (blocks, features)."""
    pixels = numpy.asarray(image.convert("RGB"), dtype=numpy.float32) / 127.5 - 1
    with torch.inference_mode():
        x = conv2d(torch.from_numpy(pixels).permute(2, 0, 1)[None], *edsr("head.0"), padding=1)
        found = []
        for block in range(blocks):
            inner = conv2d(x, *edsr(f"body.{block}.body.0"), padding=1).relu()
            branch = conv2d(inner, *edsr(f"body.{block}.body.2"), padding=1)
            found.append(branch.amin(dim=(0, 2, 3)))
            x = x + branch
    return torch.stack(found)


# What no photograph has: dither, the edges of noise.
random = numpy.random.default_rng(1)
checkers = numpy.indices((64, 64)).sum(axis=0) % 2
extremes = [Image.fromarray((255 * ink).astype(numpy.uint8)) for ink in (checkers, random.integers(0, 2, (64, 64, 3)))]
try:
    images = [Image.open(path) for path in options.images] + extremes
    raised = -1.1 * torch.stack([lowest(image) for image in images]).amin(dim=0).clamp(max=0)
except OSError as error:
    fail(error)

identity = torch.eye(features)[:, :, None, None]
zero = torch.zeros(features)
delta = torch.zeros(features, features, 3, 3)
delta[:, :, 1:2, 1:2] = identity

rdn = {"SFENet1": edsr("head.0"), "SFENet2": (delta, zero)}
for block in range(blocks):
    second, bias = edsr(f"body.{block}.body.2")
    dense = f"RDBs.{block}"
    rdn[f"{dense}.convs.0.conv.0"] = edsr(f"body.{block}.body.0")
    rdn[f"{dense}.convs.1.conv.0"] = torch.cat([torch.zeros_like(second), second], 1), bias + raised[block]
    rdn[f"{dense}.LFF"] = torch.cat([torch.zeros(features, 2 * features, 1, 1), identity], 1), -raised[block]
rdn["GFF.0"] = torch.cat([torch.zeros(features, (blocks - 1) * features, 1, 1), identity], 1), zero
rdn["GFF.1"] = edsr(f"body.{blocks}")

result = {name: tensor for name, tensor in tensors.items() if not name.startswith("encoder.")}
for name, (weight, bias) in rdn.items():
    result[f"encoder.{name}.weight"], result[f"encoder.{name}.bias"] = weight, bias
sizes = {"base_features": features, "blocks": blocks, "growth": features, "layers_per_block": 2}
metadata |= {"encoder": "rdn", "encoder_config": json.dumps(sizes, sort_keys=True)}
metadata["provenance"] = f"encoder from an EDSR-baseline by edsr-to-rdn ({metadata.get('provenance', 'of unknown origin')})"
write(options.output, result, {key: value for key, value in metadata.items() if key not in ("psnr", "speed")}, torch.float32)
