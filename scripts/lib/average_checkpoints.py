"""Mean of the weights of checkpoints of one network (docs/training.md): where runs that began with the same weights have
ended, it is often better than each of them."""

import argparse
import sys

import torch
from convert_checkpoint import differences, other_tensors, read_safetensors, write

parser = argparse.ArgumentParser(prog="average-checkpoints", description=__doc__)
parser.add_argument("output", help="native checkpoint to write, float32")
parser.add_argument("inputs", nargs="+", help="native checkpoints; the metadata of the first are kept")
options = parser.parse_args()

first, total = None, None
for path in options.inputs:
    try:
        tensors, metadata = read_safetensors(path)
    except Exception as error:  # json, struct and torch each have their own
        sys.exit(f"average-checkpoints: {path} cannot be read as a native checkpoint: {error}")
    first = first or metadata
    different = differences(metadata, first)
    if different:
        sys.exit(f"average-checkpoints: {path} is another network than {options.inputs[0]}: {', '.join(different)} differ")
    if total is None:
        total = {name: torch.zeros(tensor.shape, dtype=torch.double) for name, tensor in tensors.items()}
    # A network for photographs has a second one, which one without it would halve.
    if others := other_tensors(tensors, total):
        sys.exit(f"average-checkpoints: {path} has other tensors than {options.inputs[0]}: {others}")
    for name, tensor in tensors.items():
        total[name] += tensor.double()
mean = {name: (tensor / len(options.inputs)).float() for name, tensor in total.items()}
# The figures of the first are not those of the mean.
write(options.output, mean, {key: value for key, value in first.items() if key != "psnr"}, torch.float32)
