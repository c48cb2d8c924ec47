"""Offline converter of checkpoints to the native safetensors format (docs/models.md).

Pickle is read here alone, with weights_only=True; neither the server nor any C++ program reads it. The network's
configuration is inferred from names and shapes and written as metadata; the C++ reader checks both again.
"""

import argparse
import hashlib
import json
import os
import struct
import sys

import released_decoders
import torch
from released_decoders import count

DERIVED_SUFFIXES = (".attn_mask", ".relative_position_index", ".rpe_biases", ".attn_mask_0", ".attn_mask_1")
DERIVED_PREFIXES = ("encoder.sub_mean.", "encoder.add_mean.")
DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
NAMES = {value: key for key, value in DTYPES.items()}


def fail(message):
    sys.exit(f"convert-checkpoint: {message}")


def read_safetensors(path):
    """Returns (tensors, metadata). ValueError: cut short, or other bytes than its data_sha256 says."""
    with open(path, "rb") as file:
        data = file.read()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    metadata = header.pop("__metadata__", {})
    if len(data) - 8 - size < max((entry["data_offsets"][1] for entry in header.values()), default=0):
        raise ValueError("it was cut short")
    if "data_sha256" in metadata and hashlib.sha256(data[8 + size :]).hexdigest() != metadata["data_sha256"]:
        raise ValueError("its weights are damaged: they are not those of its data_sha256")
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        if entry["dtype"] not in NAMES:
            continue  # derived buffers of integers
        raw = bytearray(data[8 + size + begin : 8 + size + end])
        tensors[name] = torch.frombuffer(raw, dtype=NAMES[entry["dtype"]]).reshape(entry["shape"])
    return tensors, metadata


def read_pth(path):
    """Returns (tensors, metadata) of a released file: model.{name,args,sd}, {state_dict}, or a bare state dict."""
    loaded = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(loaded, dict) and isinstance(loaded.get("model"), dict):
        loaded = loaded["model"]
    if isinstance(loaded, dict) and isinstance(loaded.get("sd"), dict):
        loaded = loaded["sd"]
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):  # mmcv, of which CiaoSR is
        loaded = loaded["state_dict"]
    if isinstance(loaded, dict) and isinstance(loaded.get("params"), dict):  # BasicSR, of which DAT is
        loaded = loaded["params"]
    tensors = {k: v for k, v in loaded.items() if isinstance(v, torch.Tensor)} if isinstance(loaded, dict) else {}
    if "before_RG.1.weight" in tensors:
        tensors = {("" if k.startswith("upsample.") else "encoder.") + k: v for k, v in tensors.items()}
    if not tensors:
        fail(f"{path} holds no parameters: expected model.sd of a released checkpoint, or a state dict")
    return tensors, {}


def read_or_fail(read, path):
    try:
        return read(path)
    except Exception as error:  # pickle, zip and struct each have their own
        fail(f"{path} cannot be read: {error}")


def clean(tensors):
    result = {}
    for name, tensor in tensors.items():
        name = name.removeprefix("module.")
        if name.endswith(DERIVED_SUFFIXES) or name.startswith(DERIVED_PREFIXES):
            continue
        result[name] = tensor.detach().to(torch.float32)
    return result


def fold_batch_norms(tensors):
    """Each batch norm of DAT, as it is in evaluation, into the convolution before it."""
    for name in [n.removesuffix("running_var") for n in tensors if n.endswith(".running_var")]:
        weight, bias, mean, variance = (tensors.pop(name + k) for k in ("weight", "bias", "running_mean", "running_var"))
        tensors.pop(name + "num_batches_tracked", None)
        sequence, place = name[:-1].rsplit(".", 1)
        convolution = f"{sequence}.{int(place) - 1}"
        factor = weight / (variance + 1e-5).sqrt()
        tensors[convolution + ".weight"] *= factor.reshape(-1, 1, 1, 1)
        tensors[convolution + ".bias"] = (tensors[convolution + ".bias"] - mean) * factor + bias


