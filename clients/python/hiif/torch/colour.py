"""The limit that a checkpoint sets to the colours of an enlargement (model/upscaler/colour_limit.h)."""

from __future__ import annotations

import numpy
import torch
import torch.nn.functional as F


def _before(n: int, low: int) -> torch.Tensor:
    """Of each of n positions the last of `low` pixels at or before it, -1 where there is none."""
    twice = 2 * numpy.arange(n, dtype=numpy.int64) + 1
    return torch.from_numpy((twice * low + n) // (2 * n) - 1)


def limit_colour(output: torch.Tensor, image: torch.Tensor, slack: float) -> torch.Tensor:
    """(N,3,H,W) with (R-G, B-G) of each pixel in the range of the 4 x 4 pixels of `image` (N,3,h,w) around it, widened by
    `slack` times its width on either side; luma stays. Both of the same range of values."""
    rows, columns = (_before(n, low).to(output.device) + 1 for n, low in zip(output.shape[2:], image.shape[2:]))
    around = F.pad(image[:, ::2] - image[:, 1:2], (2, 2, 2, 2), mode="replicate")
    high, low = F.max_pool2d(around, 4, 1), -F.max_pool2d(-around, 4, 1)
    room = slack * (high - low)
    low, high = ((x.index_select(2, rows).index_select(3, columns)) for x in (low - room, high + room))
    colour = output[:, ::2] - output[:, 1:2]
    limited = torch.minimum(torch.maximum(colour, low), high)
    weights = output.new_tensor([0.299, 0.114]).reshape(1, 2, 1, 1)
    luma = (output[:, ::2] * weights).sum(1, keepdim=True) + 0.587 * output[:, 1:2]
    green = luma - (limited * weights).sum(1, keepdim=True)
    moved = torch.cat([green + limited[:, :1], green, green + limited[:, 1:]], 1)
    return torch.where((limited == colour).all(1, keepdim=True), output, moved)
