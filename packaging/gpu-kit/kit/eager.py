"""HIIF as plain PyTorch (reference/, as docs/model.md has it), for comparison: JSON objects on standard output, a line each.

  eager.py time MODEL DEVICE PRECISION eager|compile SIZE@SCALE...   seconds of the fastest of three whole images, for each
  eager.py write ENCODER FILE                                        a checkpoint of an encoder of paper size, random weights
  eager.py peak DEVICE                                               FLOP/s of a large product in bfloat16
  eager.py fill DEVICE LEAVE_BYTES                                   takes the card's memory until standard input ends
"""

import ctypes
import importlib.util
import json
import pathlib
import struct
import sys
import time

import torch

_HERE = pathlib.Path(__file__).resolve().parent
# Paper sizes, as checkpoints say them.
ENCODERS = {"rdn": {"base_features": 64, "blocks": 16, "growth": 64, "layers_per_block": 8},
            "swinir": {"depths": [6] * 6, "embed_dim": 180, "heads": [6] * 6, "mlp_hidden": 360, "output_features": 64, "window": 8}}
DECODER = {"ablation": "none", "attention_blocks": 2, "heads": 16, "levels": 6, "width": 256}
TYPES = {"F32": torch.float32, "F16": torch.float16}


def _reference():
    """The package reference/. Not by sys.path: this folder's profile.py would stand before Python's, which torch.compile imports."""
    sys.path[:] = [folder for folder in sys.path if pathlib.Path(folder or ".").resolve() != _HERE]
    spec = importlib.util.spec_from_file_location("reference", _HERE / "reference" / "__init__.py",
                                                  submodule_search_locations=[str(_HERE / "reference")])
    sys.modules["reference"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["reference"])
    return importlib.import_module("reference.network")


def say(**values):
    print(json.dumps(values), flush=True)


def _load(path, device):
    data = pathlib.Path(path).read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    said = header.pop("__metadata__")
    network = _reference().Network(said["encoder"], said["decoder"], said["coordinates"], json.loads(said.get("encoder_config", "{}")),
                      json.loads(said.get("decoder_config", "{}")))
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        flat = torch.frombuffer(bytearray(data[8 + size + begin:8 + size + end]), dtype=TYPES[entry["dtype"]])
        tensors[name if name.startswith("encoder.") else "decoder." + name] = flat.reshape(entry["shape"]).float()
    network.load_state_dict(tensors)
    return network.eval().to(device)


def _synchronise(device):
    if device != "cpu":
        torch.cuda.synchronize(device)


def _measure(network, size, scale, device, precision):
    """Seconds of the fastest of three, after one that warms up or compiles; the peak of the card's memory."""
    image = torch.rand(1, 3, size, size, device=device)
    grid = (round(size * scale),) * 2
    best = float("inf")
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats(device)
    with torch.inference_mode(), torch.autocast(device.split(":")[0], torch.bfloat16, enabled=precision == "bfloat16"):
        for i in range(4):
            _synchronise(device)
            start = time.perf_counter()
            network(image, grid)
            _synchronise(device)
            if i > 0:
                best = min(best, time.perf_counter() - start)
    return {"seconds": best, "peak_bytes": torch.cuda.max_memory_allocated(device) if device != "cpu" else None}


def measure(model, device, precision, how, *workloads):
    torch.manual_seed(1)
    network = _load(model, device)
    if how == "compile":  # what makes coordinates is NumPy's
        network.encoder = torch.compile(network.encoder)
        network.decoder = torch.compile(network.decoder)
    for workload in workloads:
        size, _, scale = workload.partition("@")
        try:
            say(workload=workload, **_measure(network, int(size), float(scale), device, precision))
        except torch.OutOfMemoryError:
            say(workload=workload, left_out="out of memory")


def write(encoder, path):
    """Parameters drawn by PyTorch's own rules."""
    torch.manual_seed(1)
    network = _reference().Network(encoder)
    header, blobs, at = {}, [], 0
    for name, tensor in sorted(network.state_dict().items()):
        tensor = tensor.half().contiguous()
        blob = ctypes.string_at(tensor.data_ptr(), tensor.numel() * 2)
        header[name.removeprefix("decoder.")] = {"dtype": "F16", "shape": list(tensor.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    header["__metadata__"] = {
        "format_version": "1", "encoder": encoder, "encoder_config": json.dumps(ENCODERS[encoder]), "decoder": "hiif",
        "decoder_config": json.dumps(DECODER), "coordinates": "exact", "normalisation": "(x-0.5)/0.5",
        "provenance": "random", "license": "CC0-1.0"}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))
    say(bytes=at)


def peak(device):
    """An 8192 x 8192 x 8192 product; on a CPU a small one."""
    n = 8192 if device != "cpu" else 512
    a, b = (torch.randn(n, n, device=device, dtype=torch.bfloat16) for _ in range(2))
    best = float("inf")
    for _ in range(8):
        _synchronise(device)
        start = time.perf_counter()
        torch.mm(a, b)
        _synchronise(device)
        best = min(best, time.perf_counter() - start)
    say(flops=2 * n ** 3 / best)


def fill(device, leave):
    """Holds what is free but `leave` bytes."""
    free, _ = torch.cuda.mem_get_info(device)
    kept = torch.empty(max(free - int(leave), 0), dtype=torch.uint8, device=device)
    say(taken=kept.numel())
    sys.stdin.read()


if __name__ == "__main__":
    {"time": measure, "write": write, "peak": peak, "fill": fill}[sys.argv[1]](*sys.argv[2:])
