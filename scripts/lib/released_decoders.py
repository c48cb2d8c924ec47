"""Released checkpoints of MetaSR, LTE, CLIT, CiaoSR and SRNO: their names of parameters to ours (docs/decoders.md),
and what the decoder's sizes are. Used by convert_checkpoint.py."""

import re

import torch

# Of CiaoSR and the original MetaSR: RGB means in [0,1].
DIV2K_MEAN = (0.4488, 0.4371, 0.404)
CIAOSR_LICENSE = "CC-BY-NC-4.0 (CiaoSR's released weights: not for commercial use)"


class Unsupported(Exception):
    """A variant that cannot be converted."""


def count(tensors, prefix):
    """1 + the largest N of the names prefix + N + '.'."""
    found = [name[len(prefix) :].split(".")[0] for name in tensors if name.startswith(prefix)]
    return 1 + max((int(text) for text in found if text.isdigit()), default=-1)


def hidden(tensors, name):
    last = count(tensors, f"{name}.layers.") - 1
    return [tensors[f"{name}.layers.{i}.weight"].shape[0] for i in range(0, last, 2)]


def lte_fast(tensors):
    """LTE+: 1x1 convolutions, and the row frequencies before the column frequencies."""
    renamed = {}
    for name, tensor in tensors.items():
        if re.fullmatch(r"layers\.\d+\.(weight|bias)", name):
            renamed["imnet." + name] = tensor.flatten(1) if tensor.dim() == 4 else tensor
        elif name in ("freq.weight", "freq.bias"):
            half = tensor.shape[0] // 2
            renamed[name] = torch.stack([tensor[:half], tensor[half:]], dim=1).reshape(tensor.shape)
        else:
            renamed[name] = tensor
    return renamed, {}


def original_metasr(tensors):
    """The authors' own MetaSR: the inputs are ordered (1/scale, row, column), values are 0 to 255."""
    renamed = {}
    for name, tensor in tensors.items():
        if name.startswith("P2W.meta_block."):
            name = "imnet.layers." + name.removeprefix("P2W.meta_block.")
            if name == "imnet.layers.0.weight":
                tensor = tensor[:, [1, 2, 0]]
        elif not name.startswith("encoder."):
            name = "encoder." + name
        renamed[name] = tensor
    return renamed, {"mean": DIV2K_MEAN, "std": (1 / 255,) * 3}


def ciaosr(tensors):
    """CiaoSR by mmcv: the prefix `generator.`, and encoders under mmediting's names."""
    tensors = {name.removeprefix("generator."): tensor for name, tensor in tensors.items()}
    if any(name.startswith(("cs_attn.downx3", "cs_attn.downx4")) for name in tensors):
        raise Unsupported("a multi-scale variant of CiaoSR (cs_attn.downx3, downx4), which was never released")
    own = ("imnet_k.", "imnet_v.", "imnet_q.", "cs_attn.")
    decoder = {name: tensor for name, tensor in tensors.items() if name.startswith(own)}
    decoder.pop("cs_attn.escape_NaN", None)  # a constant
    encoder = {name.removeprefix("encoder."): t for name, t in tensors.items() if not name.startswith(own)}
    native = "head.0.weight" in encoder or "SFENet1.weight" in encoder
    renames = []
    if not native and "sfe1.weight" in encoder:
        renames = [
            (r"sfe1\.", "SFENet1."),
            (r"sfe2\.", "SFENet2."),
            (r"rdbs\.(\d+)\.layers\.(\d+)\.conv\.", r"RDBs.\1.convs.\2.conv.0."),
            (r"rdbs\.(\d+)\.lff\.", r"RDBs.\1.LFF."),
            (r"gff\.(\d+)\.", r"GFF.\1."),
        ]
    elif not native and "patch_embed.norm.weight" not in encoder:
        blocks = count(encoder, "body.")
        renames = [
            (r"conv_first\.", "head.0."),
            (r"body\.(\d+)\.conv1\.", r"body.\1.body.0."),
            (r"body\.(\d+)\.conv2\.", r"body.\1.body.2."),
            (r"conv_after_body\.", f"body.{blocks}."),
        ]
    renamed = {}
    for name, tensor in encoder.items():
        for pattern, replacement in renames:
            new, found = re.subn("^" + pattern, replacement, name)
            if found:
                name = new
                break
        renamed["encoder." + name] = tensor
    return renamed | decoder, {"mean": DIV2K_MEAN, "std": (1.0, 1.0, 1.0), "license": CIAOSR_LICENSE}


def to_native(tensors):
    """Returns (tensors under our names, what the file does not say: mean, std, license)."""
    if any(name.startswith("P2W.meta_block.") for name in tensors):
        return original_metasr(tensors)
    if "coef.weight" in tensors and "layers.0.weight" in tensors:
        return lte_fast(tensors)
    if any(name.removeprefix("generator.").startswith("imnet_k.") for name in tensors):
        return ciaosr(tensors)
    return tensors, {}


def decoder_config(tensors):
    """(name, sizes) where the tensors are of one of the five, else None. What shapes do not tell is as released."""
    if "coef.weight" in tensors:
        return "lte", {"features": tensors["coef.weight"].shape[0], "hidden": hidden(tensors, "imnet"), "cell_limit": 4}
    if "conv_ch.weight" in tensors:
        features = tensors["conv_ch.weight"].shape[0]
        keys = (tensors["imnets.0.layers.0.weight"].shape[1] - 2) // features
        return "clit", {
            "features": features,
            "heads": tensors["pb_encoder.proj.weight"].shape[0],
            "radius": (round(keys**0.5) - 1) // 2,
            "stages": count(tensors, "imnets."),
            "hidden": hidden(tensors, "imnets.0"),
            "exponent_range": 10,
        }
    if "imnet_k.layers.0.weight" in tensors:
        return "ciaosr", {
            "hidden_key": hidden(tensors, "imnet_k"),
            "hidden_value": hidden(tensors, "imnet_v"),
            "hidden_query": hidden(tensors, "imnet_q"),
            "non_local": "cs_attn.down.weight" in tensors,
        }
    if "conv00.weight" in tensors:
        return "srno", {
            "width": tensors["conv00.weight"].shape[0],
            "heads": tensors["conv0.kln.weight"].shape[0],
            "attention_blocks": sum(f"conv{i}.kln.weight" in tensors for i in range(64)),
            "hidden": tensors["fc1.weight"].shape[0],
            "cell_limit": 4,
        }
    first = tensors.get("imnet.layers.0.weight")
    if first is not None and first.shape[1] == 3 and count(tensors, "imnet.layers.") == 3:
        return "metasr", {"hidden": first.shape[0]}
    return None
