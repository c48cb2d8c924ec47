"""Pixel positions as the decoders take them: short tables, one for the rows and one for the columns of an output.

`exact` is integer arithmetic; `reference` follows the released code's float32 steps, which published checkpoints were
trained with. The formulas are those of model/layers/coordinates.cc.
"""

from __future__ import annotations

import dataclasses

import numpy
import torch


@dataclasses.dataclass
class Axis:
    """One axis of an output of `n` positions over an image of `low` pixels."""

    mode: str
    index: torch.Tensor  # (2,n) int64: the lower and the upper neighbour
    distance: torch.Tensor  # (2,n) to each neighbour, in low-resolution pixels
    local: torch.Tensor  # (n,) between the neighbours
    bits: torch.Tensor  # (levels,n)
    sample: torch.Tensor  # (n,) int64: left pixel of the bilinear residual
    fraction: torch.Tensor  # (n,) of the way to its right neighbour

    def to(self, device) -> Axis:
        return dataclasses.replace(self, **{
            field.name: getattr(self, field.name).to(device)
            for field in dataclasses.fields(self) if field.name != "mode"})


def axis(mode: str, low: int, high: int, levels: int) -> Axis:
    """All positions 0 .. high-1. ValueError: a mode other than "exact" and "reference"."""
    if mode not in ("exact", "reference"):
        raise ValueError(f'coordinates: "{mode}" is neither "exact" nor "reference"')
    made = (_exact if mode == "exact" else _reference)(low, high, levels)
    return Axis(mode, *(torch.from_numpy(numpy.ascontiguousarray(array)) for array in made))


def _exact(low, high, levels):
    twice = 2 * numpy.arange(high, dtype=numpy.int64) + 1
    numerator, denominator = twice * low - high, 2 * high
    k = numerator // denominator
    remainder = numerator - k * denominator
    local = remainder / denominator
    index = numpy.clip(numpy.stack([k, k + 1]), 0, low - 1)
    distance = ((k - index) + local).astype(numpy.float32)
    level = numpy.arange(1, levels + 1)[:, None]
    bits = ((remainder << level) // denominator) & 1
    inside = (k >= 0) & (k < low - 1)
    fraction = numpy.where(inside, local, 0).astype(numpy.float32)
    return (index, distance, local.astype(numpy.float32), bits.astype(numpy.float32),
            numpy.clip(k, 0, low - 1), fraction)


def _centre(i, n):
    f = numpy.float32
    return f(-1.0 + 1.0 / n) + f(2.0 / n) * i.astype(f)


def _reference(low, high, levels):
    f = numpy.float32
    c = _centre(numpy.arange(high), high)
    index, distance = [], []
    for v in (-1.0, 1.0):
        shifted = numpy.clip(c + f(v * (2.0 / low / 2.0) + 1e-6), f(-1.0 + 1e-6), f(1.0 - 1e-6))
        position = ((shifted + f(1)) * f(low) - f(1)) / f(2)
        nearest = numpy.clip(numpy.rint(position).astype(numpy.int64), 0, low - 1)
        index.append(nearest)
        distance.append((c - _centre(nearest, low)) * f(low / 2.0))
    local = numpy.where(distance[0] > 0, distance[0], f(1.0 / low) - distance[0])
    limited = numpy.minimum(numpy.maximum(local - f(1e-9), f(0)), f(1))
    level = numpy.arange(1, levels + 1)[:, None]
    bits = numpy.floor(limited * (2.0 ** level).astype(f)) % 2
    position = ((c + f(1)) * f(low) - f(1)) / f(2)
    clipped = numpy.minimum(numpy.maximum(position, f(0)), f(low) - f(1))
    sample = numpy.floor(clipped)
    return (numpy.stack(index), numpy.stack(distance), local, bits.astype(f), sample.astype(numpy.int64),
            clipped - sample)


def ensemble_weights(rows: Axis, columns: Axis) -> torch.Tensor:
    """(4,H,W): how much each neighbour counts, in the order (-,-), (-,+), (+,-), (+,+)."""
    if rows.mode == "exact":
        r, c = rows.local[:, None], columns.local[None, :]
        return torch.stack([(1 - r) * (1 - c), (1 - r) * c, r * (1 - c), r * c])
    area = torch.stack([
        (rows.distance[k // 2][:, None] * columns.distance[k % 2][None, :]).abs() + 1e-9 for k in range(4)])
    total = ((area[0] + area[1]) + area[2]) + area[3]
    return torch.stack([area[3], area[2], area[1], area[0]]) / total  # the diagonally opposite rectangle


def bilinear(image: torch.Tensor, rows: Axis, columns: Axis) -> torch.Tensor:
    """(N,C,h,w) at every position: (N,C,H,W), the border replicated."""
    def along(x, a, dim):
        after = torch.clamp(a.sample + 1, max=x.shape[dim] - 1)
        shape = [1] * x.dim()
        shape[dim] = -1
        fraction = a.fraction.reshape(shape)
        return x.index_select(dim, a.sample) * (1 - fraction) + x.index_select(dim, after) * fraction

    return along(along(image, rows, 2), columns, 3)
