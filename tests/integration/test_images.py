"""Right pixels: files made here, enlarged by the command line, read back by Pillow and by libvips."""


import numpy
import pillow_heif
import pytest
import tifffile
from PIL import Image, ImageCms

from icc import linear_srgb
from processes import hiif
from vips import Vips


@pytest.fixture
def enlarge(server, tmp_path):
    """Enlarges an image file and opens the result; `out` is the result's name."""
    def run(source, *flags, out="out.png", check=0):
        target = tmp_path / out
        result = hiif("upscale", source, "-o", target, "--exists", "overwrite", "--server", server.address,
                      *flags, check=check)
        return Image.open(target) if check == 0 else result
    return run


def gradient(width=40, height=30):
    """Smooth colour, which any good enlargement reproduces."""
    y, x = numpy.mgrid[0:height, 0:width]
    return numpy.stack([x * 255 / width, y * 255 / height, 128 + 0 * x], -1).astype(numpy.uint8)


def save(image, path, **options):
    image.save(path, **options)
    return path


def close_to(image, array, tolerance):
    """Mean difference to an array made as large by Pillow."""
    expected = Image.fromarray(array).resize(image.size, Image.BICUBIC)
    return numpy.abs(numpy.asarray(image.convert("RGB")).astype(int) - numpy.asarray(expected)).mean() < tolerance


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_cleared(enlarge, tmp_path, orientation):
    upright = Image.fromarray(gradient())
    turns = {2: Image.FLIP_LEFT_RIGHT, 3: Image.ROTATE_180, 4: Image.FLIP_TOP_BOTTOM, 5: Image.TRANSPOSE,
             6: Image.ROTATE_90, 7: Image.TRANSVERSE, 8: Image.ROTATE_270}
    stored = upright.transpose(turns[orientation]) if orientation in turns else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    result = enlarge(save(stored, tmp_path / "in.jpg", exif=exif, quality=98), "-s", 2, out="o.jpg")
    assert result.size == (80, 60)
    assert result.getexif().get(0x0112, 1) == 1
    assert close_to(result, gradient(), 4)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "ppm"])
def test_every_format_in_and_out(enlarge, tmp_path, suffix):
    source = save(Image.fromarray(gradient()), tmp_path / f"in.{suffix}")
    result = enlarge(source, "-s", 2, out=f"o.{suffix}")
    assert result.size == (80, 60) and close_to(result, gradient(), 4)


@pytest.mark.parametrize("suffix", ["avif", "gif"])
def test_formats_that_are_read(enlarge, tmp_path, suffix):
    source = save(Image.fromarray(gradient()), tmp_path / f"in.{suffix}")
    assert close_to(enlarge(source, "-s", 2), gradient(), 8)


@pytest.mark.parametrize("suffix", ["avif", "jxl"])
def test_formats_that_only_libvips_reads_back(enlarge, server, tmp_path, suffix):
    first = tmp_path / f"o.{suffix}"
    source = save(Image.fromarray(gradient()), tmp_path / "in.png")
    hiif("upscale", source, "-o", first, "-s", 2, "--server", server.address)
    assert close_to(enlarge(first, "-s", 1), gradient(), 4)  # our own libvips decodes it


def test_half_a_jpeg_with_an_end_marker_is_refused(enlarge, tmp_path):
    whole = save(Image.fromarray(gradient()), tmp_path / "in.jpg", quality=95).read_bytes()
    (tmp_path / "half.jpg").write_bytes(whole[:-300] + b"\xff\xd9")
    assert "damaged or truncated" in enlarge(tmp_path / "half.jpg", "-s", 2, check=1).stderr


