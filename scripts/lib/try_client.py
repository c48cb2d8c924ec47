"""Both clients of an installed hiif-client against a server, with the versions of what they stand on (verify
client-versions)."""

import asyncio
import importlib.metadata
import sys

import hiif
from PIL import Image

address, path = sys.argv[1:]
image = Image.open(path).convert("RGB").crop((0, 0, 60, 40))


async def asynchronous():
    async with hiif.AsyncClient(address) as client:
        return await client.upscale(image, 1.5)


with hiif.Client(address) as client:
    names = [model.name for model in client.models()]
    large = client.upscale(image, 1.5)
    colours = client.query(image, [(10.5, 20.25)])
    try:
        client.upscale(image, 1.5, model="no-such-model")
        sys.exit("an unknown model was no error")
    except hiif.Error as error:
        assert "no-such-model" in str(error), error
assert large.size == (90, 60) and len(colours) == 1 and names, (large.size, colours, names)
assert large.tobytes() == asyncio.run(asynchronous()).tobytes()
print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("protobuf", "grpcio", "grpcio-status")), "ok", flush=True)
