"""Pictures as people have them: kinds k01 to k14 of docs/formats.md, through server and command line, with the warnings
of what is left out. What is read of each format byte by byte is in tests/unit/imaging/container_test.cc."""

import io
import json
import re
import struct
import warnings
import zlib

import numpy
import pytest
import tifffile
from PIL import Image, ImageCms, PngImagePlugin

from processes import assemble, hiif

FAST = ("-n", "edsr-baseline-hiif-fast")


def gradient(width=40, height=30):
    y, x = numpy.mgrid[0:height, 0:width]
    return numpy.stack([x * 255 / width, y * 255 / height, 128 + 0 * x], -1).astype(numpy.uint8)


@pytest.fixture
def enlarge(server, tmp_path):
    """Bytes of a file enlarged by 2; the result's bytes and the warnings, of the text and of JSON alike."""
    def run(data, name, out="out.png", check=0):
        source, target = tmp_path / name, tmp_path / out
        source.write_bytes(data)
        command = ["upscale", source, "-o", target, "-s", 2, *FAST, "--exists", "overwrite", "--server", server.address]
        lines = [json.loads(line) for line in hiif(*command, "--log-format", "json", check=check).stderr.splitlines()]
        told = next(line for line in lines if line["event"] == "file").get("warnings", [])
        text = hiif(*command, check=check).stderr
        assert text.count("warning") == len(told)
        return (target.read_bytes() if target.exists() else text), told
    return run


def saved(form, image=None, **options):
    out = io.BytesIO()
    (image or Image.fromarray(gradient())).save(out, form, **options)
    return out.getvalue()


def chunks(png):
    at, found = 8, []
    while at < len(png):
        (length,) = struct.unpack(">I", png[at:at + 4])
        found.append(png[at + 4:at + 8].decode())
        at += 12 + length
    return found


def with_chunk(png, kind, data):
    """Behind the header."""
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return png[:33] + chunk + png[33:]


def test_k01_k02_jpegs_with_noise_and_without_an_end(enlarge):
    whole = saved("JPEG")
    out, told = enlarge(whole + b"\xff\xda" * 300 + b"\0" * 20, "a.jpg")
    assert Image.open(io.BytesIO(out)).size == (80, 60) and "behind the picture" in told[0]
    assert enlarge(whole + bytes(64), "padded.jpg")[1] == []
    for options in ({}, {"progressive": True}):
        data = saved("JPEG", **options)
        expected = enlarge(data, "b.jpg")[0]
        out, told = enlarge(data[:-2], "b.jpg")
        assert out == expected and len(told) == 1 and "end marker" in told[0]
        assert "truncated" in enlarge(data[:len(data) * 3 // 4], "c.jpg", out="none.png", check=1)[0]


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "PNG"])
def test_k03_k04_orientations(enlarge, form):
    name = {"JPEG": "jpg", "WEBP": "webp", "PNG": "png"}[form]
    for block in (b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x28\0\0\0\x06\0\0\0\0\0\0\0",
                  b"MM\0*\0\0\0\x08\0\x1e\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"):
        data = saved(form, exif=b"Exif\0\0" + block)
        out, _ = enlarge(data, f"in.{name}", out=f"out.{name}")
        with Image.open(io.BytesIO(out)) as image:
            assert image.size == (60, 80) and image.getexif().get(0x0112, 1) == 1
    xmp = (b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
           b'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF>'
           b"</x:xmpmeta>")
    if form != "PNG":
        out, _ = enlarge(saved(form, xmp=xmp), f"in.{name}", out=f"out.{name}")
        assert b'tiff:Orientation="6"' in out and Image.open(io.BytesIO(out)).size == (80, 60)


def test_k06_colour_by_other_than_a_profile(enlarge):
    png = saved("PNG")
    for chunk, data in ((b"gAMA", struct.pack(">I", 100000)), (b"cICP", bytes([12, 13, 0, 1]))):
        for out in ("o.png", "o.jpg", "o.webp", "o.tif"):
            result, told = enlarge(with_chunk(png, chunk, data), "in.png", out=out)
            assert Image.open(io.BytesIO(result)).info.get("icc_profile") and told == []
    assert enlarge(with_chunk(png, b"gAMA", struct.pack(">I", 45455)), "in.png")[1] == []
    _, told = enlarge(with_chunk(png, b"cICP", bytes([9, 16, 0, 1])), "in.png")
    assert len(told) == 1 and "transfer 16" in told[0]


