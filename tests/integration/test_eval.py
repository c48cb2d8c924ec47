"""hiif-eval as a user calls it, on the example photograph."""

import csv
import json
import struct
import subprocess

import pytest
from PIL import Image, PngImagePlugin

from processes import BIN, ROOT

DATA = ROOT / "examples"


def evaluate(*arguments, check=0):
    result = subprocess.run([BIN / "hiif-eval", *map(str, arguments)], capture_output=True, text=True,
                            cwd=ROOT, check=False)
    assert result.returncode == check, result.stderr
    return result


def test_psnr_and_ssim(tmp_path):
    table = tmp_path / "t.csv"
    evaluate("psnr", "--data", DATA, "--scales", "4,3x2.5", "--ssim", "--csv", table)
    rows = list(csv.DictReader(open(table, encoding="utf-8")))
    assert [r["scale"] for r in rows] == ["4", "3x2.5"]
    assert all(25 < float(r["psnr_db"]) < 45 and 0.6 < float(r["ssim"]) < 1 for r in rows)


def test_psnr_as_json():
    got = json.loads(evaluate("psnr", "--data", DATA, "--scales", "4", "--json").stdout)
    assert got["model"] == "edsr-baseline-hiif" and 25 < got["tables"][0]["psnr_db"] < 45


def test_speed():
    figures = json.loads(evaluate("speed", "--size", "32", "--scale", "2", "--json").stdout)
    assert figures["output_pixels_per_s"] > 100 and figures["peak_rss_bytes"] > 1e7
    assert figures["encode_s"] > 0 and figures["query_s"] > 0
    assert figures["query_gflops"] > 0 and figures["psnr_to_reference_db"] is None


def test_speed_of_several_sizes_in_one_run():
    def sizes(*flags):
        lines = evaluate("speed", "--model", "bicubic", "--json", *flags).stdout.splitlines()
        return [tuple(json.loads(line)[f"{put}_{side}"] for put in ("input", "output") for side in ("height", "width")) for line in lines]
    assert sizes("--size", "16,8x12", "--scale", "2,3") == [(16, 16, 32, 32), (12, 8, 36, 24)]
    assert sizes("--size", "16", "--scale", "2,2x3") == [(16, 16, 32, 32), (16, 16, 48, 32)]
    assert sizes("--size", "8,16", "--scale", "2") == [(8, 8, 16, 16), (16, 16, 32, 32)]


def test_speed_against_the_reference():
    def psnr(*flags):
        return json.loads(evaluate("speed", "--size", "16", "--scale", "2", "--against-reference", "--json",
                                   *flags).stdout)["psnr_to_reference_db"]
    assert psnr("--backend", "fused", "--precision", "float32") > 100
    assert 45 < psnr("--backend", "fused", "--precision", "bfloat16") < 90
    assert psnr("--backend", "reference") is None  # the same


def test_report_ablation_and_complexity(tmp_path):
    table = tmp_path / "t.csv"
    text = evaluate("report", "--models", "edsr-baseline-hiif", "--data", DATA, "--scales", "4", "--csv",
                    table).stdout
    rows = list(csv.DictReader(open(table, encoding="utf-8")))
    assert float(rows[1]["psnr_db"]) > float(rows[0]["psnr_db"]) + 0.5, "not better than bicubic"
    assert "edsr-baseline-hiif" in text
    assert "HIIF" in evaluate("ablation", "--models", "edsr-baseline-hiif", "--data", DATA, "--scales",
                              "4").stdout
    complexity = evaluate("complexity", "--models", "edsr-baseline-hiif", "--size", "32").stdout
    assert "2955487" in complexity and "1593600" in complexity


def test_compare(tmp_path):
    sheet = tmp_path / "sheet.png"
    evaluate("compare", "--models", "edsr-baseline-hiif", "--data", DATA, "--crop", "40,20,60,50", "-o", sheet,
             "--errors")
    assert Image.open(sheet).width >= 2 * 60


@pytest.mark.parametrize("arguments,code,words", [
    (["psnr"], 2, "--data"), (["psnr", "--data", "/no/such"], 1, "/no/such"),
    (["psnr", "--data", DATA, "--model", "none"], 1, "none"),
    (["psnr", "--data", DATA, "--scales", "0.5"], 1, "--scales"),
    (["compare", "--models", "edsr-baseline-hiif", "--data", DATA, "--image", "9"], 1, "--image"),
    (["nonsense"], 2, "nonsense"), (["speed", "--size", "x"], 1, "--size"),
    (["speed", "--size", "8,16", "--scale", "2,3,4"], 1, "--size names 2 and --scale 3"),
    (["speed", "--size", "8", "--repeat", "0"], 2, "--repeat"),
    (["report", "--models", "bicubic", "--data", DATA, "--paper", "/no/such.csv"], 1, "--paper"),
])
def test_errors_say_what_to_do(arguments, code, words):
    result = evaluate(*arguments, check=code)
    assert words in result.stderr + result.stdout


@pytest.mark.parametrize("command", ["psnr", "compare", "report"])
def test_a_folder_of_pairs_without_originals(tmp_path, command):
    """The mean of no image is no figure."""
    (tmp_path / "image_SRF_2").mkdir()
    models = ["--model" if command == "psnr" else "--models", "bicubic"]
    ran = evaluate(command, *models, "--data", tmp_path, *(["--scale", "2"] if command == "compare" else []), check=1)
    assert f"{tmp_path / 'image_SRF_2'}: no original there" in ran.stderr and ran.stdout == ""


@pytest.mark.parametrize("command", ["psnr", "compare", "report"])
def test_pictures_that_cannot_be_measured(tmp_path, command):
    """Too small for its border, the mean would be of nothing; in linear light the samples are no bytes."""
    models = ["--model" if command == "psnr" else "--models", "edsr-baseline-hiif-fast"]
    for name, side, words in (("small", 8, "too small for scale 2"), ("linear", 64, "not in linear light")):
        folder = tmp_path / name
        folder.mkdir()
        chunks = PngImagePlugin.PngInfo()
        if name == "linear":
            chunks.add(b"gAMA", struct.pack(">I", 100000))
        Image.new("RGB", (side, side), "red").save(folder / "picture.png", pnginfo=chunks)
        output = ["-o", tmp_path / "sheet.png"] if command == "compare" else []
        ran = evaluate(command, *models, "--data", folder, "--scales" if command != "compare" else "--scale", "2", *output,
                       check=1)
        assert words in ran.stderr + ran.stdout, ran.stderr