def test_grey_and_alpha_stay(enlarge, tmp_path):
    grey = Image.fromarray(gradient()).convert("L")
    assert enlarge(save(grey, tmp_path / "l.png"), "-s", 2).mode == "L"
    grey.putalpha(Image.linear_gradient("L").resize(grey.size))
    assert enlarge(save(grey, tmp_path / "la.png"), "-s", 2).mode == "LA"
    rgba = Image.fromarray(gradient()).convert("RGBA")
    rgba.putalpha(Image.linear_gradient("L").resize(rgba.size))
    result = enlarge(save(rgba, tmp_path / "rgba.png"), "-s", 2)
    assert result.mode == "RGBA"
    expected = Image.linear_gradient("L").resize(rgba.size).resize((80, 60), Image.LANCZOS)
    assert numpy.abs(numpy.asarray(result)[..., 3].astype(int) - numpy.asarray(expected)).mean() < 3


def test_no_halo_at_transparent_edges(enlarge, tmp_path):
    """Red on transparent green: no green may shine through at the edge."""
    pixels = numpy.zeros((24, 24, 4), numpy.uint8)
    pixels[..., 1] = 255
    pixels[6:18, 6:18] = (220, 0, 0, 255)
    result = numpy.asarray(enlarge(save(Image.fromarray(pixels), tmp_path / "in.png"), "-s", 3)).astype(int)
    visible = result[..., 3] > 8
    assert visible.sum() > 1000
    assert result[visible][:, 1].max() < 60, "green at the edge"


def test_palette_with_transparency(enlarge, tmp_path):
    image = Image.fromarray(gradient()).quantize(16)
    image.save(tmp_path / "in.png", transparency=3)
    result = enlarge(tmp_path / "in.png", "-s", 2)
    assert result.mode == "RGBA"
    holes = (numpy.asarray(image) == 3).mean()
    assert abs((numpy.asarray(result)[..., 3] < 128).mean() - holes) < 0.05


def test_sixteen_bits_stay_smooth(enlarge, tmp_path):
    ramp = numpy.broadcast_to(numpy.linspace(0, 65535, 128), (8, 128)).astype(numpy.uint16)
    result = numpy.asarray(enlarge(save(Image.fromarray(ramp), tmp_path / "in.png"), "-s", 32))
    assert result.dtype.itemsize >= 2
    assert len(numpy.unique(result)) > 4096


@pytest.mark.parametrize("bits", [10, 12])
def test_white_of_ten_and_twelve_bits_is_white(enlarge, tmp_path, monkeypatch, bits):
    """And opaque is opaque: libvips only shifts the samples up."""
    monkeypatch.setattr(pillow_heif.options, "SAVE_HDR_TO_12_BIT", bits == 12)
    pixels = numpy.full((48, 64, 4), 65535, numpy.uint16)
    pixels[:, 40:, :3] = 0
    pixels[:, :16, 3] = 0x8000
    for mode, array in (("RGB;16", pixels[..., :3]), ("RGBA;16", pixels)):
        picture = pillow_heif.from_bytes(mode, (64, 48), array.tobytes())
        picture.save(tmp_path / "in.heic", quality=-1, chroma=444, matrix_coefficients=0)
        enlarge(tmp_path / "in.heic", "-s", 1, "-n", "bicubic", out="out.tif")
        made = tifffile.imread(tmp_path / "out.tif")
        assert made.dtype == numpy.uint16 and made.shape[-1] == len(mode) - 3
        assert (made[:, 20:36, :3] == 65535).all() and (made[:, 50:, :3] == 0).all()
        if made.shape[-1] == 4:
            assert (made[:, 26:, 3] == 65535).all() and numpy.abs(made[:, :8, 3].astype(int) - 0x8000).max() <= 64


def test_float_tiff(enlarge, tmp_path, server):
    ramp = numpy.broadcast_to(numpy.linspace(0.1, 0.9, 48, dtype=numpy.float32), (16, 48))
    source = save(Image.fromarray(ramp), tmp_path / "in.tif")
    result = numpy.asarray(enlarge(source, "-s", 2, out="o.tif"))
    assert result.dtype == numpy.float32 and len(numpy.unique(result)) > 500
    assert abs(result.mean() - ramp.mean()) < 0.01
    bright = save(Image.fromarray(ramp + 0.5), tmp_path / "bright.tif")
    assert "clip" in enlarge(bright, "-s", 2, out="p.tif", check=1).stderr
    assert numpy.asarray(enlarge(bright, "-s", 2, "--clip", out="q.tif")).max() <= 1


