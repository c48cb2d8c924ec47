"""What libvips says of a file: another reader than the project's own code, by its C interface."""

import ctypes
import ctypes.util

_FORMATS = {0: "8 bits", 2: "16 bits", 6: "float"}


class Vips:
    """Raises OSError where there is no libvips."""

    def __init__(self):
        self._lib = ctypes.CDLL(ctypes.util.find_library("vips") or "libvips.so.42")
        self._lib.vips_image_new_from_file.restype = ctypes.c_void_p
        self._lib.vips_image_get_xres.restype = ctypes.c_double
        assert self._lib.vips_init(b"tests") == 0

    def look(self, path):
        """Width, height, bands, name of the sample type, pixels per inch, and whether there is a profile; the pixels
        are decoded too."""
        image = self._lib.vips_image_new_from_file(str(path).encode(), None)
        assert image, f"libvips cannot open {path}"
        image = ctypes.c_void_p(image)
        average = ctypes.c_double()
        assert self._lib.vips_avg(image, ctypes.byref(average), None) == 0, f"libvips cannot read {path}"
        seen = (self._lib.vips_image_get_width(image), self._lib.vips_image_get_height(image),
                self._lib.vips_image_get_bands(image), _FORMATS[self._lib.vips_image_get_format(image)],
                round(self._lib.vips_image_get_xres(image) * 25.4),
                bool(self._lib.vips_image_get_typeof(image, b"icc-profile-data")))
        self._lib.g_object_unref(image)
        return seen
