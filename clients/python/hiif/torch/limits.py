"""The limits that a checkpoint sets to an enlargement (model/upscaler/output_limit.h)."""

from __future__ import annotations

import numpy
import torch
import torch.nn.functional as F


def _before(n: int, low: int) -> torch.Tensor:
    """Of each of n positions the last of `low` pixels at or before it, -1 where there is none."""
    twice = 2 * numpy.arange(n, dtype=numpy.int64) + 1
    return torch.from_numpy((twice * low + n) // (2 * n) - 1)


def _at(output: torch.Tensor, image: torch.Tensor, *around: torch.Tensor) -> list[torch.Tensor]:
    """What each 4 x 4 pixels of `image` has, at the pixels of `output` that lie within them."""
    rows, columns = (_before(n, low).to(output.device) + 1 for n, low in zip(output.shape[2:], image.shape[2:]))
    return [x.index_select(2, rows).index_select(3, columns) for x in around]


def limit_tones(output: torch.Tensor, image: torch.Tensor, slack: float) -> torch.Tensor:
    """(N,3,H,W) with each channel in the range of the 4 x 4 pixels of `image` (N,3,h,w) around it, widened by `slack` times
    its width on either side, where these have two tones alone. Both of the same range of values."""
    around = F.pad(image, (2, 2, 2, 2), mode="replicate")
    high, low = F.max_pool2d(around, 4, 1), -F.max_pool2d(-around, 4, 1)
    width = high - low
    n, channels, h, w = width.shape
    pixels = F.unfold(around, 4).reshape(n, channels, 16, h, w)
    ends = torch.minimum(pixels - low[:, :, None], high[:, :, None] - pixels) <= 0.021 * width[:, :, None]
    ends = ends.sum(2)
    room = (slack + 0.4 * (13 - ends).clamp(min=0)) * width
    room = room.masked_fill((ends <= 8) & (width > 0), torch.inf)
    low, high = _at(output, image, low - room, high + room)
    return torch.minimum(torch.maximum(output, low), high)


def limit_colour(output: torch.Tensor, image: torch.Tensor, slack: float) -> torch.Tensor:
    """(N,3,H,W) with (R-G, B-G) of each pixel in the range of the 4 x 4 pixels of `image` (N,3,h,w) around it, widened by
    `slack` times its width on either side; luma stays. Both of the same range of values."""
    around = F.pad(image[:, ::2] - image[:, 1:2], (2, 2, 2, 2), mode="replicate")
    high, low = F.max_pool2d(around, 4, 1), -F.max_pool2d(-around, 4, 1)
    room = slack * (high - low)
    low, high = _at(output, image, low - room, high + room)
    colour = output[:, ::2] - output[:, 1:2]
    limited = torch.minimum(torch.maximum(colour, low), high)
    weights = output.new_tensor([0.299, 0.114]).reshape(1, 2, 1, 1)
    luma = (output[:, ::2] * weights).sum(1, keepdim=True) + 0.587 * output[:, 1:2]
    green = luma - (limited * weights).sum(1, keepdim=True)
    moved = torch.cat([green + limited[:, :1], green, green + limited[:, 1:]], 1)
    return torch.where((limited == colour).all(1, keepdim=True), output, moved)