def test_cmyk_comes_out_as_rgb(enlarge, tmp_path):
    image = Image.fromarray(gradient()).convert("CMYK")
    result = enlarge(save(image, tmp_path / "in.jpg", quality=98), "-s", 2)
    assert result.mode == "RGB"
    assert close_to(result, numpy.asarray(image.convert("RGB")), 25)


def test_profiles_are_kept_or_converted(enlarge, tmp_path):
    """sRGB tagged as itself, and colours of linear light."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    image = Image.fromarray(gradient())
    source = save(image, tmp_path / "in.png", icc_profile=srgb.tobytes())
    kept = enlarge(source, "-s", 2)
    assert kept.info["icc_profile"] == srgb.tobytes() and close_to(kept, gradient(), 3)
    plain = enlarge(source, "-s", 2, "--srgb", out="s.png")
    assert close_to(plain, gradient(), 3)
    dark = numpy.full((30, 40, 3), 55, numpy.uint8)
    source = save(Image.fromarray(dark), tmp_path / "linear.png", icc_profile=linear_srgb())
    kept = enlarge(source, "-s", 2, out="k.png")
    assert kept.info["icc_profile"] == linear_srgb() and close_to(kept, dark, 2)
    converted = enlarge(source, "-s", 2, "--srgb", out="c.png")
    assert "icc_profile" not in converted.info and close_to(converted, numpy.full_like(dark, 128), 2)


def test_metadata_is_kept_or_stripped(enlarge, tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    source = save(Image.fromarray(gradient()), tmp_path / "in.jpg", exif=exif, dpi=(300, 300))
    kept = enlarge(source, "-s", 2, out="k.jpg")
    assert kept.getexif()[0x010F] == "Maker" and round(kept.info["dpi"][0]) == 300
    assert 0x010F not in enlarge(source, "-s", 2, "--strip", out="s.jpg").getexif()
    assert round(enlarge(source, "-s", 2, "--ppi", "print-size", out="p.jpg").info["dpi"][0]) == 600


@pytest.mark.parametrize("size", [(1, 1), (1, 37), (37, 1), (2, 2)])
def test_tiny_images(enlarge, tmp_path, size):
    source = save(Image.new("RGB", size, (200, 30, 90)), tmp_path / "in.png")
    result = enlarge(source, "-s", 3)
    assert result.size == (3 * size[0], 3 * size[1])
    assert numpy.abs(numpy.asarray(result).astype(int) - (200, 30, 90)).max() < 40


def test_a_wide_image(enlarge, tmp_path):
    source = save(Image.new("RGB", (16384, 2), (10, 200, 90)), tmp_path / "in.png")
    assert enlarge(source, "--scale-x", 1, "--scale-y", 1).size == (16384, 2)
    refused = enlarge(source, "-s", 1.5, out="o.webp", check=1)
    assert "16383" in refused.stderr and "TIFF" in refused.stderr


@pytest.mark.parametrize("scale,size", [(1, (13, 9)), (1.001, (13, 9)), (1.5, (20, 14)), (30, (390, 270))])
def test_scales(enlarge, tmp_path, scale, size):
    """Sizes are rounded once, half up."""
    source = save(Image.fromarray(gradient(13, 9)), tmp_path / "in.png")
    assert enlarge(source, "-s", scale).size == size


def test_libvips_reads_what_is_written(enlarge, tmp_path):
    """An independent reader, which decodes too."""
    source = save(Image.fromarray(gradient()), tmp_path / "in.png")
    for suffix in ("png", "jpg", "webp", "tif", "avif", "ppm"):
        enlarge(source, "-s", 2, out=f"v.{suffix}")
        assert Vips().look(tmp_path / f"v.{suffix}")[:4] == (80, 60, 3, "8 bits"), suffix
