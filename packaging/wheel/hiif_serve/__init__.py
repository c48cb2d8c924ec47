"""The programs of hiif-serve, as pip installs them: `hiif` and `hiif-server`."""

import os
import pathlib
import sys

BIN = pathlib.Path(__file__).resolve().parent / "bin"


def _become(program):
    os.execv(BIN / program, [program, *sys.argv[1:]])


def hiif():
    _become("hiif")


def hiif_server():
    _become("hiif-server")
