"""What a file has and its enlargement has not is told: colour profiles of other pixels, and parts that no decoder hands on.
Through server and command line, so with the decoder's own process."""

import base64
import io
import json
import pathlib
import struct
import zlib

import numpy
import pytest
import tifffile
from PIL import Image, ImageCms

from processes import assemble, hiif
from vips import Vips

SIZE = (24, 16)


def profile(space, kind=b"mntr", extra=b""):
    """An ICC profile (v2) of a colour space, with a curve where it is of grey; extra: a tag that nobody knows."""
    tags = [(b"desc", b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(79)),
            (b"wtpt", b"XYZ \0\0\0\0" + struct.pack(">III", 0xF6D6, 0x10000, 0xD32D))]
    if space == b"GRAY":
        tags.append((b"kTRC", b"curv\0\0\0\0" + struct.pack(">IH", 1, 0x1CD) + b"\0\0"))
    if extra:
        tags.append((b"zzzz", extra))
    at = 132 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags:
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s6H4s28xIII", at + len(body), b"test", 0x2400000, kind, space, b"XYZ ", 2020, 1, 1, 0, 0,
                       0, b"acsp", 0xF6D6, 0x10000, 0xD32D)
    return head.ljust(128, b"\0") + table + body


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PROFILES = {"GRAY": profile(b"GRAY"), "RGB": SRGB, "CMYK": profile(b"CMYK", b"prtr"), "Lab": profile(b"Lab ", b"spac"),
            "damaged": b"no profile" * 30, "cut": SRGB[:200]}


def gradient(mode):
    grey = Image.linear_gradient("L").resize(SIZE)
    return Image.merge(mode, [grey] * len(Image.new(mode, (1, 1)).getbands()))


def saved(form, image, **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


@pytest.fixture
def enlarge(server, tmp_path):
    """Files by name, enlarged in one run; by name, the output's path and the warnings."""
    def run(files, form):
        source = tmp_path / f"in-{form}"
        source.mkdir()
        on_disk = {f"{name.replace('.', '-')}.{name.split('.')[1]}": name for name in files}
        for path, name in on_disk.items():
            (source / path).write_bytes(files[name])
        done = hiif("upscale", source, "-o", tmp_path / f"out-{form}", "-f", form, "-s", 2, "-n", "bicubic", "--name",
                    "{stem}.{ext}", "--server", server.address, "--log-format", "json", check=None)
        lines = [json.loads(line) for line in done.stderr.splitlines()]
        assert [line for line in lines if line.get("status") == "failed"] == []
        return {on_disk[pathlib.Path(line["input"]).name]: (pathlib.Path(line["output"]), line.get("warnings", []))
                for line in lines if line["event"] == "file"}
    return run


@pytest.mark.parametrize("form", ["png", "jpg", "webp", "tif", "avif", "jxl"])
def test_a_profile_of_other_pixels_is_kept_or_told(enlarge, form):
    files = {}
    for name, icc in PROFILES.items():
        for mode, forms in (("L", "PNG JPEG TIFF WEBP AVIF"), ("RGB", "PNG JPEG TIFF WEBP AVIF"), ("LA", "PNG TIFF"),
                            ("RGBA", "PNG TIFF WEBP AVIF"), ("CMYK", "JPEG TIFF")):
            for kind in forms.split():
                files[f"{mode}-{name}.{kind.lower()}"] = saved(kind, gradient(mode), icc_profile=icc)
    for name, (path, told) in enlarge(files, form).items():
        mode, space = name.split(".")[0].split("-")
        data = path.read_bytes()
        if form == "jxl":  # what has no place in it is told, and nothing else
            expected = mode in ("L", "LA") and space == "RGB" and name.endswith(("png", "jpeg", "tiff", "avif"))
            assert expected == any("RGB profile of a grey" in warning for warning in told), (name, told)
            continue
        with Image.open(io.BytesIO(data)) as image:
            found = image.info.get("icc_profile", b"")[16:20].decode("ascii", "replace").strip()
            pixels = "GRAY" if image.mode in ("L", "LA") else "RGB"
        assert found in ("", pixels) or (found, pixels) == ("RGB", "GRAY"), name
        # A profile that is right goes on, as RGB where grey does.
        right = space == ("GRAY" if mode in ("L", "LA") else "RGB") and mode != "CMYK" and not name.endswith(".webp")
        assert found or told, (name, "is lost without a word")
        assert not (right and told) or form == "jpg" and mode in ("LA", "RGBA"), (name, told)


def test_profiles_of_512_kib_are_told_where_no_message_carries_them(server, tmp_path):
    from hiif.v1 import super_resolution_pb2 as pb
    large = saved("PNG", gradient("L"), icc_profile=profile(b"GRAY", extra=b"data" + numpy.random.default_rng(1).bytes(700_000)))
    request = pb.UpscaleRequest(image=pb.ImageSource(encoded=large),
                                parameters=pb.UpscaleParameters(scale=pb.Scale(rx=2), model="bicubic"))
    header, _, trailer = assemble(server.stub().Upscale(request, timeout=60))
    assert not header.icc_profile and len(trailer.warnings) == 1 and "profile of 70" in trailer.warnings[0]
    request.parameters.encoded.format = pb.FILE_FORMAT_TIFF
    parts = list(server.stub().Upscale(request, timeout=60))
    whole = b"".join(part.chunk.data for part in parts if part.WhichOneof("part") == "chunk")
    assert len(Image.open(io.BytesIO(whole)).info["icc_profile"]) > 700_000 and not parts[-1].trailer.warnings
    (tmp_path / "large.png").write_bytes(large)
    done = hiif("upscale", tmp_path / "large.png", "-o", tmp_path / "o.png", "-s", 2, "-n", "bicubic", "--server", server.address)
    assert "profile of 70" in done.stderr


def with_chunks(png, *chunks):
    """Behind the header."""
    made = b"".join(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
                    for kind, data in chunks)
    return png[:33] + made + png[33:]


def with_segments(jpeg, *segments):
    return jpeg[:2] + b"".join(bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data
                               for marker, data in segments) + jpeg[2:]


def with_riff(webp, kind, data):
    made = webp[8:] + kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(made)) + made


