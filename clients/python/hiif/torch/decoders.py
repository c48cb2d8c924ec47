"""Decoders: what is gathered around each output pixel to its colour. Shapes: N images, Q queries, C channels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .coordinates import Axis, ensemble_weights


def _gather(features, rows: Axis, columns: Axis):
    """(N,C,h,w) at the four neighbours of every position: (4,N,Q,C)."""
    n, c, _, w = features.shape
    flat = features.permute(0, 2, 3, 1).reshape(n, -1, c)
    return torch.stack([
        flat[:, (rows.index[k // 2][:, None] * w + columns.index[k % 2][None, :]).reshape(-1)] for k in range(4)])


class _Mlp(nn.Module):
    """fc2(gelu(fc1(LayerNorm(v))))."""

    def __init__(self, inputs, hidden, outputs):
        super().__init__()
        self.norm = nn.LayerNorm(inputs)
        self.fc1 = nn.Linear(inputs, hidden)
        self.fc2 = nn.Linear(hidden, outputs)

    def forward(self, v):
        return self.fc2(F.gelu(self.fc1(self.norm(v))))


class _Attention(nn.Module):
    """Linear attention: what it needs of all queries is the mean of k^T v, the context."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv_proj = nn.Linear(width, 3 * width)
        self.kln = nn.LayerNorm(width // heads)
        self.vln = nn.LayerNorm(width // heads)
        self.proj1 = nn.Linear(width, width)
        self.proj2 = nn.Linear(width, width)

    def _split(self, x):
        qkv = self.qkv_proj(x).reshape(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)
        return qkv.chunk(3, -1)  # per head: q, k, v

    def context(self, x):
        """(N,Q,C) to (N,heads,d,d)."""
        _, k, v = self._split(x)
        return self.kln(k).transpose(-2, -1) @ self.vln(v) / x.shape[1]

    def forward(self, x, context=None):
        q, k, v = self._split(x)
        if context is None:
            context = self.kln(k).transpose(-2, -1) @ self.vln(v) / x.shape[1]
        y = x + (q @ context).transpose(1, 2).reshape(x.shape)
        return x + self.proj2(F.gelu(self.proj1(y)))


class Hiif(nn.Module):
    """Jiang et al., CVPR 2025. `ablation` as in table 4: "none", "v1-H" (no hierarchy), "v2-MS" (one scale), "v3-MH" (no attention)."""

    def __init__(self, features, width=256, levels=6, heads=16, attention_blocks=2, ablation="none"):
        super().__init__()
        self.levels = levels
        self.ablation = ablation
        self.freq = nn.Conv2d(features, width, 3, padding=1)
        single = ablation == "v2-MS"
        first = 4 * width + 2 + (2 * levels if single else 2)
        later = width + (0 if single else 2)
        self.fc_layers = nn.ModuleList(
            _Mlp(first if level == 0 else later, width, 3 if level + 1 == levels else width)
            for level in range(levels))
        self.attention_blocks = 0 if ablation == "v3-MH" else attention_blocks
        for block in range(self.attention_blocks):
            setattr(self, f"conv{block}", _Attention(width, heads))  # the name in released files

    def prepare(self, latents):
        """Latent codes (N,C_e,h,w) to what queries gather from (N,width,h,w)."""
        return self.freq(latents)

    @staticmethod
    def cell(low, high):
        """Of one axis. Training never saw more than x4."""
        return 2.0 / high * low * max(high / low / 4.0, 1.0)

    def forward(self, features, rows: Axis, columns: Axis, height, width):
        """(N,Q,3), Q in raster order; the attention context is that of these queries."""
        neighbours = _gather(features, rows, columns) * ensemble_weights(rows, columns).reshape(4, 1, -1, 1)
        return self.decode(neighbours, self.position(rows, columns),
                           self.cells(features, rows, columns, height, width))

    def cells(self, features, rows, columns, height, width):
        queries = rows.local.shape[0] * columns.local.shape[0]
        cell = torch.tensor([self.cell(features.shape[2], height), self.cell(features.shape[3], width)],
                            dtype=features.dtype, device=features.device)
        return cell.expand(features.shape[0], queries, 2)

    def position(self, rows, columns):
        """(levels,Q,2): the bits of each level, row bit first; of "v1-H" the local coordinate."""
        if self.ablation == "v1-H":
            r, c = rows.local.expand(self.levels, -1), columns.local.expand(self.levels, -1)
        else:
            r, c = rows.bits, columns.bits
        shape = (self.levels, r.shape[1], c.shape[1])
        return torch.stack([r[:, :, None].expand(shape), c[:, None, :].expand(shape)], -1).reshape(
            self.levels, -1, 2)

    def decode(self, neighbours, position, cell):
        """The network alone, for export: weighted neighbours (4,N,Q,width), position (levels,Q,2), cell (N,Q,2)."""
        n, queries = cell.shape[:2]
        level = [p.expand(n, queries, 2) for p in position]
        x = torch.cat([*neighbours, cell], -1)
        x = self.fc_layers[0](torch.cat([x, *level], -1) if self.ablation == "v2-MS" else
                              torch.cat([x, level[0]], -1))
        for block in range(self.attention_blocks):
            x = getattr(self, f"conv{block}")(x)
        for i in range(1, self.levels):
            x = self.fc_layers[i](x if self.ablation == "v2-MS" else torch.cat([x, level[i]], -1))
        return x


class _Imnet(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        layers = []
        for size in hidden:
            layers += [nn.Linear(inputs, size), nn.ReLU()]
            inputs = size
        self.layers = nn.Sequential(*layers, nn.Linear(inputs, 3))

    def forward(self, x):
        return self.layers(x)


class Liif(nn.Module):
    """Chen et al., CVPR 2021, with feature unfolding and local ensemble."""

    levels = 0

    def __init__(self, features, hidden=(256, 256, 256, 256)):
        super().__init__()
        self.imnet = _Imnet(features * 9 + 4, hidden)

    def prepare(self, latents):
        """The 3x3 neighbourhoods: (N,9*C_e,h,w)."""
        n, c, h, w = latents.shape
        return F.unfold(latents, 3, padding=1).reshape(n, c * 9, h, w)

    def forward(self, features, rows: Axis, columns: Axis, height, width):
        n, _, h, w = features.shape
        cell = torch.tensor([2.0 * h / height, 2.0 * w / width], dtype=features.dtype, device=features.device)
        gathered = _gather(features, rows, columns)
        weights = ensemble_weights(rows, columns).reshape(4, -1, 1)
        shape = (rows.local.shape[0], columns.local.shape[0])
        total = 0
        for k in range(4):
            distance = torch.stack([rows.distance[k // 2][:, None].expand(shape),
                                    columns.distance[k % 2][None, :].expand(shape)], -1).reshape(-1, 2)
            queries = distance.shape[0]
            x = torch.cat([gathered[k], (distance * 2).expand(n, queries, 2), cell.expand(n, queries, 2)], -1)
            total = total + self.imnet(x) * weights[k]
        return total


DECODERS = {"hiif": Hiif, "liif": Liif}