def test_k07_k08_texts_and_metadata_are_kept_or_told(enlarge):
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a cat, 20 steps")
    info.add_itxt("Title", "große Katze", "de", "Titel")
    info.add_text("Comment", "long " * 100, zip=True)
    png = saved("PNG", pnginfo=info)
    out, told = enlarge(png, "in.png")
    assert Image.open(io.BytesIO(out)).text == Image.open(io.BytesIO(png)).text and told == []
    for suffix in ("jpg", "webp", "tif", "ppm"):
        _, told = enlarge(png, "in.png", out=f"o.{suffix}")
        assert len(told) == 1 and "parameters" in told[0]
    commented = saved("JPEG", comment=b"by hand")
    assert Image.open(io.BytesIO(enlarge(commented, "in.jpg", out="o.jpg")[0])).info["comment"] == b"by hand"
    assert "comment" in enlarge(commented, "in.jpg", out="o.webp")[1][0]
    iptc = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", 11) + b"\x1c\x02\x50\0\x06Writer" + b"\0"
    plain = saved("JPEG")
    tagged = plain[:2] + b"\xff\xed" + struct.pack(">H", len(iptc) + 2) + iptc + plain[2:]
    assert enlarge(tagged, "in.jpg", out="o.jpg")[1] == []
    assert "IPTC" in enlarge(tagged, "in.jpg", out="o.webp")[1][0]
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    grey = saved("JPEG", Image.fromarray(gradient()).convert("L"), icc_profile=srgb)
    assert enlarge(grey, "grey.jpg")[1], "a profile of RGB on grey is not kept in silence"


def test_k09_animations_are_not_taken_for_stills(enlarge):
    frames = [Image.fromarray(numpy.roll(gradient(), 5 * i, 1)) for i in range(3)]
    for form, name in (("PNG", "a.png"), ("GIF", "a.gif"), ("WEBP", "a.webp")):
        for options in ({}, {"default_image": True}) if form == "PNG" else ({},):
            data = saved(form, frames[0], save_all=True, append_images=frames[1:], **options)
            text, _ = enlarge(data, name, out="none.png", check=1)
            assert "frames" in text and ("3" in text or "2" in text)


def test_k11_extra_planes_are_no_transparency(enlarge):
    rgbx = numpy.dstack([gradient(), numpy.zeros((30, 40), numpy.uint8)])
    out, told = enlarge(saved("TIFF", Image.frombytes("RGBX", (40, 30), rgbx.tobytes())), "ir.tif", out="o.tif")
    with Image.open(io.BytesIO(out)) as image:
        assert image.mode == "RGB"
        expected = Image.fromarray(gradient()).resize((80, 60), Image.BICUBIC)
        assert numpy.abs(numpy.asarray(image).astype(int) - numpy.asarray(expected)).mean() < 3
    assert "extra plane" in told[0]
    rgba = Image.fromarray(numpy.dstack([gradient(), numpy.full((30, 40), 77, numpy.uint8)]))
    assert Image.open(io.BytesIO(enlarge(saved("TIFF", rgba), "a.tif", out="o.tif")[0])).mode == "RGBA"


@pytest.mark.parametrize("layout", [{}, {"tile": (16, 16), "compression": "deflate"}, {"planarconfig": "separate"}],
                         ids=["strips", "tiles", "planes"])
@pytest.mark.parametrize("kind,full", [("uint8", 255), ("uint16", 65535), ("float32", 1)])
def test_premultiplied_alpha_is_divided_once(enlarge, kind, full, layout):
    straight, alpha = full / 4, full / 2
    stored = numpy.full((32, 32, 4), straight * alpha / full, kind)
    stored[..., 3] = alpha
    file = io.BytesIO()
    planes = numpy.moveaxis(stored, -1, 0) if "planarconfig" in layout else stored
    tifffile.imwrite(file, planes, photometric="rgb", extrasamples=["ASSOCALPHA"], **layout)
    out, told = enlarge(file.getvalue(), "in.tif", out="o.tif")
    pixels = tifffile.imread(io.BytesIO(out)).astype(float) / full
    assert pixels.shape == (64, 64, 4) and told == []
    assert numpy.abs(pixels - [0.25, 0.25, 0.25, 0.5]).max() < 0.02


def resolution(data):
    with Image.open(io.BytesIO(data)) as image:
        return tuple(round(float(side)) for side in image.info["dpi"])


@pytest.mark.parametrize("orientation,expected", [(3, (204, 98)), (6, (98, 204))])
def test_resolutions_are_of_the_turned_picture(enlarge, orientation, expected):
    exif = Image.Exif()
    exif[274], exif[282], exif[283], exif[296] = orientation, 204.0, 98.0, 2
    xmp = (b"<x:xmpmeta xmlns:x='adobe:ns:meta/' xmlns:tiff='http://ns.adobe.com/tiff/1.0/'>"
           b"<d tiff:XResolution='204/1' tiff:YResolution='98/1'/></x:xmpmeta>")
    fax = saved("TIFF", tiffinfo={274: orientation, 700: xmp}, dpi=(204, 98))
    for data, name in ((fax, "in.tif"), (saved("JPEG", exif=exif, xmp=xmp), "in.jpg")):
        for suffix in ("tif", "png", "jpg"):
            out, _ = enlarge(data, name, out=f"o.{suffix}")
            assert resolution(out) == expected, (name, suffix)
            assert f'tiff:XResolution="{expected[0]}/1" tiff:YResolution="{expected[1]}/1"'.encode() in out
            if name == "in.jpg" and suffix != "tif":  # a TIFF has it in its own directory
                written = Image.open(io.BytesIO(out)).getexif()
                assert (written[274], written[282], written[283]) == (1, *expected)


