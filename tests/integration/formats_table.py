"""The tables of docs/formats.md that say what becomes of each kind of input, measured: files made by Pillow (with its
plugins for HEIC and JPEG XL, which bring their own libheif and libjxl), tifffile, exiftool and by hand, enlarged by the
command line, read back by Pillow, libvips and exiftool, which must agree.

    formats_table.py ADDRESS [--write]      prints them; --write: into docs/formats.md
"""

import io
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import zlib

import numpy
import pillow_heif
import pillow_jxl  # noqa: F401 (registers itself)
import tifffile
from PIL import Image, ImageCms

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "testing"))

from processes import ROOT, hiif  # noqa: E402
from vips import Vips  # noqa: E402

pillow_heif.register_heif_opener()

PAGE = ROOT / "docs" / "formats.md"
BEGIN, END = "<!-- formats-table: made by scripts/verify formats --write -->\n", "<!-- /formats-table -->\n"
FAST = ("-n", "edsr-baseline-hiif-fast", "-s", "2")
SIZE = (16, 12)
OUTPUTS = ["png", "jpg", "webp", "tif", "avif", "jxl", "ppm"]
TURNED_BY_PROPERTY = ("avif", "heic", "jxl")
CHANNELS = {1: "grey", 2: "grey, alpha", 3: "RGB", 4: "RGB, alpha"}


def samples(channels, dtype):
    y, x = numpy.mgrid[0:SIZE[1], 0:SIZE[0]]
    planes = numpy.stack([(x * 9 + y * 3 + 40 * c) % 256 for c in range(channels)], -1) / 255
    if channels in (2, 4):
        planes[..., -1] = numpy.where(x > 4, 1, 0.4)
    most = {"u1": 255, "u2": 65535}.get(dtype, 1)
    return (planes * most).astype(dtype)


def png(channels, bits):
    """By hand: Pillow has no 16 bits but in grey."""
    rows = samples(channels, ">u2" if bits == 16 else "u1") if bits >= 8 else None
    if bits == 16:
        rows = (samples(channels, "u2")).astype(">u2")
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    raw = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", *SIZE, bits, kind, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def saved(image, form, **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def tiff(array, **options):
    out = io.BytesIO()
    tifffile.imwrite(out, array, **options)
    return out.getvalue()


def heic_of_ten_bits():
    out = io.BytesIO()
    picture = pillow_heif.from_bytes("RGB;16", SIZE, samples(3, "u2").tobytes())
    picture.save(out, quality=90)
    return out.getvalue()