def encoder_config(tensors):
    if "encoder.SFENet1.weight" in tensors:
        return "rdn", {
            "base_features": tensors["encoder.SFENet1.weight"].shape[0],
            "blocks": count(tensors, "encoder.RDBs."),
            "layers_per_block": count(tensors, "encoder.RDBs.0.convs."),
            "growth": tensors["encoder.RDBs.0.convs.0.conv.0.weight"].shape[0],
        }
    if "encoder.before_RG.1.weight" in tensors:
        layers = count(tensors, "encoder.layers.")
        return "dat", {
            "embed_dim": tensors["encoder.conv_first.weight"].shape[0],
            "depths": [count(tensors, f"encoder.layers.{i}.blocks.") for i in range(layers)],
            "heads": [tensors[f"encoder.layers.{i}.blocks.1.attn.temperature"].shape[0] for i in range(layers)],
            "ffn_hidden": tensors["encoder.layers.0.blocks.0.ffn.fc1.weight"].shape[0],
            # Of DAT-light; the tensors do not tell.
            "window_short": 8,
            "window_long": 32,
            "output_scale": 15,
        }
    if "encoder.conv_first.weight" in tensors:
        layers = count(tensors, "encoder.layers.")
        last = "encoder.conv_before_upsample.0.weight"
        table = "encoder.layers.{}.residual_group.blocks.0.attn.relative_position_bias_table"
        return "swinir", {
            "embed_dim": tensors["encoder.conv_first.weight"].shape[0],
            "depths": [count(tensors, f"encoder.layers.{i}.residual_group.blocks.") for i in range(layers)],
            "heads": [tensors[table.format(i)].shape[1] for i in range(layers)],
            "window": (round(tensors[table.format(0)].shape[0] ** 0.5) + 1) // 2,
            "mlp_hidden": tensors["encoder.layers.0.residual_group.blocks.0.mlp.fc1.weight"].shape[0],
            # CiaoSR's form has no such layer.
            "output_features": tensors[last].shape[0] if last in tensors else 0,
        }
    if "encoder.head.0.weight" in tensors:
        return "edsr-baseline", {
            "features": tensors["encoder.head.0.weight"].shape[0],
            "blocks": count(tensors, "encoder.body.") - 1,
        }
    fail("holds no encoder that is known (EDSR-baseline, RDN, SwinIR, DAT)")


def decoder_config(tensors):
    peer = released_decoders.decoder_config(tensors)
    if peer is not None:
        return peer
    if "imnet.layers.0.weight" in tensors:
        last = count(tensors, "imnet.layers.") - 1
        return "liif", {"hidden": [tensors[f"imnet.layers.{i}.weight"].shape[0] for i in range(0, last, 2)]}
    if "freq.weight" in tensors:
        width = tensors["freq.weight"].shape[0]
        blocks = sum(f"conv{i}.kln.weight" in tensors for i in range(8))
        ablation = "none"
        if tensors["fc_layers.1.norm.weight"].shape[0] == width:
            ablation = "v2-MS"
        elif blocks == 0:
            ablation = "v3-MH"
        return "hiif", {
            "width": width,
            "levels": count(tensors, "fc_layers."),
            "heads": width // tensors["conv0.kln.weight"].shape[0] if blocks else 16,
            "attention_blocks": blocks,
            "ablation": ablation,
        }
    if "upsample.0.weight" in tensors:  # one scale, for `hiif-data cache`; not served
        return "pixel-shuffle", {"scale": round((tensors["upsample.0.weight"].shape[0] / 3) ** 0.5)}
    fail("holds no decoder that is known (HIIF, LIIF, MetaSR, LTE, CLIT, CiaoSR, SRNO)")


def normalisation(old, said):
    """(mean, std) of the input's metadata, else of the release it is, else of the LIIF framework."""

    def triple(key):
        if key not in old:
            return said.get(key, (0.5,) * 3)
        return tuple(float(value) for value in old[key].split(","))

    return triple("mean"), triple("std")


def differences(metadata, other):
    """In what the networks of two native checkpoints differ, by key; JSON's spaces do not count."""
    def network(values):
        return {key: json.loads(values[key]) if key.endswith("config") and values.get(key) else values.get(key)
                for key in ("encoder", "encoder_config", "decoder", "decoder_config", "coordinates", "normalisation", "mean", "std")}

    first, second = network(metadata), network(other)
    return [key for key in first if first[key] != second[key]]