def test_what_was_converted_does_not_say_adobe_rgb(server, enlarge, tmp_path):
    from hiif.v1 import super_resolution_pb2 as pb
    adobe = struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
    described = with_chunk(with_chunk(saved("PNG"), b"cHRM", adobe), b"gAMA", struct.pack(">I", 45455))
    profile = Image.open(io.BytesIO(enlarge(described, "in.png")[0])).info["icc_profile"]
    exif = Image.Exif()
    exif[0x8769] = {0xA001: 65535, 0xA005: {1: "R03"}}
    xmp = (b"<x:xmpmeta xmlns:x='adobe:ns:meta/' xmlns:exif='http://ns.adobe.com/exif/1.0/'>"
           b"<d exif:ColorSpace='65535'/></x:xmpmeta>")

    def said(data, convert):
        responses = server.stub().Upscale(pb.UpscaleRequest(
            image=pb.ImageSource(encoded=data), parameters=pb.UpscaleParameters(
                scale=pb.Scale(rx=2, ry=2), model="edsr-baseline-hiif-fast", convert_to_srgb=convert,
                encoded=pb.EncodedOutput(format=pb.FILE_FORMAT_JPEG))), timeout=60)
        out = b"".join(r.chunk.data for r in responses if r.WhichOneof("part") == "chunk")
        with Image.open(io.BytesIO(out)) as image:
            details = image.getexif().get_ifd(0x8769)
            rules = image.getexif().get_ifd(0xA005)
            return (image.info.get("icc_profile") is not None, details[0xA001], rules[1],
                    b'ColorSpace="65535"' in out)

    photo = saved("JPEG", icc_profile=profile, exif=exif, xmp=xmp)
    assert said(photo, False) == (True, 65535, "R03", True)
    assert said(photo, True) == (False, 1, "R98", False)
    assert said(saved("JPEG", exif=exif, xmp=xmp), True) == (False, 65535, "R03", True), "nothing was converted"
    # And where the file is made by the command line.
    for number, (data, convert) in enumerate([(photo, False), (photo, True), (saved("JPEG", exif=exif, xmp=xmp), True)]):
        (tmp_path / "in.jpg").write_bytes(data)
        out = tmp_path / f"{number}.jpg"
        hiif("upscale", tmp_path / "in.jpg", "-o", out, "-s", 2, *FAST, *["--srgb"] * convert, "--server", server.address)
        with Image.open(out) as image:
            converted = number == 1
            assert image.getexif().get_ifd(0x8769)[0xA001] == (1 if converted else 65535)
            assert image.getexif().get_ifd(0xA005)[1] == ("R98" if converted else "R03")
            assert (b'ColorSpace="65535"' in out.read_bytes()) == (not converted)


def test_a_panorama_is_enlarged_as_its_part_is(server):
    """A file of a region: what the XMP says of the whole panorama grows by the factor, not by the region's size."""
    from hiif.v1 import super_resolution_pb2 as pb
    xmp = (b"<x:xmpmeta xmlns:x='adobe:ns:meta/' xmlns:p='http://ns.google.com/photos/1.0/panorama/'>"
           b"<d p:FullPanoWidthPixels='1000' p:FullPanoHeightPixels='500'/></x:xmpmeta>")
    photo = saved("JPEG", xmp=xmp)
    width, height = Image.open(io.BytesIO(photo)).size
    for region in (None, pb.Region(x=0, y=height, width=width, height=16)):
        responses = server.stub().Upscale(pb.UpscaleRequest(
            image=pb.ImageSource(encoded=photo), parameters=pb.UpscaleParameters(
                scale=pb.Scale(rx=2, ry=2), model="edsr-baseline-hiif-fast", region=region,
                encoded=pb.EncodedOutput(format=pb.FILE_FORMAT_JPEG))), timeout=60)
        out = b"".join(r.chunk.data for r in responses if r.WhichOneof("part") == "chunk")
        said = dict(re.findall(rb"FullPano(\w+)Pixels=\"(\d+)\"", out))
        assert said == {b"Width": b"2000", b"Height": b"1000"}, region


