"""Pictures that do not fit on a machine of 4 GiB: 50 megapixels with every model are done within the limit or refused
at once, and the largest picture that is taken is done within it."""

import pathlib
import struct
import time
import zlib

import grpc

from common import FOLDER, ROOT, arguments, assemble, pb, run_server, verdict


def flat_png(width, height):
    """A grey PNG, made without holding its pixels."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    packer = zlib.compressobj(9)
    row = b"\0" + b"\x80" * width
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", data) + chunk(b"IEND", b""))


def reason(error):
    """The code, and the reason that the message's details name."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and b"REQUEST_TOO_LARGE" in value:
            return f"{error.code().name} REQUEST_TOO_LARGE"
    return error.code().name


def main():
    options = arguments(__doc__, limit=4 << 30, told=0, run="edsr-baseline-hiif-fast")
    models = sorted(path.stem for path in (ROOT / "models").glob("*.safetensors"))
    flags = ["--memory-bytes", str(options.limit * 3 // 4)] if options.told else []
    large = flat_png(8000, 6250)
    rows, peak = [], 0
    with run_server(FOLDER, *flags) as server:
        stub = server.stub()
        status = pathlib.Path(f"/proc/{server.process.pid}/status")

        def ask(model, image, **parameters):
            """Seconds, and what came of it."""
            start = time.monotonic()
            try:
                assemble(stub.Upscale(pb.UpscaleRequest(
                    image=pb.ImageSource(encoded=image),
                    parameters=pb.UpscaleParameters(model=model, scale=pb.Scale(rx=2.0), **parameters)), timeout=7200))
                return time.monotonic() - start, "done"
            except grpc.RpcError as error:
                return time.monotonic() - start, reason(error)

        def taken(model, width):
            return ask(model, flat_png(width, width), validate_only=True)[1] == "done"

        while stub.ListModels(pb.ListModelsRequest()).models[-1].state == 1:  # MODEL_STATE_LOADING
            time.sleep(0.1)
        ask(models[0], flat_png(16, 16))
        print("| model | 50 Mpx x2 | ms | a region of 64 x 64 of it | ms | largest taken, Mpx |\n"
              "| --- | --- | --- | --- | --- | --- |")
        largest = {}
        for model in models:
            whole, region = (ask(model, large, **parameters) for parameters in
                             ({}, {"region": pb.Region(x=0, y=0, width=64, height=64)}))
            low, high = 64, 8000
            while high - low > 16:
                middle = (low + high) // 2
                low, high = (middle, high) if taken(model, middle) else (low, middle)
            largest[model] = low
            rows += [whole, region]
            print(f"| {model} | {whole[1]} | {whole[0] * 1e3:.0f} | {region[1]} | {region[0] * 1e3:.0f} | "
                  f"{low * low / 1e6:.1f} |", flush=True)
        side = largest[options.run]
        seconds, outcome = ask(options.run, flat_png(side, side), region=pb.Region(x=0, y=0, width=64, height=64))
        peak = int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024
        alive = server.process.poll() is None
    refused = [seconds for seconds, what in rows if what == "RESOURCE_EXHAUSTED REQUEST_TOO_LARGE"]
    ok = (alive and outcome == "done" and peak <= options.limit and max(refused, default=0) <= 0.05 and
          all(what == "done" or what.endswith("TOO_LARGE") for _, what in rows))
    where = "a server told of" if options.told else "a group of processes with"
    verdict("fifty-megapixels", ok,
            f"{len(models)} models in {where} {options.limit / 2**30:.0f} GiB: {len(refused)} of {len(rows)} refused, the "
            f"slowest in {max(refused, default=0) * 1e3:.0f} ms (<= 50); {side * side / 1e6:.1f} Mpx with {options.run} "
            f"{outcome} in {seconds:.0f} s, {peak / 1e6:.0f} MB at most (<= {options.limit / 1e6:.0f})")


if __name__ == "__main__":
    main()