def other_tensors(tensors, wanted):
    """The names of which one has no tensor, or one of another shape, for a message; empty: none."""
    names = [name for name in sorted(tensors.keys() | wanted.keys())
             if name not in tensors or name not in wanted or tensors[name].shape != wanted[name].shape]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def write(path, tensors, metadata, dtype):
    header, position, stored = {}, 0, []
    for name, tensor in sorted(tensors.items()):
        tensor = tensor.to(dtype).contiguous()
        # NumPy knows no bfloat16: the bits travel as integers.
        bits = tensor.view(torch.int16 if tensor.element_size() == 2 else torch.int32).numpy()
        stored.append(bits.astype(bits.dtype.newbyteorder("<")).tobytes())
        size = len(stored[-1])
        header[name] = {"dtype": DTYPES[dtype], "shape": list(tensor.shape), "data_offsets": [position, position + size]}
        position += size
    checksum = hashlib.sha256(b"".join(stored)).hexdigest()
    header["__metadata__"] = {**metadata, "data_sha256": checksum}
    text = json.dumps(header, sort_keys=True).encode()
    text += b" " * (-len(text) % 8)
    temporary = path + ".part"
    with open(temporary, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for values in stored:
            file.write(values)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def main():
    parser = argparse.ArgumentParser(prog="convert-checkpoint", description=__doc__.splitlines()[0])
    parser.add_argument("input", help="released .pth, or a safetensors file with the official parameter names")
    parser.add_argument("output", help="native checkpoint to write, NAME.safetensors")
    parser.add_argument("--decoder", metavar="FILE", help="take the decoder of this safetensors file instead of the input's")
    parser.add_argument("--faithful", metavar="FILE", help="add the network of this native checkpoint, of the same sizes, as the faithful one (docs/models.md)")
    parser.add_argument("--coordinates", choices=["reference", "exact"], help="mode the weights were trained for; default: the input's metadata, else reference (released checkpoints)")
    parser.add_argument("--license", help="licence of the weights; default: the input's metadata")
    parser.add_argument("--provenance", help="where they come from: initialisation, data, steps")
    parser.add_argument("--psnr", help="figures to show, e.g. 'Set5 x2 37.99'")
    parser.add_argument("--speed", help="what it costs, e.g. 'x2 181, x4 364 kpx/s'")
    parser.add_argument("--colour-slack", help="limit the colours of the output (docs/models.md): 0.25 for shipped models")
    parser.add_argument("--tone-slack", help="limit overshoot where an image has two tones (docs/models.md): 0.1 for shipped models")
    parser.add_argument("--storage", choices=["float32", "float16", "bfloat16"], default="float32")
    arguments = parser.parse_args()
    if not os.path.exists(arguments.input):
        fail(f"{arguments.input} is not there")
    read = read_safetensors if arguments.input.endswith(".safetensors") else read_pth
    tensors, old = read_or_fail(read, arguments.input)
    if arguments.decoder:
        tensors = {k: v for k, v in tensors.items() if k.startswith("encoder.")}
        decoder, old = read_or_fail(read_safetensors, arguments.decoder)
        tensors |= {k: v for k, v in decoder.items() if not k.startswith(("encoder.", "faithful."))}
    tensors = clean(tensors)
    try:
        tensors, said = released_decoders.to_native(tensors)
    except released_decoders.Unsupported as reason:
        fail(f"{arguments.input} is {reason}")
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            fail(f"tensor {name} holds NaN or infinity")
    fold_batch_norms(tensors)
    try:
        encoder, encoder_values = encoder_config(tensors)
        decoder, decoder_values = decoder_config(tensors)
    except KeyError as missing:
        fail(f"{arguments.input} lacks tensor {missing.args[0]}")
    metadata = {
        "format_version": "1",
        "normalisation": "(x-0.5)/0.5",
        "encoder": encoder,
        "encoder_config": json.dumps(encoder_values, sort_keys=True),
        "decoder": decoder,
        "decoder_config": json.dumps(decoder_values, sort_keys=True),
        "coordinates": arguments.coordinates or old.get("coordinates", "reference"),
        "license": arguments.license or old.get("license") or said.get("license", "unknown"),
        "provenance": arguments.provenance or old.get("provenance") or old.get("training", "unknown"),
    }
    mean, std = normalisation(old, said)
    if (mean, std) != ((0.5,) * 3, (0.5,) * 3):
        metadata["normalisation"] = "(x-mean)/std"
        metadata["mean"] = ",".join(map(repr, mean))
        metadata["std"] = ",".join(map(repr, std))
    for key, value in (("psnr", arguments.psnr), ("speed", arguments.speed),
                       ("colour_slack", arguments.colour_slack), ("tone_slack", arguments.tone_slack)):
        if value or key in old:
            metadata[key] = value or old[key]
    if arguments.faithful:
        faithful, its = read_or_fail(read_safetensors, arguments.faithful)
        if different := differences(its, metadata):
            fail(f"{arguments.faithful} is another network than {arguments.input}: {', '.join(different)} differ")
        faithful = clean(faithful)
        if others := other_tensors(faithful, {k: v for k, v in tensors.items() if not k.startswith("faithful.")}):
            fail(f"{arguments.faithful} has other tensors than {arguments.input}: {others}")
        tensors |= {"faithful." + name: tensor for name, tensor in faithful.items()}
    write(arguments.output, tensors, metadata, getattr(torch, arguments.storage))
    parameters = sum(tensor.numel() for tensor in tensors.values())
    print(f"{arguments.output}: {encoder} + {decoder}, {parameters} parameters, {metadata['coordinates']} coordinates")


if __name__ == "__main__":
    main()
