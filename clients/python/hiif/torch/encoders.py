"""Encoders: normalised images (N,3,h,w) to latent codes (N,C,h,w). Parameter names are those of released files."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


def _conv(inputs, outputs, kernel=3):
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


class _ResidualBlock(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.body = nn.Sequential(_conv(features, features), nn.ReLU(), _conv(features, features))

    def forward(self, x):
        return x + self.body(x)


class EdsrBaseline(nn.Module):
    """Lim et al., CVPRW 2017, without its upsampling."""

    def __init__(self, features=64, blocks=16):
        super().__init__()
        self.features = features
        self.head = nn.Sequential(_conv(3, features))
        self.body = nn.Sequential(*(_ResidualBlock(features) for _ in range(blocks)), _conv(features, features))

    def forward(self, image):
        head = self.head(image)
        return head + self.body(head)


class _DenseLayer(nn.Module):
    def __init__(self, inputs, growth):
        super().__init__()
        self.conv = nn.Sequential(_conv(inputs, growth), nn.ReLU())

    def forward(self, x):
        return torch.cat([x, self.conv(x)], 1)


class _DenseBlock(nn.Module):
    def __init__(self, base, layers, growth):
        super().__init__()
        self.convs = nn.Sequential(*(_DenseLayer(base + i * growth, growth) for i in range(layers)))
        self.LFF = _conv(base + layers * growth, base, 1)

    def forward(self, x):
        return self.LFF(self.convs(x)) + x


class Rdn(nn.Module):
    """Zhang et al., CVPR 2018, without its upsampling; the defaults are configuration B."""

    def __init__(self, base_features=64, blocks=16, layers_per_block=8, growth=64):
        super().__init__()
        self.features = base_features
        self.SFENet1 = _conv(3, base_features)
        self.SFENet2 = _conv(base_features, base_features)
        self.RDBs = nn.ModuleList(_DenseBlock(base_features, layers_per_block, growth) for _ in range(blocks))
        self.GFF = nn.Sequential(_conv(blocks * base_features, base_features, 1), _conv(base_features, base_features))

    def forward(self, image):
        first = self.SFENet1(image)
        x = self.SFENet2(first)
        outputs = []
        for block in self.RDBs:
            x = block(x)
            outputs.append(x)
        return self.GFF(torch.cat(outputs, 1)) + first


def _to_windows(x, window):
    n, h, w, c = x.shape
    x = x.reshape(n, h // window, window, w // window, window, c).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(-1, window * window, c)


def _from_windows(windows, window, h, w):
    x = windows.reshape(-1, h // window, w // window, window, window, windows.shape[2])
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, h, w, windows.shape[2])


def _position_index(window):
    i = torch.arange(window * window)
    row, column = i // window, i % window
    rows = row[:, None] - row[None, :] + window - 1
    columns = column[:, None] - column[None, :] + window - 1
    return rows * (2 * window - 1) + columns


def _shift_mask(h, w, window, shift, like):
    """-100 between pixels of opposite sides of the image, which the shift brings into one window."""
    def region(size):
        i = torch.arange(size, device=like.device)
        return (i >= size - window).long() + (i >= size - shift).long()

    label = region(h)[:, None] * 3 + region(w)[None, :]
    windows = _to_windows(label[None, :, :, None], window)[..., 0]
    return (windows[:, None, :] != windows[:, :, None]).to(like.dtype) * -100.0


class _WindowAttention(nn.Module):
    def __init__(self, dim, heads, window):
        super().__init__()
        self.heads = heads
        self.scale = (dim / heads) ** -0.5
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.register_buffer("relative_position_index", _position_index(window), persistent=False)

    def forward(self, windows, mask):
        count, size, dim = windows.shape
        qkv = self.qkv(windows).reshape(count, size, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        attention = (qkv[0] * self.scale) @ qkv[1].transpose(-2, -1)
        bias = self.relative_position_bias_table[self.relative_position_index.reshape(-1)]
        attention = attention + bias.reshape(size, size, self.heads).permute(2, 0, 1)
        if mask is not None:
            attention = (attention.reshape(-1, mask.shape[0], self.heads, size, size) + mask[None, :, None]).reshape(
                count, self.heads, size, size)
        return self.proj((attention.softmax(-1) @ qkv[2]).transpose(1, 2).reshape(count, size, dim))


class _Mlp(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class _SwinLayer(nn.Module):
    def __init__(self, dim, heads, window, hidden, shifted):
        super().__init__()
        self.window = window
        self.shift = window // 2 if shifted else 0
        self.norm1 = nn.LayerNorm(dim)
        self.attn = _WindowAttention(dim, heads, window)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = _Mlp(dim, hidden)

    def forward(self, x, mask):
        _, h, w, _ = x.shape
        y = self.norm1(x)
        if self.shift:
            y = y.roll((-self.shift, -self.shift), (1, 2))
        y = self.attn(_to_windows(y, self.window), mask if self.shift else None)
        y = _from_windows(y, self.window, h, w)
        if self.shift:
            y = y.roll((self.shift, self.shift), (1, 2))
        x = x + y
        return x + self.mlp(self.norm2(x))


class _ResidualGroup(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.blocks = nn.ModuleList(layers)


class _SwinGroup(nn.Module):
    def __init__(self, dim, depth, heads, window, hidden):
        super().__init__()
        self.residual_group = _ResidualGroup(
            _SwinLayer(dim, heads, window, hidden, i % 2 == 1) for i in range(depth))
        self.conv = _conv(dim, dim)

    def forward(self, x, mask):
        y = x
        for layer in self.residual_group.blocks:
            y = layer(y, mask)
        return self.conv(y.permute(0, 3, 1, 2)).permute(0, 2, 3, 1) + x


class _PatchEmbed(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(dim)


def _mirrored(size, padded, edge, device):
    period = max(2 * size if edge else 2 * size - 2, 1)
    i = torch.arange(padded, device=device) % period
    return torch.minimum(i, (period - edge - i).clamp(min=0))


def pad_mirrored(image, height, width, edge):
    """Mirrored at the bottom and right as often as needed. edge: whether the last pixel is repeated."""
    rows = _mirrored(image.shape[2], height, edge, image.device)
    return image[:, :, rows][:, :, :, _mirrored(image.shape[3], width, edge, image.device)]


class SwinIr(nn.Module):
    """Liang et al., ICCVW 2021, up to its conv_before_upsample, and without it where output_features is 0 (as CiaoSR
    has it). Sides are padded to whole windows and cut again."""

    def __init__(self, embed_dim=180, depths=(6,) * 6, heads=(6,) * 6, window=8, mlp_hidden=360, output_features=64):
        super().__init__()
        self.features = output_features or embed_dim
        self.window = window
        self.conv_first = _conv(3, embed_dim)
        self.patch_embed = _PatchEmbed(embed_dim)
        self.layers = nn.ModuleList(
            _SwinGroup(embed_dim, depth, head, window, mlp_hidden) for depth, head in zip(depths, heads))
        self.norm = nn.LayerNorm(embed_dim)
        self.conv_after_body = _conv(embed_dim, embed_dim)
        self.conv_before_upsample = (
            nn.Sequential(_conv(embed_dim, output_features), nn.LeakyReLU(0.01)) if output_features else None)

    def forward(self, image):
        h, w = image.shape[2:]
        window = self.window
        image = pad_mirrored(image, -(-h // window) * window, -(-w // window) * window,
                             edge=self.conv_before_upsample is not None)
        mask = _shift_mask(image.shape[2], image.shape[3], window, window // 2, image)
        first = self.conv_first(image)
        x = self.patch_embed.norm(first.permute(0, 2, 3, 1))
        for group in self.layers:
            x = group(x, mask)
        deep = self.conv_after_body(self.norm(x).permute(0, 3, 1, 2)) + first
        if self.conv_before_upsample is not None:
            deep = self.conv_before_upsample(deep)
        return deep[:, :, :h, :w]


ENCODERS = {"edsr-baseline": EdsrBaseline, "rdn": Rdn, "swinir": SwinIr}
