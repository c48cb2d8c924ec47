"""A photograph of 12 megapixels through the Python clients as the README shows it: above what one message of the
server holds. A part of the output is computed, which sends as much."""

import asyncio
import time

import numpy
from PIL import Image

from tools import FOLDER, ROOT, arguments, run_server, verdict

MODEL = "edsr-baseline-hiif-fast"
REGION = (4000, 3000, 256, 256)


def main():
    arguments(__doc__)
    import hiif
    path = FOLDER / "12-megapixel.jpg"
    Image.open(ROOT / "examples" / "chelsea.png").convert("RGB").resize((4000, 3000)).save(path, quality=95)
    problems = []

    def check(what, work):
        begin = time.monotonic()
        try:
            problem = work()
        except Exception as error:  # pylint: disable=broad-except
            problem = f"{type(error).__name__}: {error}"
        print(f"{what}: {problem or 'ok'}, {time.monotonic() - begin:.1f} s", flush=True)
        if problem:
            problems.append(f"{what}: {problem}")

    with run_server(FOLDER) as server, hiif.Client(server.address) as client:
        expected = numpy.asarray(client.upscale(str(path), 2, region=REGION, model=MODEL))

        def upscale():
            part = numpy.asarray(client.upscale(Image.open(path), 2, region=REGION, model=MODEL))
            return None if numpy.array_equal(part, expected) else "other pixels than of the file"

        async def later():
            async with hiif.AsyncClient(server.address) as other:
                return await other.upscale(Image.open(path), 2, region=REGION, model=MODEL)

        def upscale_async():
            return None if numpy.array_equal(asyncio.run(later()), expected) else "other pixels"

        def query():
            photo = Image.open(path)
            places = [(2000 + x + 0.25, 1500.25) for x in range(128)]
            seen = client.query(photo, places, scale=2, model=MODEL) * 255
            return None if numpy.abs(seen - expected[0, ::2]).max() <= 1 else "other colours than upscale's"

        check("upscale(Image.open(...))", upscale)
        check("AsyncClient.upscale", upscale_async)
        check("query", query)
    verdict("python-photo", not problems, "; ".join(problems) or "12 megapixels (36 MB of pixels) by Client, AsyncClient and query")


main()
