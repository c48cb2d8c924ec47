"""Checkpoints of this project as modules."""

from __future__ import annotations

import json
import os

import torch
from safetensors import safe_open

from .network import Network

# Derived from the configuration; released files carry them.
_IGNORED = (".attn_mask", ".relative_position_index")
_FAITHFUL = "faithful."  # before the names of the second network
_IGNORED_MODULES = ("encoder.sub_mean.", "encoder.add_mean.")


def _module_name(name: str) -> str:
    """Our decoder is a module of its own; in files its parameters stand at the top."""
    return name if name.startswith("encoder.") else "decoder." + name


def load(path: str | os.PathLike, *, coordinates: str | None = None, device: str | torch.device = "cpu",
         faithful: bool = False, **config) -> Network:
    """The network of a safetensors checkpoint, in float32 and in evaluation mode.

    coordinates: another mode than the checkpoint's, for comparisons. faithful: the second network of a model for
    photographs, which the server gives at strength 0. config: encoder, decoder, encoder_config,
    decoder_config, for a file without this project's metadata. ValueError: the file does not fit its description,
    naming the tensor.
    """
    with safe_open(os.fspath(path), framework="pt", device=str(device)) as file:
        metadata = file.metadata() or {}
        names = [name for name in file.keys()
                 if name.startswith(_FAITHFUL) == faithful and not name.endswith(_IGNORED)
                 and not name.startswith(_IGNORED_MODULES)]
        parameters = {_module_name(name.removeprefix(_FAITHFUL)): file.get_tensor(name).float() for name in names}
    if faithful and not parameters:
        raise ValueError(f"{path}: has one network, leave faithful=True away")
    options = {name: config.get(name, metadata.get(name)) for name in ("encoder", "decoder")}
    for name in ("encoder_config", "decoder_config"):
        value = config.get(name, metadata.get(name))
        options[name] = json.loads(value) if isinstance(value, str) else value
    if None in (options["encoder"], options["decoder"]):
        raise ValueError(f"{path}: says neither its encoder nor its decoder; name them, encoder=... and decoder=...")
    mode = coordinates or metadata.get("coordinates")
    if mode is None:
        raise ValueError(f'{path}: does not say its coordinates; give coordinates="exact" or "reference"')
    network = Network(coordinates=mode, **options).to(device)
    wanted = network.state_dict()
    for name in wanted.keys() ^ parameters.keys():
        raise ValueError(f"{path}: tensor {name} is {'missing' if name in wanted else 'not one of this network'}")
    for name, tensor in parameters.items():
        if tensor.shape != wanted[name].shape:
            raise ValueError(f"{path}: tensor {name} is {tuple(tensor.shape)}, {tuple(wanted[name].shape)} is needed")
    network.load_state_dict(parameters)
    network.metadata = metadata
    for slack in ("tone_slack", "colour_slack"):
        if slack in metadata:
            setattr(network, slack, float(metadata[slack]))
    return network.eval()
