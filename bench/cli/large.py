"""A picture of 20,000 x 20,000 out through the command line, as TIFF and as PNG, from a server that streams tiles
without a model: what it holds in memory meanwhile."""

from PIL import Image

from tools import FOLDER, arguments, run, run_tile_server, verdict

Image.MAX_IMAGE_PIXELS = None


def expected(x, y, channel):
    """tests/testing/tile_server.cc."""
    return (x // 3 + y // 5 * 2 + channel * 40) % 256


def pixels_are_right(path, side):
    """By another program, at places all over the picture, without reading all of a TIFF."""
    spots = [(0, 0), (side - 1, 0), (0, side - 1), (side - 1, side - 1), (side // 2, side // 3),
             (side // 7, side - side // 5)]
    with Image.open(path) as image:
        if image.size != (side, side):
            return False
        return all(image.getpixel(spot) == tuple(expected(*spot, c) for c in range(3)) for spot in spots)


def main():
    options = arguments(__doc__, side=20000, scale=4, formats="tif,png", limit_mb=400)
    source = FOLDER / "in.png"
    Image.new("RGB", (options.side // options.scale,) * 2, (90, 140, 200)).save(source)
    ok, texts = True, []
    with run_tile_server(FOLDER) as address:
        for extension in options.formats.split(","):
            out = FOLDER / f"out.{extension}"
            code, lines, memory, seconds = run("upscale", source, "-o", out, "-s", options.scale, "--log-format",
                                               "json", "--server", address)
            right = code == 0 and pixels_are_right(out, options.side)
            ok = ok and right and memory.peak <= options.limit_mb * 1e6
            texts.append(f"{extension} {memory.peak / 1e6:.0f} MB, {seconds:.0f} s" +
                         ("" if right else f", WRONG (exit {code}: {lines[:1]})"))
            out.unlink(missing_ok=True)
    verdict("large", ok, f"{options.side} x {options.side} out: {'; '.join(texts)} (<= {options.limit_mb} MB)")


if __name__ == "__main__":
    main()
