"""A colour profile made by hand, independent of the libraries that read it."""

import struct


def linear_srgb():
    """sRGB's primaries with linear light: 55 of 255 is the light that sRGB calls 128."""
    def number(value):
        return struct.pack(">i", round(value * 65536))

    def colour(*xyz):
        return b"XYZ " + bytes(4) + b"".join(map(number, xyz))

    linear = b"curv" + bytes(8)  # no entries: as it is
    tags = {b"desc": b"desc" + bytes(4) + struct.pack(">I", 7) + b"linear\0" + bytes(78),
            b"cprt": b"text" + bytes(4) + b"none\0", b"wtpt": colour(0.9642, 1, 0.8249),
            b"rXYZ": colour(0.43607, 0.22249, 0.01392), b"gXYZ": colour(0.38515, 0.71687, 0.09708),
            b"bXYZ": colour(0.14307, 0.06061, 0.71410), b"rTRC": linear, b"gTRC": linear, b"bTRC": linear}
    begin = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += name + struct.pack(">II", begin + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    head = (struct.pack(">I", begin + len(data)) + bytes(4) + b"\x02\x40\0\0" + b"mntrRGB XYZ " +
            struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + colour(0.9642, 1, 0.8249)[8:] + bytes(48))
    return head + table + data
