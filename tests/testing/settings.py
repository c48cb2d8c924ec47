"""What proto/hiif/config/v1/config.proto says of a setting, and durations as settings and proxies write them."""

import re

from processes import ROOT

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def default_of(name):
    """As it is written."""
    text = (ROOT / "proto" / "hiif" / "config" / "v1" / "config.proto").read_text()
    return re.search(rf'\b{name} = \d+ \[\(setting\) = {{\s*default: "([^"]*)"', text)[1]


def seconds(duration):
    """Of "2100s", "35m" or "1h30m"."""
    parts = re.findall(r"([0-9.]+)(ms|s|m|h)", duration)
    assert parts and "".join(number + unit for number, unit in parts) == duration, duration
    return sum(float(number) * UNITS[unit] for number, unit in parts)