def sample_inputs():
    """(format, kind, bytes) of each row of the first table."""
    rgb, rgba = Image.fromarray(samples(3, "u1")), Image.fromarray(samples(4, "u1"))
    grey = rgb.convert("L")
    for channels, bits in ((1, 8), (1, 16), (2, 8), (2, 16), (3, 8), (3, 16), (4, 8), (4, 16)):
        yield "png", f"{CHANNELS[channels]} {bits} bits", png(channels, bits)
    yield "png", "1 bit", saved(rgb.convert("1"), "PNG")
    yield "png", "palette", saved(rgb.quantize(16), "PNG")
    yield "png", "palette, transparent", saved(rgb.quantize(16), "PNG", transparency=3)
    yield "jpg", "grey", saved(grey, "JPEG")
    yield "jpg", "YCbCr", saved(rgb, "JPEG")
    yield "jpg", "YCbCr, progressive", saved(rgb, "JPEG", progressive=True)
    yield "jpg", "CMYK", saved(rgb.convert("CMYK"), "JPEG")
    yield "webp", "lossy", saved(rgb, "WEBP")
    yield "webp", "lossless, alpha", saved(rgba, "WEBP", lossless=True)
    for channels in (1, 3):
        photometric = "rgb" if channels == 3 else "minisblack"
        for dtype, name in (("u1", "8 bits"), ("u2", "16 bits"), ("f4", "float")):
            array = samples(channels, dtype)
            yield "tif", f"{CHANNELS[channels]} {name}", tiff(array if channels > 1 else array[..., 0],
                                                              photometric=photometric)
    for dtype, name in (("u1", "8 bits"), ("u2", "16 bits")):
        yield "tif", f"RGB, alpha {name}", tiff(samples(4, dtype), photometric="rgb", extrasamples=["unassalpha"])
    yield "tif", "CMYK 8 bits", tiff(samples(4, "u1"), photometric="separated")
    yield "tif", "RGB planar", tiff(numpy.moveaxis(samples(3, "u1"), -1, 0), photometric="rgb", planarconfig="separate")
    yield "tif", "RGB tiled, BigTIFF", tiff(samples(3, "u1"), photometric="rgb", tile=(16, 16), bigtiff=True)
    yield "tif", "palette", saved(rgb.quantize(16), "TIFF")
    yield "tif", "1 bit", saved(rgb.convert("1"), "TIFF")
    yield "tif", "Lab 8 bits", saved(ImageCms.profileToProfile(rgb, ImageCms.createProfile("sRGB"),
                                                               ImageCms.createProfile("LAB"), outputMode="LAB"), "TIFF")
    yield "tif", "half, double, signed", tiff(samples(3, "f4").astype("f8"), photometric="rgb")
    yield "avif", "RGB", saved(rgb, "AVIF", quality=90)
    yield "avif", "RGB, alpha", saved(rgba, "AVIF", quality=90)
    yield "avif", "grey", saved(grey, "AVIF", quality=90)
    yield "heic", "grey", saved(grey, "HEIF", quality=90)
    yield "heic", "RGB", saved(rgb, "HEIF", quality=90)
    yield "heic", "RGB, alpha", saved(rgba, "HEIF", quality=90)
    yield "heic", "RGB 10 bits", heic_of_ten_bits()
    yield "jxl", "grey", saved(grey, "JXL", lossless=True)
    yield "jxl", "grey, alpha", saved(Image.fromarray(samples(2, "u1"), "LA"), "JXL", lossless=True)
    yield "jxl", "RGB, lossy", saved(rgb, "JXL", quality=90)
    yield "jxl", "RGB, lossless", saved(rgb, "JXL", lossless=True)
    yield "jxl", "RGB, alpha", saved(rgba, "JXL", lossless=True)
    yield "jxl", "grey 16 bits", saved(Image.fromarray(samples(1, "u2")[..., 0]), "JXL", lossless=True)
    yield "gif", "palette", saved(rgb.quantize(16), "GIF")
    yield "gif", "palette, transparent", saved(rgb.quantize(16), "GIF", transparency=3)
    yield "ppm", "bitmap (P4)", saved(rgb.convert("1"), "PPM")
    yield "ppm", "grey 8 bits (P5)", saved(grey, "PPM")
    yield "ppm", "grey 16 bits (P5)", b"P5\n# by hand\n16 12\n65535\n" + samples(1, "u2").astype(">u2").tobytes()
    yield "ppm", "RGB 16 bits (P6)", b"P6 16 12 65535\n" + samples(3, "u2").astype(">u2").tobytes()
    yield "ppm", "RGB float (PFM)", b"PF\n16 12\n-1.0\n" + samples(3, "f4")[::-1].astype("<f4").tobytes()


def enlarged(folder, out, address, *flags):
    """Every file of the folder; the lines of the log by the input's name."""
    result = hiif("upscale", folder, "-o", out, "--name", "{stem}.{ext}", *FAST, *flags, "--server", address,
                  "--log-format", "json", check=None)
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    return {pathlib.Path(line["input"]).name: line for line in lines if line["event"] == "file"}


def read_back(path, vips):
    """What a file holds, as the readers agree: (channels, samples)."""
    width, height, bands, kind, _, _ = vips.look(path)
    tags = json.loads(subprocess.run(["exiftool", "-j", "-n", "-ImageWidth", "-ImageHeight", path], check=True,
                                     capture_output=True).stdout)[0]
    if "ImageWidth" in tags:
        assert (tags["ImageWidth"], tags["ImageHeight"]) == (width, height), path
    try:
        with Image.open(path) as image:
            image.load()
            assert image.size == (width, height), path
            pillow = {"L": 1, "I;16": 1, "I": 1, "F": 1, "LA": 2, "RGB": 3, "RGBA": 4}[image.mode]
            assert pillow == bands or (bands, kind) == (2, "16 bits"), (path, image.mode, bands)
    except OSError:  # float and some 16 bits
        assert path.suffix == ".tif", path
    return CHANNELS[bands], kind


def first_table(address, vips, work):
    folder = work / "samples"
    folder.mkdir()
    rows = list(sample_inputs())
    for number, (form, _, data) in enumerate(rows):
        (folder / f"{number:02}.{form}").write_bytes(data)
    log = enlarged(folder, work / "samples-out", address)
    lines = ["| input | samples | comes out as | warnings |", "| --- | --- | --- | --- |"]
    for number, (form, kind, _) in enumerate(rows):
        line = log[f"{number:02}.{form}"]
        told = "; ".join(line.get("warnings", []))
        if line["status"] != "done":
            assert "not supported" in line["error"], line
            lines.append(f"| {form} | {kind} | refused: not supported | |")
            continue
        path = pathlib.Path(line["output"])
        channels, stored = read_back(path, vips)
        lines.append(f"| {form} | {kind} | {path.suffix[1:]}: {channels}, {stored} | {told} |")
    return lines


