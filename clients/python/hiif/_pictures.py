"""Pictures of the caller's as messages, and results as the caller's pictures."""

from __future__ import annotations

import io
import os
from typing import IO, Any, List, Optional, Sequence, Tuple, Union

import numpy as np
from PIL import Image

from hiif.v1 import super_resolution_pb2 as pb

Picture = Union[Image.Image, np.ndarray, bytes, str, "os.PathLike[str]", IO[bytes]]

_TYPES = {np.dtype(np.uint8): pb.SAMPLE_TYPE_U8, np.dtype(np.uint16): pb.SAMPLE_TYPE_U16,
          np.dtype(np.float32): pb.SAMPLE_TYPE_F32}
DTYPES = {pb.SAMPLE_TYPE_U8: np.dtype("u1"), pb.SAMPLE_TYPE_U16: np.dtype("<u2"),
          pb.SAMPLE_TYPE_F32: np.dtype("<f4")}
# TIFF's tags of where and how the pixels lie in the file that they came from: of no other picture.
_STORAGE = frozenset((254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325,
                      338, 339, 347, 529, 530, 531, 532))


class Source:
    """A picture as it is sent.

    message: for the request. info: of a Pillow image, what its result gets back. warnings: what was lost on the
    way into the message. value_range: what 0 and 1 of the message stand for, where the picture has other values.
    """

    def __init__(self, message: pb.ImageSource, as_array: bool, info: Optional[dict] = None,
                 mode: str = "", warnings: Sequence[str] = (), value_range: Optional[Tuple[float, float]] = None):
        self.message = message
        self.as_array = as_array
        self.warnings: List[str] = list(warnings)
        self._info = info or {}
        self._mode = mode
        self._range = value_range

    def size(self) -> int:
        """Bytes of the picture."""
        return len(self.message.encoded) or len(self.message.raw.samples)

    def check_result(self, channels: int, sample_type: int) -> None:
        """Raises TypeError where Pillow cannot hold the result; before it is computed."""
        if not self.as_array and sample_type != pb.SAMPLE_TYPE_U8 and channels != 1:
            raise TypeError(
                "Pillow holds 16 bits and floats in grey images only: ask for an array (as_array=True), or for 8 "
                "bits a sample (sample_type=1)")

    def values(self, unit: np.ndarray) -> np.ndarray:
        """Floats of 0 to 1 as values of the picture."""
        return unit if self._range is None else self._in_range(unit).astype(np.float32)

    def _in_range(self, unit: np.ndarray) -> np.ndarray:
        """As values(), in float64: float32 has no 2**31 - 1."""
        assert self._range is not None
        low, high = self._range
        return unit.astype(np.float64) * (high - low) + low

    def result(self, pixels: np.ndarray, icc_profile: bytes) -> Union[Image.Image, np.ndarray]:
        """What the sender of the picture expects; icc_profile: as the server said."""
        if pixels.shape[2] == 1:
            pixels = pixels[..., 0]
        if pixels.dtype == np.float32 and self._range is not None:  # and not what the caller asked for instead
            pixels = self._in_range(pixels)
        if self._mode == "I" and not self.as_array and pixels.dtype != np.float32:
            limits = np.iinfo(np.int32)
            pixels = np.clip(np.rint(pixels.astype(np.float64)), limits.min, limits.max).astype(np.int32)
        elif pixels.dtype == np.float64:
            pixels = pixels.astype(np.float32)
        if self.as_array:
            return pixels
        image = Image.fromarray(pixels)
        image.info.update(self._info)
        if icc_profile:
            image.info["icc_profile"] = icc_profile
        return image


def source_of(picture: Picture, as_array: Optional[bool] = None, convert_to_srgb: bool = False,
              clip: bool = False) -> Source:
    """Raises TypeError for what is no picture, OSError for a file that cannot be read."""
    if isinstance(picture, (str, os.PathLike)):
        with open(picture, "rb") as file:
            return Source(pb.ImageSource(encoded=file.read()), bool(as_array))
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return Source(pb.ImageSource(encoded=bytes(picture)), bool(as_array))
    if isinstance(picture, Image.Image):
        return _of_pillow(picture, bool(as_array), convert_to_srgb, clip)
    if hasattr(picture, "read"):
        data = "" if isinstance(picture, io.TextIOBase) else picture.read()
        if not isinstance(data, (bytes, bytearray, memoryview)):  # text would be taken for a path
            raise TypeError(f"a file gave {type(data).__name__} instead of bytes: open it in binary mode, "
                            'open(path, "rb")')
        return source_of(data, as_array)
    array = np.asarray(picture)
    if array.dtype.newbyteorder("=") not in _TYPES or array.ndim not in (2, 3):
        what = f"{array.dtype} of shape {array.shape}" if array.ndim else type(picture).__name__
        raise TypeError("a Pillow image, a path, a file, its bytes, or an array of uint8, uint16 or float32 (0 to 1), of "
                        f"shape (height, width) or (height, width, channels), is needed, not {what}")
    return Source(_raw(array), as_array is None or as_array)


