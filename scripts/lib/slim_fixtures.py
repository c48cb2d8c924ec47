"""Recorded cases of HIIF without what the torch engine cannot show: `features`, most of their bytes.

usage: slim_fixtures.py FROM TO NAMES     NAMES: such as hiif-*
"""

import json
import pathlib
import struct
import sys

source, target = map(pathlib.Path, sys.argv[1:3])
target.mkdir(parents=True)
for path in sorted(source.glob(sys.argv[3] + ".safetensors")):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    body = data[8 + size:]
    kept, parts, at = {}, [], 0
    for name, entry in header.items():
        if name == "__metadata__" or name == "features":
            continue
        begin, end = entry["data_offsets"]
        kept[name] = {**entry, "data_offsets": [at, at + end - begin]}
        parts.append(body[begin:end])
        at += end - begin
    text = json.dumps({"__metadata__": header.get("__metadata__", {}), **kept}).encode()
    text += b" " * (-len(text) % 8)
    (target / path.name).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))
