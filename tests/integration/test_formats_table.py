"""docs/formats.md says what becomes of each kind of input; as it is measured."""

import shutil

import pytest

import formats_table


def test_the_tables_of_the_page_are_true(server):
    if shutil.which("exiftool") is None:
        pytest.skip("needs exiftool (libimage-exiftool-perl)")
    try:
        formats_table.Vips()
    except OSError as error:
        pytest.skip(f"needs libvips: {error}")
    made = formats_table.tables(server.address)
    assert made == formats_table.documented(), "scripts/verify formats --write brings it up to date"