def with_extension(gif, label, *blocks):
    """Before the first image."""
    at = 13 + (6 << (gif[10] & 7) if gif[10] & 0x80 else 0)
    return gif[:at] + bytes([0x21, label]) + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0" + gif[at:]


# Three frames by cjxl 0.7, of a GIF of 16 x 16.
ANIMATED_JXL = base64.b64decode(
    "/wpDBAFYUFwSCAigAgAARABLGIsVgF3g/wISAEDwhdH4AwgIoAIAAGwASxiLFQDUjDHGeIx3AQkACIcTAvCHwdvCSPoDCAigQgAAaABLGIsVANSMMeh4F5AA"
    "gIBAIQD+OPhmodv8AQ==")


# RGB of 16 x 12 and a depth map, by libjxl 0.7.
JXL_WITH_DEPTH = base64.b64decode(
    "/wpYMDABJAgIEADYAEsYk46DgwkRxQawIxUxKsbYMMbgUAxOxV5AIIBW7MAF1rwYoBAjBAAtgN+52X/dl5U3sCdAGA==")


def test_parts_that_no_decoder_hands_on_are_told(enlarge):
    png, jpeg, gif = saved("PNG", gradient("RGB")), saved("JPEG", gradient("RGB")), saved("GIF", gradient("L"))
    webp, avif = saved("WEBP", gradient("RGB")), saved("AVIF", gradient("RGB"))
    paths = b"Photoshop 3.0\0" + b"8BIM" + struct.pack(">HHI", 2000, 0, 4) + b"path"
    tiff = io.BytesIO()
    tifffile.imwrite(tiff, numpy.asarray(gradient("RGB")), photometric="rgb", extratags=[(42112, 2, 0, "<GDAL/>", True)])
    pyramid = io.BytesIO()
    with tifffile.TiffWriter(pyramid) as writer:
        writer.write(numpy.asarray(gradient("RGB")), photometric="rgb", subifds=1)
        writer.write(numpy.asarray(gradient("RGB"))[::2, ::2], photometric="rgb", subfiletype=1)
    box = struct.pack(">I4s", 44, b"uuid") + bytes.fromhex("d8fec3d61b0e483c92975828877ec481") + b"manifest".ljust(20)
    cases = {
        "credentials.png": (with_chunks(png, (b"caBX", b"jumb")), "caBX"),
        "layers.png": (with_chunks(png, (b"prVW", b"x" * 9), (b"mkBF", b"")), "prVW, mkBF"),
        "light.png": (with_chunks(png, (b"cLLI", bytes(8)), (b"mDCV", bytes(24))), "cLLI, mDCV"),
        "packed-xmp.png": (with_chunks(png, (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0not zlib")), "XMP data are damaged"),
        "hints.png": (with_chunks(png, (b"sBIT", b"\5\6\5"), (b"bKGD", bytes(6)), (b"tIME", bytes(7)), (b"iDOT", bytes(28))),
                      None),
        "thermal.jpg": (with_segments(jpeg, (0xE1, b"FLIR\0\1\0\0" + bytes(50))), "APP1 FLIR"),
        "maker.jpg": (with_segments(jpeg, (0xE5, b"RMETA\0" + bytes(9)), (0xE2, b"FPXR\0" + bytes(9))), "APP5 RMETA, APP2 FPXR"),
        "paths.jpg": (with_segments(jpeg, (0xED, paths)), "paths"),
        "quality.jpg": (with_segments(jpeg, (0xEC, b"Ducky\0\1\0\4\0\0\0\x3c\0\0")), None),
        "profile-part.jpg": (with_segments(jpeg, (0xE2, b"ICC_PROFILE\0\1\2" + SRGB[:300])), "part of it is missing"),
        "credentials.webp": (with_riff(webp, b"C2PA", b"jumb"), "C2PA"),
        "application.gif": (with_extension(gif, 0xFF, b"ACMETOOL1.0", b"x"), "ACMETOOL1.0"),
        "text.gif": (with_extension(gif, 0x01, bytes(12), b"hello"), "drawn over"),
        "geo.tif": (tiff.getvalue(), "42112"),
        "pyramid.tif": (pyramid.getvalue(), "below the page"),
        "credentials.avif": (avif + box, "C2PA"),
        "video.avif": (avif + struct.pack(">I4s", 28, b"mpvd") + bytes(20), "mpvd"),
        "depth.jxl": (JXL_WITH_DEPTH, "a depth map"),
        "rdf.avif": (saved("AVIF", gradient("RGB"), xmp=b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>'),
                     None),
        "noise.avif": (saved("AVIF", gradient("RGB"), xmp=b"no such thing"), "XMP data cannot be read"),
        "behind.png": (png + jpeg, f"{len(jpeg)} bytes behind the picture"),
        "behind.gif": (gif + png, f"{len(png)} bytes behind the picture"),
        "two.ppm": (2 * saved("PPM", gradient("RGB")), "bytes behind the picture"),
        "filled.png": (png + bytes(512), None), "filled.gif": (gif + bytes(512), None),
        "filled.avif": (avif + bytes(512), None),
        "plain.png": (png, None), "plain.jpg": (jpeg, None), "plain.gif": (gif, None), "plain.webp": (webp, None),
        "plain.avif": (avif, None),
    }
    for name, (path, told) in enlarge({name: data for name, (data, _) in cases.items()}, "png").items():
        assert path.exists()
        expected = cases[name][1]
        assert (expected is None and told == []) or (len(told) == 1 and expected and expected in told[0]), (name, told)


def test_an_animated_jpeg_xl(server, tmp_path):
    """libvips has its first frame up to 8.15, and none from 8.16 on."""
    source = tmp_path / "animated.jxl"
    source.write_bytes(ANIMATED_JXL)
    done = hiif("upscale", source, "-o", tmp_path / "out.png", "-s", 2, "-n", "bicubic", "--server", server.address, check=None)
    if done.returncode == 0:
        assert "first frame" in done.stderr and Image.open(tmp_path / "out.png").size == (32, 32)
    else:
        assert "3 frames" in done.stderr and not (tmp_path / "out.png").exists()


def test_comments_of_a_netpbm_file(enlarge):
    """Wherever they stand in it: kept by what holds them, PPM too, else told."""
    raw = gradient("RGB").resize((8, 6)).tobytes()
    words = " ".join(map(str, gradient("L").resize((8, 6)).tobytes()))
    files = {"raw.ppm": b"P6\n# CREATOR: one\n8 #two\n6\n#\n255\n" + raw,
             "words.pgm": f"P2\n#  CREATOR: one \n8 6 255\n{words[:30]}\n# two\n{words[30:]}\n".encode(),
             "bits.pbm": b"P4 # CREATOR: one\r\n# two\n8 6\n" + bytes(6)}
    for extension in ("png", "jpg", "ppm", "tif"):
        for name, (path, told) in enlarge(files, extension).items():
            if extension == "tif":
                assert len(told) == 1 and "comment" in told[0], (name, told)
                continue
            assert told == [], (name, extension)
            with Image.open(path) as image:
                assert image.size == (16, 12)
                text = image.info["comment"].decode() if extension == "jpg" else image.info.get("Comment")
            if extension == "ppm":
                # libvips would take a second comment for numbers.
                assert path.read_bytes()[3:].startswith(b"# CREATOR: one; two\n16 12\n")
                assert Vips().look(path)[:2] == (16, 12)
            else:
                assert text == "CREATOR: one\ntwo", (name, extension)


def test_what_would_be_dropped_is_kept_where_we_read_it(enlarge):
    gif, png, jpeg = saved("GIF", gradient("L")), saved("PNG", gradient("RGB")), saved("JPEG", gradient("RGB"))
    blocks = [SRGB[i:i + 255] for i in range(0, len(SRGB), 255)]
    parts = [b"ICC_PROFILE\0" + bytes([i + 1, 3]) + SRGB[200 * i:200 * i + 200 if i < 2 else None] for i in range(3)]
    tiff = io.BytesIO()
    tifffile.imwrite(tiff, numpy.asarray(gradient("L")), extratags=[(269, 2, 0, "a document", True)])
    files = {
        "profile.gif": with_extension(gif, 0xFF, b"ICCRGBG1012", *blocks),
        "profile.png": with_chunks(png, (b"iCCP", b"name\0\0" + zlib.compress(SRGB))),
        "parts.jpg": with_segments(jpeg, *[(0xE2, part) for part in (parts[2], parts[0], parts[1])]),
        "comments.jpg": with_segments(jpeg, (0xFE, b"one"), (0xFE, b"two")),
        "document.tif": tiff.getvalue(),
        "grey.avif": saved("AVIF", gradient("L")),
        "associated.avif": saved("AVIF", gradient("RGBA"), alpha_premultiplied=True, quality=100),
    }
    made = enlarge(files, "png")
    assert all(told == [] for _, told in made.values()), made
    for name in ("profile.gif", "profile.png", "parts.jpg"):
        assert Image.open(made[name][0]).info["icc_profile"] == SRGB, name
    assert Image.open(made["comments.jpg"][0]).text["Comment"] == "one\ntwo"
    assert Image.open(made["grey.avif"][0]).mode == "L"
    document = enlarge({"document.tif": files["document.tif"]}, "tif")["document.tif"][0]
    assert tifffile.TiffFile(document).pages[0].tags[269].value == "a document"
    # The decoder hands over the colours multiplied with transparency.
    straight = numpy.asarray(Image.open(io.BytesIO(saved("PNG", gradient("RGBA"))))).astype(float)
    out = numpy.asarray(Image.open(made["associated.avif"][0]).resize(SIZE, Image.BOX)).astype(float)
    opaque = straight[..., 3] > 64
    assert numpy.abs(out - straight)[opaque].mean() < 4


def exif(*entries):
    """A block of (tag, type, count, value)."""
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries))
    at, values = len(head) + 12 * len(entries) + 4, b""
    for tag, kind, count, value in entries:
        place = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", at + len(values))
        head += struct.pack("<HHI", tag, kind, count) + place
        values += value if len(value) > 4 else b""
    return head + bytes(4) + values


def test_what_exif_says_of_the_picture_is_in_a_tiff(enlarge):
    """Texts of Windows and of EXIF 3.0 (UTF-8, type 129), and ratings; other tags are told."""
    text, title = "grün".encode() + b"\0", "Titel".encode("utf-16-le") + b"\0\0"
    block = b"Exif\0\0" + exif((270, 129, len(text), text), (0x4746, 3, 1, b"\4\0"), (0x9C9B, 1, len(title), title))
    other = b"Exif\0\0" + exif((0xC000, 3, 1, b"\1\0"))
    jpeg = saved("JPEG", gradient("RGB"))
    made = enlarge({"texts.jpg": with_segments(jpeg, (0xE1, block)), "other.jpg": with_segments(jpeg, (0xE1, other))}, "tif")
    path, told = made["texts.jpg"]
    assert told == []
    with Image.open(path) as image:
        tags = image.tag_v2
        assert tags[0x4746] == 4 and bytes(tags[0x9C9B]) == title
    assert text in path.read_bytes()
    assert enlarge({"again.tif": path.read_bytes()}, "png")["again.tif"][1] == [], "and is known there"
    assert made["other.jpg"][1] == ["TIFF: tags of the EXIF data are left out: 49152"]