@pytest.mark.parametrize("kind", ["P6", "P3"])
def test_large_pnm_of_any_largest_value(server, tmp_path, kind):
    """12 megapixels of 12 bits: a header is read within limits that take no notice of what is behind it."""
    source, target = tmp_path / "in.ppm", tmp_path / "out.png"
    samples = numpy.full(36_000_000, 2048, ">u2").tobytes() if kind == "P6" else b"2048 " * 36_000_000
    source.write_bytes(f"{kind}\n4000 3000\n4095\n".encode() + samples)
    hiif("upscale", source, "-o", target, "-s", 1, "-n", "bicubic", "--crop", "0,0,16,16", "--server", server.address)
    with Image.open(target) as image:  # Pillow makes 8 bits of it
        assert image.size == (16, 16) and abs(numpy.asarray(image).astype(int) - 128).max() <= 1


def test_k14_cmyk_with_a_profile_of_no_use(enlarge):
    cmyk = Image.fromarray(gradient()).convert("CMYK")
    for profile in (b"no profile" * 30, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()):
        out, told = enlarge(saved("JPEG", cmyk, icc_profile=profile), "in.jpg")
        assert Image.open(io.BytesIO(out)).mode == "RGB" and told


Y, X = numpy.indices((48, 48))
BAYER = numpy.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])[Y % 4, X % 4]
PATTERNS = {
    **{f"floyd-steinberg {level}": numpy.asarray(Image.new("L", (48, 48), level).convert("1")) for level in (32, 128, 224)},
    **{f"bayer {level}": level / 255 * 16 > BAYER + 0.5 for level in (32, 128, 224)}, "ramp": X / 3 > BAYER,
    "checkerboard 1": (X + Y) % 2, "checkerboard 2": (X // 2 + Y // 2) % 2, "columns": X % 2, "rows": Y % 2,
    "columns 1 of 3": X % 3 == 0, "columns 2 of 3": X % 3 > 0, "dots": (X % 2 + Y % 2) == 0, "holes": (X % 2 + Y % 2) > 0,
    "sparse dots": (X % 3 + Y % 3) == 0, "diagonals": (X + Y) % 3 == 0,
    "screentone": numpy.cos((X + Y) * numpy.pi / 6) + numpy.cos((X - Y) * numpy.pi / 6) > 0.3,
    "fine screentone": numpy.cos(X * 2 * numpy.pi / 5) + numpy.cos(Y * 2 * numpy.pi / 5) > 0.8,
    "noise": numpy.random.default_rng(1).random((48, 48)) < 0.5,
}


@pytest.mark.parametrize("name", PATTERNS)
def test_k33_dither_and_screentone_keep_their_mean(server, name):
    """Of the default model; docs/results.md has what others make of them."""
    import hiif as client
    pattern = PATTERNS[name].astype(numpy.uint8) * 255
    with client.Client(server.address) as python:
        for scale in (2, 2.7):
            assert abs(python.upscale(pattern, scale, model=FAST[1]).mean() - pattern.mean()) < 12, scale


def test_warnings_are_in_the_trailer_the_log_and_python(server, tmp_path):
    import hiif as client
    from hiif.v1 import super_resolution_pb2 as pb
    rgbx = Image.frombytes("RGBX", (8, 8), bytes(range(256)))
    data = saved("TIFF", rgbx)
    request = pb.UpscaleRequest(image=pb.ImageSource(encoded=data), parameters=pb.UpscaleParameters(
        scale=pb.Scale(rx=2), model=FAST[1], request_id="with-warnings"))
    trailer = assemble(server.stub().Upscale(request, timeout=60))[2]
    assert len(trailer.warnings) == 1 and "extra plane" in trailer.warnings[0]
    request.parameters.encoded.format = pb.FILE_FORMAT_WEBP
    request.image.encoded = saved("JPEG", comment=b"by hand")
    last = list(server.stub().Upscale(request, timeout=60))[-1].trailer
    assert "comment" in last.warnings[0]
    request.parameters.validate_only = True
    request.image.encoded = data
    assert list(server.stub().Upscale(request, timeout=60))[-1].trailer.warnings
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if "with-warnings" in line]
    assert "extra plane" in lines[0]["warnings"]
    with client.Client(server.address) as python, pytest.warns(client.LossWarning, match="extra plane"):
        python.upscale(data, 2, model=FAST[1])
    with client.Client(server.address) as python, pytest.warns(client.LossWarning, match="extra plane"):
        python.query(data, [(1, 1)], model=FAST[1])
    (tmp_path / "rgbx.tif").write_bytes(data)
    asked = hiif("query", tmp_path / "rgbx.tif", "1,1", *FAST, "--server", server.address)
    assert "warning" in asked.stderr and "extra plane" in asked.stderr
    with client.Client(server.address) as python, warnings.catch_warnings():
        warnings.simplefilter("error")
        python.upscale(saved("PNG"), 2, model=FAST[1])
