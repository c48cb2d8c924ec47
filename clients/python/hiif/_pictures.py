"""Pictures of the caller's as messages, and results as the caller's pictures."""

from __future__ import annotations

import io
import os
from typing import Any, List, Optional, Tuple, Union

import numpy as np
from PIL import Image

from hiif.v1 import super_resolution_pb2 as pb

Picture = Union[Image.Image, np.ndarray, bytes, str, "os.PathLike[str]"]

_TYPES = {np.dtype(np.uint8): pb.SAMPLE_TYPE_U8, np.dtype(np.uint16): pb.SAMPLE_TYPE_U16,
          np.dtype(np.float32): pb.SAMPLE_TYPE_F32}
DTYPES = {pb.SAMPLE_TYPE_U8: np.dtype("u1"), pb.SAMPLE_TYPE_U16: np.dtype("<u2"),
          pb.SAMPLE_TYPE_F32: np.dtype("<f4")}
# What Pillow keeps of a picture's file beside its pixels, and keeps itself when it resizes.
_KEPT = ("icc_profile", "exif", "xmp", "dpi")


class Source:
    """A picture as it is sent.

    message: for the request. info: of a Pillow image, what its result gets back. warnings: what was lost on the
    way into the message.
    """

    def __init__(self, message: pb.ImageSource, as_array: bool, info: Optional[dict] = None,
                 mode: str = "", warnings: Tuple[str, ...] = ()):
        self.message = message
        self.as_array = as_array
        self.warnings: List[str] = list(warnings)
        self._info = info or {}
        self._mode = mode

    def size(self) -> int:
        """Bytes of the picture."""
        return len(self.message.encoded) or len(self.message.raw.samples)

    def check_result(self, channels: int, sample_type: int) -> None:
        """Raises TypeError where Pillow cannot hold the result; before it is computed."""
        if not self.as_array and sample_type != pb.SAMPLE_TYPE_U8 and channels != 1:
            raise TypeError(
                "Pillow holds 16 bits and floats in grey images only: ask for an array (as_array=True), or for 8 "
                "bits a sample (sample_type=1)")

    def result(self, pixels: np.ndarray, icc_profile: bytes) -> Union[Image.Image, np.ndarray]:
        """What the sender of the picture expects; icc_profile: as the server said."""
        if pixels.shape[2] == 1:
            pixels = pixels[..., 0]
        if self.as_array:
            return pixels
        image = Image.fromarray(pixels.astype(np.int32) if self._mode == "I" else pixels)
        image.info.update(self._info)
        if icc_profile:
            image.info["icc_profile"] = icc_profile
        return image


def source_of(picture: Picture, as_array: Optional[bool] = None, convert_to_srgb: bool = False) -> Source:
    """Raises TypeError for what is no picture, OSError for a file that cannot be read."""
    if isinstance(picture, (str, os.PathLike)):
        with open(picture, "rb") as file:
            return Source(pb.ImageSource(encoded=file.read()), bool(as_array))
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return Source(pb.ImageSource(encoded=bytes(picture)), bool(as_array))
    if isinstance(picture, Image.Image):
        return _of_pillow(picture, bool(as_array), convert_to_srgb)
    array = np.asarray(picture)
    if array.dtype.newbyteorder("=") not in _TYPES or array.ndim not in (2, 3):
        raise TypeError("an array of uint8, uint16 or float32 (0 to 1), of shape (height, width) or "
                        f"(height, width, channels), is needed, not {array.dtype} of shape {array.shape}")
    return Source(_raw(array), as_array is None or as_array)


def _raw(array: np.ndarray) -> pb.ImageSource:
    sample_type = _TYPES[array.dtype.newbyteorder("=")]
    channels = 1 if array.ndim == 2 else array.shape[2]
    little = np.ascontiguousarray(array, DTYPES[sample_type])
    return pb.ImageSource(raw=pb.RawImage(width=array.shape[1], height=array.shape[0], channels=channels,
                                          sample_type=sample_type, samples=little.tobytes()))


def _of_pillow(picture: Image.Image, as_array: bool, convert_to_srgb: bool) -> Source:
    """Pixels as Pillow shows them: not turned, whatever its EXIF says, as in its own resize()."""
    info = {key: picture.info[key] for key in _KEPT if picture.info.get(key)}
    exif = picture.getexif()
    if len(exif):  # of a TIFF, and what the caller changed, info does not have
        info["exif"] = exif.tobytes()
    mode = picture.mode
    profiled = mode in ("CMYK", "LAB") or (convert_to_srgb and "icc_profile" in info)
    if profiled:
        # Only the server has the means to convert. LAB and CMYK are what TIFF holds.
        if mode in ("P", "PA", "1", "YCbCr", "HSV", "La", "RGBa", "RGBX"):
            picture = _plain(picture)
        out = io.BytesIO()
        picture.save(out, "TIFF", exif=Image.Exif(), icc_profile=info.pop("icc_profile", None))
        return Source(pb.ImageSource(encoded=out.getvalue()), as_array, info)
    if mode == "I":
        wide = np.asarray(picture)
        if wide.size and (wide.min() < 0 or wide.max() > 0xFFFF):
            raise TypeError("a Pillow image of mode I with values outside 0 to 65535: scale it, or give a float32 "
                            "array of 0 to 1")
        return Source(_raw(wide.astype(np.uint16)), as_array, info, mode)
    if mode.startswith("I;16") or mode == "F":
        return Source(_raw(np.asarray(picture)), as_array, info, mode)
    if mode in ("YCbCr", "HSV"):
        note = (f"a Pillow image of mode {mode} is enlarged, and comes back, as RGB",)
        return Source(_raw(np.asarray(picture.convert("RGB"))), as_array, info, mode, note)
    return Source(_raw(np.asarray(_plain(picture))), as_array, info, mode)


def _plain(picture: Image.Image) -> Image.Image:
    """As L, LA, RGB or RGBA, transparency that is told beside the pixels included."""
    mode = picture.mode
    see_through = "transparency" in picture.info
    if mode in ("P", "PA"):
        palette = picture.palette.mode if picture.palette is not None else "RGB"
        return picture.convert("RGBA" if see_through or mode == "PA" or palette.endswith("A") else "RGB")
    if mode in ("1", "L"):
        return picture.convert("LA" if see_through else "L")
    if mode == "RGB":
        return picture.convert("RGBA") if see_through else picture
    target = {"LA": "LA", "La": "LA", "RGBA": "RGBA", "RGBa": "RGBA"}.get(mode, "RGB")
    return picture if mode == target else picture.convert(target)
