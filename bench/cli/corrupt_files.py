"""Thousands of damaged files of every format through the command line: each is enlarged, or listed as failed
with a reason; nobody crashes."""

import collections
import io
import random

import numpy
from PIL import Image

from tools import FOLDER, arguments, files_of, run, run_server, verdict


def originals(server):
    """(extension, bytes) of small sound files: every format, and the kinds of each."""
    rng = numpy.random.default_rng(5)
    rgba = rng.integers(0, 256, (3, 4, 4), numpy.uint8).repeat(5, 0).repeat(5, 1)
    wide = Image.fromarray(rng.integers(0, 65536, (12, 16), numpy.uint16))
    real = Image.fromarray(rng.random((12, 16), numpy.float32))
    kinds = {mode: Image.fromarray(rgba).convert(mode) for mode in ("RGBA", "RGB", "L", "LA", "CMYK", "P")}
    made = []

    def add(extension, image, file_format, **options):
        out = io.BytesIO()
        image.save(out, file_format, **options)
        made.append((extension, out.getvalue()))

    for mode in ("RGB", "RGBA", "L", "LA", "P"):
        add("png", kinds[mode], "PNG")
    add("png", wide, "PNG")
    for mode in ("RGB", "L", "CMYK"):
        add("jpg", kinds[mode], "JPEG")
    add("jpg", kinds["RGB"], "JPEG", progressive=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0")
    add("webp", kinds["RGB"], "WEBP")
    add("webp", kinds["RGBA"], "WEBP", lossless=True)
    add("webp", kinds["RGB"], "WEBP", save_all=True, append_images=[kinds["L"].convert("RGB")])
    for compression in (None, "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"):
        add("tif", kinds["RGB"], "TIFF", compression=compression)
    add("tif", wide, "TIFF")
    add("tif", real, "TIFF")
    add("gif", kinds["P"], "GIF")
    add("gif", kinds["P"], "GIF", save_all=True, append_images=[kinds["P"].rotate(180)])
    add("ppm", kinds["RGB"], "PPM")
    add("pgm", kinds["L"], "PPM")
    source = FOLDER / "source.png"
    kinds["RGBA"].save(source)
    for extension in ("avif", "jxl"):  # made by hiif itself, where it can
        target = FOLDER / f"made.{extension}"
        code, _, _, _ = run("upscale", source, "-o", target, "-s", 1.5, "--log-format", "json", "--server", server)
        if code == 0:
            made.append((extension, target.read_bytes()))
    return made


def damaged(data, rng):
    """Some bits the other way round, bytes lost or doubled, an end cut off, or another file's middle."""
    out = bytearray(data)
    kind = rng.choice(["bits", "bits", "truncated", "truncated", "lost", "doubled", "zeros"])
    at = rng.randrange(len(out))
    length = rng.randint(1, max(1, len(out) // 4))
    if kind == "bits":
        for _ in range(rng.choice([1, 1, 2, 8, 64])):
            out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    elif kind == "truncated":
        del out[at:]
    elif kind == "lost":
        del out[at:at + length]
    elif kind == "doubled":
        out[at:at] = out[at:at + length]
    else:
        out[at:at + length] = bytes(len(out[at:at + length]))
    return bytes(out)


def main():
    options = arguments(__doc__, files=2000, seed=1, jobs=4)
    rng = random.Random(options.seed)
    source, target = FOLDER / "damaged", FOLDER / "out"
    source.mkdir()
    problems = []
    with run_server(FOLDER) as server:
        kinds = originals(server.address)
        for index in range(options.files):
            extension, data = kinds[index % len(kinds)]
            folder = source / extension
            folder.mkdir(exist_ok=True)
            (folder / f"{index:05}.{extension}").write_bytes(damaged(data, rng))
        before = server.rss()
        code, lines, memory, seconds = run("upscale", source, "-r", "-o", target, "-s", 1.5, "--jobs",
                                           options.jobs, "--log-format", "json", "--server", server.address)
        alive = server.process.poll() is None
        grown = server.rss() - before if alive else 0
    results = {line["input"]: line for line in lines if line["event"] == "file"}
    done = [line for line in results.values() if line["status"] == "done"]
    failed = [line for line in results.values() if line["status"] == "failed"]
    problems += [f"not a line of ours: {line['text']!r}" for line in lines if line["event"] == "stray"]
    if code != 1:
        problems.append(f"exit code {code}")
    if not alive:
        problems.append("the server died")
    if len(done) + len(failed) != options.files:
        problems.append(f"{len(done)} done and {len(failed)} failed of {options.files}")
    problems += [f"{line['input']} has no reason" for line in failed if not line.get("error")]
    problems += [f"{line['input']}: {line['code']}: {line['error']}" for line in failed
                 if line["code"] not in ("INVALID_ARGUMENT", "UNIMPLEMENTED")]
    for line in done:
        try:
            with Image.open(line["output"]) as image:
                image.load()
                size = image.size
        except Exception as error:  # noqa: BLE001 (whatever Pillow says about the file)
            if line["output"].endswith(".jxl"):
                continue  # Pillow reads none
            problems.append(f"{line['output']}: {error}")
            continue
        if size != (line["output_width"], line["output_height"]):
            problems.append(f"{line['output']} is {size}")
    expected = sorted(line["output"] for line in done)
    there = sorted(str(target / name) for name in files_of(target))
    if there != expected:
        problems.append(f"files without a result or results without a file: {set(there) ^ set(expected)}")
    for extension, count in sorted(collections.Counter(
            (line["input"].rsplit(".")[-1], line["status"]) for line in results.values()).items()):
        print(*extension, count)
    for reason, count in collections.Counter(line["error"][:90] for line in failed).most_common(12):
        print(f"{count:5} {reason}")
    for problem in problems[:20]:
        print(problem)
    verdict("corrupt-files", not problems,
            f"{options.files} files in {seconds:.0f} s: {len(done)} enlarged, {len(failed)} failed with a reason, "
            f"{len(problems)} problems; peak of hiif {memory.peak / 1e6:.0f} MB, server {grown / 1e6:+.0f} MB")


if __name__ == "__main__":
    main()
