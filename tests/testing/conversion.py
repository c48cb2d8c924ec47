"""scripts/convert-checkpoint in this process: LibTorch is slow to load."""

import sys
import unittest.mock

from processes import ROOT

sys.path.insert(0, str(ROOT / "scripts" / "lib"))


def convert(source, output, *options):
    """What it complains of; empty where it wrote `output`."""
    import convert_checkpoint
    with unittest.mock.patch("sys.argv", ["convert-checkpoint", str(source), str(output), *options]):
        try:
            convert_checkpoint.main()
        except SystemExit as end:
            return str(end.code)
    return ""
