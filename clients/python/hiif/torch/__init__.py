"""HIIF as PyTorch modules, in this process: to train, probe or export. Needs torch and safetensors.

    model = hiif.torch.load("edsr-baseline-hiif.safetensors")
    large = model(image, (405, 600))              # (N,3,h,w) in [0,1] to (N,3,405,600)

Numbers are those of the server's `reference` backend (docs/models.md). Large outputs are better made by the server:
it is many times as fast and needs memory for a few tiles alone.
"""

from .checkpoint import load
from .decoders import Hiif, Liif
from .encoders import EdsrBaseline, Rdn, SwinIr
from .network import Network

__all__ = ["EdsrBaseline", "Hiif", "Liif", "Network", "Rdn", "SwinIr", "descriptor", "load"]


def descriptor(*arguments, **options):
    """The checkpoint as a spandrel.ImageModelDescriptor: see hiif/torch/_spandrel.py. Needs spandrel."""
    from ._spandrel import descriptor as make
    return make(*arguments, **options)
