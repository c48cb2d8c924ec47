"""Client of hiif-serve: images enlarged by any factor.

    with hiif.Client("localhost:8500") as client:
        large = client.upscale(Image.open("photo.jpg"), 2.7)
"""

from hiif._aio import AsyncClient
from hiif._client import Client
from hiif._common import Error, LossWarning
from hiif._upscaler import Upscaler

__all__ = ["AsyncClient", "Client", "Error", "LossWarning", "Upscaler"]
