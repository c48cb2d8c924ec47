"""Ten thousand small files through the command line: its memory stays what it was, lines keep the order."""

import os
import statistics

from PIL import Image

from tools import FOLDER, arguments, files_of, run, run_tile_server, verdict


def main():
    options = arguments(__doc__, files=10000, jobs=8)
    source = FOLDER / "in"
    first = source / "00000.png"
    for index in range(options.files):
        path = source / f"{index // 1000:02}" / f"{index:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if index == 0:
            first = path
            Image.new("RGB", (6, 5), (1, 2, 3)).save(first)
        else:
            os.link(first, path)
    with run_tile_server(FOLDER) as address:
        code, lines, memory, seconds = run("upscale", source, "-r", "-o", FOLDER / "out", "-s", 2, "--jobs",
                                           options.jobs, "--log-format", "json", "--server", address)
    results = [line for line in lines if line["event"] == "file"]
    names = [line["input"] for line in results]
    whole = (code == 0 and len(results) == options.files == len(files_of(FOLDER / "out")) and
             all(line["status"] == "done" for line in results))
    ordered = names == sorted(names)

    def around(part):
        """Median of the resident bytes about there in the run."""
        end = memory.samples[-1][0]
        near = [size for at, size in memory.samples if abs(at / end - part) <= 0.1]
        return statistics.median(near)

    early, late = around(0.25), around(0.9)
    verdict("many-files", whole and ordered and late - early <= 8e6,
            f"{options.files} files in {seconds:.0f} s, order {'kept' if ordered else 'LOST'}, "
            f"{'all' if whole else 'NOT ALL'} done; memory {early / 1e6:.1f} MB after a quarter, {late / 1e6:.1f} MB "
            f"at nine tenths (+ 8 MB at most), peak {memory.peak / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
