"""Encoder and decoder together."""

from __future__ import annotations

import torch
from torch import nn

from .coordinates import axis, bilinear
from .decoders import DECODERS
from .encoders import ENCODERS
from .limits import limit_colour, limit_tones


class Network(nn.Module):
    """Images (N,3,h,w) in [0,1] to any size. `config`: what the checkpoint says of itself.

    Parameters have the names of the checkpoint, so state_dict() of one fits the other.
    """

    def __init__(self, encoder="edsr-baseline", decoder="hiif", coordinates="exact", encoder_config=None,
                 decoder_config=None):
        super().__init__()
        for name, value, known in (("encoder", encoder, ENCODERS), ("decoder", decoder, DECODERS)):
            if value not in known:
                raise ValueError(f'{name}: "{value}" is none of {", ".join(known)}')
        self.coordinates = coordinates
        self.config = {"encoder": encoder, "decoder": decoder, "coordinates": coordinates,
                       "encoder_config": encoder_config or {}, "decoder_config": decoder_config or {}}
        self.encoder = ENCODERS[encoder](**(encoder_config or {}))
        self.decoder = DECODERS[decoder](self.encoder.features, **(decoder_config or {}))
        self.metadata: dict[str, str] = {}
        # Of limit_tones() and limit_colour(), which only forward() asks for; None: not limited.
        self.tone_slack: float | None = None
        self.colour_slack: float | None = None

    def encode(self, image: torch.Tensor) -> torch.Tensor:
        """(N,3,h,w) in [0,1] to what queries gather from, (N,C,h,w)."""
        return self.decoder.prepare(self.encoder((image - 0.5) / 0.5))

    def raw(self, image: torch.Tensor, size: tuple[int, int], features: torch.Tensor | None = None) -> torch.Tensor:
        """(N,3,H,W) in the normalised range [-1,1], not clamped: what a loss is taken of."""
        height, width = size
        features = self.encode(image) if features is None else features
        h, w = features.shape[2:]
        levels = self.decoder.levels
        rows = axis(self.coordinates, h, height, levels).to(features.device)
        columns = axis(self.coordinates, w, width, levels).to(features.device)
        colours = self.decoder(features, rows, columns, height, width)
        output = colours.transpose(1, 2).reshape(-1, 3, height, width)
        if self.config["decoder"] == "liif":
            return output  # LIIF has no residual
        return output + bilinear((image - 0.5) / 0.5, rows, columns)

    def forward(self, image: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """(N,3,h,w) in [0,1] to (N,3,H,W) in [0,1]; the attention context is that of the whole output."""
        return self.finish(self.raw(image, size), image)

    def finish(self, raw: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """What raw() gave as an image in [0,1], its tones and colours limited where the checkpoint says so."""
        normalised = (image - 0.5) / 0.5
        if self.tone_slack is not None:
            raw = limit_tones(raw, normalised, self.tone_slack)
        if self.colour_slack is not None:
            raw = limit_colour(raw, normalised, self.colour_slack)
        return (raw * 0.5 + 0.5).clamp(0, 1)