def _raw(array: np.ndarray) -> pb.ImageSource:
    sample_type = _TYPES[array.dtype.newbyteorder("=")]
    channels = 1 if array.ndim == 2 else array.shape[2]
    little = np.ascontiguousarray(array, DTYPES[sample_type])
    return pb.ImageSource(raw=pb.RawImage(width=array.shape[1], height=array.shape[0], channels=channels,
                                          sample_type=sample_type, samples=little.tobytes()))


def _of_pillow(picture: Image.Image, as_array: bool, convert_to_srgb: bool, clip: bool) -> Source:
    """Pixels as Pillow shows them: not turned, whatever its EXIF says, as in its own resize(); beside them, what
    that keeps."""
    picture.load()  # only now Pillow has turned a TIFF, and read what stands behind the pixels
    info = dict(picture.info)
    mode = picture.mode
    notes = []
    if mode in ("YCbCr", "HSV"):
        notes.append(f"a Pillow image of mode {mode} is enlarged, and comes back, as RGB")
    try:
        exif = _exif(picture)
    except Exception as error:  # Pillow reads tags of types that it cannot write, and raises whatever comes of that
        exif = b""
        if "exif" not in info:
            notes.append(f"the EXIF of a Pillow image cannot be written again ({error}), and is left out")
    if exif:  # of a TIFF, and what the caller changed, info does not have
        info["exif"] = exif
    value_range = None
    if mode in ("I", "F"):
        plain, value_range = _of_any_range(picture, clip)
    else:
        plain = _plain(picture)
    # Applied, and a place in the palette.
    if info.pop("transparency", None) is not None and not plain.mode.endswith("A"):
        notes.append(f"the transparent colour of a Pillow image of mode {mode} is left out")
    info.pop("background", None)
    if mode in ("CMYK", "LAB") or (convert_to_srgb and info.get("icc_profile")):
        # Only the server has the means to convert. LAB and CMYK are what TIFF holds.
        out = io.BytesIO()
        plain.save(out, "TIFF", exif=Image.Exif(), icc_profile=info.pop("icc_profile", None))
        return Source(pb.ImageSource(encoded=out.getvalue()), as_array, info, mode, notes, value_range)
    return Source(_raw(np.asarray(plain)), as_array, info, mode, notes, value_range)


def _exif(picture: Image.Image) -> bytes:
    exif = picture.getexif()
    if any(tag in exif for tag in _STORAGE):
        whole, exif = exif, Image.Exif()
        exif.load(whole.tobytes())
        for tag in _STORAGE.intersection(exif):
            del exif[tag]
    return exif.tobytes() if len(exif) else b""


def _of_any_range(picture: Image.Image, clip: bool) -> Tuple[Image.Image, Optional[Tuple[float, float]]]:
    """Of mode I or F, in which Pillow holds any values: of 8 or 16 bits, else as floats of 0 to 1, and what those stand
    for."""
    array = np.asarray(picture)
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise TypeError("a Pillow image of mode F with values that are not finite")
    if picture.mode == "I" and low >= 0 and high <= 0xFFFF:
        return Image.fromarray(array.astype(np.uint8 if high <= 0xFF else np.uint16)), None
    if picture.mode == "F" and (clip or (low >= 0 and high <= 1)):
        return picture, None
    low, high = min(low, 0.0), max(high, 1.0)
    return Image.fromarray(((array - low) / (high - low)).astype(np.float32)), (low, high)


def _plain(picture: Image.Image) -> Image.Image:
    """As L, LA, RGB, RGBA, CMYK, LAB or I;16, transparency that is told beside the pixels included."""
    mode = picture.mode
    see_through = "transparency" in picture.info
    if mode in ("CMYK", "LAB"):
        return picture
    if mode.startswith("I;16"):
        return picture if mode == "I;16" else Image.fromarray(np.asarray(picture).astype(np.uint16))
    if mode in ("P", "PA"):
        palette = picture.palette.mode if picture.palette is not None else "RGB"
        return picture.convert("RGBA" if see_through or mode == "PA" or palette.endswith("A") else "RGB")
    if mode in ("1", "L"):
        return picture.convert("LA" if see_through else "L")
    if mode == "RGB":
        return picture.convert("RGBA") if see_through else picture
    target = {"LA": "LA", "La": "LA", "RGBA": "RGBA", "RGBa": "RGBA"}.get(mode, "RGB")
    return picture if mode == target else picture.convert(target)
