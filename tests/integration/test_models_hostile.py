"""Checkpoints that are damaged, hostile or not files at all cost themselves alone."""

import hashlib
import json
import math
import os
import shutil
import struct
import threading
import time

import grpc
import pytest

from processes import ROOT
from test_upscale import request

SOURCE = ROOT / "models" / "edsr-baseline-hiif-fast.safetensors"
RAW = SOURCE.read_bytes()
HEADER_BYTES = struct.unpack("<Q", RAW[:8])[0]
HEADER = json.loads(RAW[8:8 + HEADER_BYTES])
HEADER["__metadata__"].pop("data_sha256")  # what is made of it here has other values
DATA = RAW[8 + HEADER_BYTES:]
DEFAULT = "good"


def checkpoint(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def with_encoder(name, config):
    metadata = {**HEADER["__metadata__"], "encoder": name, "encoder_config": json.dumps(config)}
    return checkpoint({"__metadata__": metadata})


def swinir(**sizes):
    """A whole checkpoint of SwinIR with one layer of no width, for the decoder of SOURCE."""
    config = {"embed_dim": 1, "depths": [1], "heads": [1], "window": 8, "mlp_hidden": 1, "output_features": 64, **sizes}
    dim, hidden, features, span = config["embed_dim"], config["mlp_hidden"], config["output_features"], 2 * config["window"] - 1
    block = "layers.0.residual_group.blocks.0."
    layers = {"conv_first": [dim, 3, 3, 3], "patch_embed.norm": [dim], block + "norm1": [dim], block + "norm2": [dim],
              block + "attn.qkv": [3 * dim, dim], block + "attn.proj": [dim, dim], block + "mlp.fc1": [hidden, dim],
              block + "mlp.fc2": [dim, hidden], "layers.0.conv": [dim, dim, 3, 3], "norm": [dim],
              "conv_after_body": [dim, dim, 3, 3], "conv_before_upsample.0": [features, dim, 3, 3]}  # fmt: skip
    shapes = {f"{name}.weight": shape for name, shape in layers.items()}
    shapes |= {f"{name}.bias": shape[:1] for name, shape in layers.items()}
    shapes[block + "attn.relative_position_bias_table"] = [span * span, config["heads"][0]]
    header = {"__metadata__": {**HEADER["__metadata__"], "encoder": "swinir", "encoder_config": json.dumps(config)}}
    data = b""
    for name, entry in HEADER.items():
        if name != "__metadata__" and not name.startswith("encoder."):
            values = DATA[slice(*entry["data_offsets"])]
            header[name] = {**entry, "data_offsets": [len(data), len(data) + len(values)]}
            data += values
    for name, shape in shapes.items():
        values = bytes(4 * math.prod(shape))
        header["encoder." + name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    return checkpoint(header, data)


def nested(depth):
    return checkpoint(b'{"t":{"dtype":' + b"[" * depth + b"]" * depth
                      + b',"shape":[],"data_offsets":[0,0]}}')


HOSTILE = {
    "nested-100000": nested(100_000),
    "nested-3000000": nested(3_000_000),
    "unclosed": checkpoint(b'{"a":' + b"[" * 7_000_000),
    "many-values": checkpoint(b'{"a":[0' + b",0" * 4_000_000 + b"]}"),
    "spaces": checkpoint(b" " * (16 << 20)),
    "rdn-layers": with_encoder("rdn", {"base_features": 1, "blocks": 65536, "layers_per_block": 65536,
                                       "growth": 1}),
    "swinir-blocks": with_encoder("swinir", {"embed_dim": 1, "depths": [65536] * 300, "heads": [1] * 300,
                                             "window": 8, "mlp_hidden": 1, "output_features": 1}),
    "swinir-window": swinir(window=128),
    "swinir-hidden": swinir(window=32, mlp_hidden=65536),
    "edsr-wide": with_encoder("edsr-baseline", {"features": 65536, "blocks": 65536}),
    "half": RAW[:len(RAW) // 2],
    "empty": b"",
    "text": b"root:hunter2:TOPSECRET-LINE\n" * 3,
    "header-2-63": struct.pack("<Q", 2**63) + RAW[8:],
    "not-finite": checkpoint(HEADER, DATA[:1000] + struct.pack("<f", float("nan")) + DATA[1004:]),
}


@pytest.fixture
def folder(tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(SOURCE, models / f"{DEFAULT}.safetensors")
    return models


def states(running):
    from hiif.v1 import super_resolution_pb2 as pb
    listed = running.stub().ListModels(pb.ListModelsRequest(), timeout=10).models
    return {m.name: (pb.ModelState.Name(m.state).removeprefix("MODEL_STATE_"), m.error) for m in listed}


def control(running):
    from hiif.v1 import super_resolution_pb2_grpc as rpc
    return rpc.ModelControlServiceStub(running.channel())


def load(running, name, timeout=30):
    """The code of LoadModel and its message."""
    from hiif.v1 import super_resolution_pb2 as pb
    try:
        control(running).LoadModel(pb.LoadModelRequest(name=name), timeout=timeout)
        return "OK", ""
    except grpc.RpcError as e:
        return e.code().name, e.details()


def serves(running, photo):
    return len(list(running.stub().Upscale(request(photo, 1.5, 1.5), timeout=60))) > 1


def test_hostile_files(folder, start_server, photo, tmp_path):
    """Each is FAILED with a message that tells no path and no bytes of it; the server starts, serves, and takes
    neither time nor memory for them."""
    alone = start_server("--enable-model-control", "--default-model", DEFAULT, model_dir=folder)
    assert serves(alone, photo)
    before = alone.rss()
    for name, content in HOSTILE.items():
        (folder / f"{name}.safetensors").write_bytes(content)
        start = time.monotonic()
        code, message = load(alone, name)
        assert code in ("DATA_LOSS", "INVALID_ARGUMENT"), (name, code, message)
        assert time.monotonic() - start < 5, name
        assert str(folder) not in message and "TOPSECRET" not in message and len(message) < 300, message
        # 0x69683a746f6f72: the first bytes of `text` as the length of a header.
        assert str(struct.unpack("<Q", HOSTILE["text"][:8])[0]) not in message
    assert serves(alone, photo)
    # A header of 16 MiB is read.
    assert alone.rss() - before < 200 << 20
    again = start_server("--default-model", DEFAULT, model_dir=folder)
    found = states(again)
    assert found.pop(DEFAULT)[0] == "READY"
    assert {state for state, _ in found.values()} == {"FAILED"}
    assert serves(again, photo)


def test_what_the_hostile_ones_are_made_of_is_served(folder, start_server):
    (folder / "swinir.safetensors").write_bytes(swinir())
    running = start_server("--default-model", DEFAULT, model_dir=folder)
    assert states(running)["swinir"] == ("READY", "")


def test_what_is_no_file(folder, start_server, photo, tmp_path):
    """Pipes, folders, devices and links that leave the folder are passed over; links within it are followed."""
    secret = tmp_path / "secret.txt"
    secret.write_bytes(HOSTILE["text"])
    os.mkfifo(folder / "aaa.safetensors")
    os.mkfifo(folder / "zzz.safetensors")
    (folder / "dir.safetensors").mkdir()
    os.symlink(secret, folder / "link.safetensors")
    os.symlink("/dev/zero", folder / "zero.safetensors")
    os.symlink("/nonexistent", folder / "dangling.safetensors")
    os.symlink(SOURCE, folder / "outside.safetensors")
    os.symlink(f"{DEFAULT}.safetensors", folder / "inside.safetensors")
    running = start_server("--enable-model-control", "--default-model", DEFAULT, model_dir=folder)
    found = states(running)
    assert {name for name, (state, _) in found.items() if state == "READY"} == {DEFAULT, "inside"}
    for name, (state, message) in found.items():
        assert state in ("READY", "FAILED"), (name, state)
        assert str(tmp_path) not in message and "nonexistent" not in message, message
    assert "leaves its folder" in found["outside"][1] and "leaves its folder" in found["link"][1]
    assert "not a regular file" in found["aaa"][1]
    for name in ("aaa", "dir", "link", "zero"):
        code, message = load(running, name)
        assert code == "INVALID_ARGUMENT" and str(tmp_path) not in message, (name, code, message)
    assert load(running, "dangling")[0] == "NOT_FOUND"
    assert serves(running, photo)
    start = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - start < 10


def test_overwritten_while_it_is_loaded(folder, start_server, photo):
    """A checkpoint that is cut and written again in place, over and over, while it is loaded."""
    running = start_server("--enable-model-control", "--default-model", DEFAULT, model_dir=folder)
    live = folder / "live.safetensors"
    live.write_bytes(RAW)
    over = threading.Event()

    def write():
        while not over.wait(0.02):
            with open(live, "r+b") as file:
                file.truncate(4096)
                time.sleep(0.004)
                file.seek(0)
                file.write(RAW)

    writer = threading.Thread(daemon=True, target=write)
    writer.start()
    codes = set()
    try:
        end = time.monotonic() + 8
        while time.monotonic() < end:
            codes.add(load(running, "live")[0])
    finally:
        over.set()
        writer.join()
    assert codes <= {"OK", "ABORTED", "DATA_LOSS"}, codes
    assert load(running, "live")[0] == "OK"
    assert serves(running, photo)


def test_a_flipped_bit(folder, start_server, tmp_path):
    """Files of our writers say what their values' checksum is: one bit is noticed."""
    checksum = hashlib.sha256(DATA).hexdigest()
    header = {**HEADER, "__metadata__": {**HEADER["__metadata__"], "data_sha256": checksum}}
    whole = checkpoint(header, DATA)
    (folder / "whole.safetensors").write_bytes(whole)
    flipped = bytearray(whole)
    flipped[-len(DATA) // 2] ^= 1
    (folder / "flipped.safetensors").write_bytes(flipped)
    found = states(start_server("--default-model", DEFAULT, model_dir=folder))
    assert found["whole"][0] == "READY"
    assert found["flipped"][0] == "FAILED" and "checksum" in found["flipped"][1]


def test_many_loads_of_one_model(folder, start_server):
    """Calls that come while a load waits share it."""
    shutil.copy(SOURCE, folder / "more.safetensors")
    running = start_server("--enable-model-control", "--default-model", DEFAULT, model_dir=folder)

    def loads():
        return running.log.read_text().count('"model ready"')

    before = loads()
    answers = []
    threads = [threading.Thread(daemon=True, target=lambda: answers.append(load(running, "more", 60)[0]))
               for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["OK"] * 16
    # One that ran, one that the others shared; scheduling of clients may add few.
    assert 1 <= loads() - before <= 4
    assert states(running)["more"][0] == "READY"