def metadata_inputs(folder):
    """One of each format that can hold metadata, with as much as exiftool writes into it."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(samples(3, "u1"))
    for form, name in (("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp"), ("TIFF", "tif"), ("AVIF", "avif"), ("HEIF", "heic"),
                       ("JXL", "jxl")):
        path = folder / f"{name}.{name}"
        dots = name in ("png", "jpg", "tif")
        # With EXIF a JPEG XL has boxes to write into; the offset before it is wanted by libvips 8.16.
        extra = {"dpi": (300, 300)} if dots else {"exif": bytes(4) + Image.Exif().tobytes()[6:]} if name == "jxl" else {}
        image.save(path, form, icc_profile=profile, **extra)
        # exiftool writes 72 into a new EXIF, and versions of libvips differ in which of two resolutions is a PNG's.
        resolution = ["-IFD0:XResolution=300", "-IFD0:YResolution=300", "-IFD0:ResolutionUnit=inches"] if dots else []
        # In these the orientation is a property of the image, not of its EXIF.
        turned = [] if name in TURNED_BY_PROPERTY else ["-IFD0:Orientation#=6"]
        subprocess.run(["exiftool", "-q", "-overwrite_original", "-IFD0:Artist=A. Painter", *turned, *resolution,
                        "-XMP-dc:Title=A picture", "-IPTC:Keywords=seen", path], check=False, capture_output=True)


def metadata_of(path, vips):
    """What exiftool, libvips and Pillow find."""
    tags = json.loads(subprocess.run(["exiftool", "-j", "-n", "-G1", path], check=True,
                                     capture_output=True).stdout)[0]
    found = []
    width, height, _, _, ppi, profile = vips.look(path)
    groups = {key.split(":")[0] for key in tags if ":" in key}
    if profile:
        found.append("ICC")
    if tags.get("IFD0:Artist") == "A. Painter":
        found.append("EXIF")
    if tags.get("XMP-dc:Title") == "A picture":
        found.append("XMP")
    if tags.get("IPTC:Keywords") == "seen":
        found.append("IPTC")
    if ppi in (299, 300, 301):
        found.append("DPI")
    with Image.open(path) as image:
        # exiftool does not look for the profile of a JPEG XL, nor into a bare codestream.
        seen = ("ICC-header" in groups) if path.suffix != ".jxl" else profile
        assert bool(image.info.get("icc_profile")) == profile == seen, path
    return found, (width, height), tags.get("IFD0:Orientation", 1)


def second_table(address, vips, work):
    folder = work / "metadata"
    folder.mkdir()
    metadata_inputs(folder)
    inputs = sorted(folder.iterdir())
    had = {path.name: metadata_of(path, vips)[0] for path in inputs}
    cells = {}
    for out in OUTPUTS:
        log = enlarged(folder, work / f"metadata-{out}", address, "-f", out)
        for path in inputs:
            line = log[path.name]
            assert line["status"] == "done", line
            kept, size, orientation = metadata_of(pathlib.Path(line["output"]), vips)
            shape = SIZE if path.suffix[1:] in TURNED_BY_PROPERTY else SIZE[::-1]
            assert size == (2 * shape[0], 2 * shape[1]) and orientation == 1, (path, out, "is not turned")
            lost = [what for what in had[path.name] if what not in kept]
            assert not lost or line.get("warnings") or lost == ["DPI"], (path.name, out, lost, "without a warning")
            cells[path.name, out] = " ".join(kept) or "nothing"
    lines = ["| input, with | " + " | ".join(OUTPUTS) + " |", "| --- " * (1 + len(OUTPUTS)) + "|"]
    for path in inputs:
        lines.append(f"| {path.suffix[1:]}: {' '.join(had[path.name])} | " +
                     " | ".join(cells[path.name, out] for out in OUTPUTS) + " |")
    return lines


def tables(address):
    """The text between the marks."""
    vips = Vips()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        samples_ = first_table(address, vips, work)
        metadata = second_table(address, vips, work)
    return ("\n".join(samples_) + "\n\nWhat of a picture's metadata is in the output; orientation is applied in all. What is "
            "missing was told by a warning, but for a\nresolution that the format has no place for.\n\n" +
            "\n".join(metadata) + "\n")


def documented():
    text = PAGE.read_text()
    return text[text.index(BEGIN) + len(BEGIN):text.index(END)]


if __name__ == "__main__":
    made = tables(sys.argv[1])
    print(made)
    if "--write" in sys.argv:
        page = PAGE.read_text()
        PAGE.write_text(page[:page.index(BEGIN) + len(BEGIN)] + made + page[page.index(END):])
