"""scripts/convert-checkpoint on files as they are released: pickles with model.{name,args,sd}."""

import json
import pathlib
import shutil
import struct
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "models" / "edsr-baseline-hiif.safetensors"


def convert(*arguments):
    command = [sys.executable, str(ROOT / "scripts" / "lib" / "convert_checkpoint.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def read(path):
    """Header (metadata apart) and data of a safetensors file."""
    data = pathlib.Path(path).read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    return header.pop("__metadata__"), header, data[8 + size :]


@pytest.fixture(scope="module")
def parameters():
    _, header, data = read(SHIPPED)
    kinds = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    return {
        name: torch.frombuffer(bytearray(data[slice(*entry["data_offsets"])]), dtype=kinds[entry["dtype"]])
        .reshape(entry["shape"])
        .float()
        for name, entry in header.items()
    }


def released(path, parameters, prefix=""):
    """A checkpoint as the authors' trainer writes it."""
    state = {prefix + name: tensor for name, tensor in parameters.items()}
    state[prefix + "encoder.sub_mean.weight"] = torch.eye(3).reshape(3, 3, 1, 1)
    state[prefix + "encoder.layers.0.attn_mask"] = torch.zeros(2, 2)
    spec = {"encoder_spec": {"name": "edsr-baseline"}, "blocks": 16, "hidden_dim": 256}
    model = {"name": "hiif", "args": spec, "sd": state}
    torch.save({"model": model, "optimizer": {"name": "adam", "sd": {}}, "epoch": 7}, path)
    return path


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_released_checkpoint_becomes_a_native_one(tmp_path, parameters, prefix):
    output = tmp_path / "out.safetensors"
    ran = convert(released(tmp_path / "in.pth", parameters, prefix), output, "--license", "MIT")
    assert ran.returncode == 0, ran.stderr
    metadata, header, data = read(output)
    assert metadata["encoder"] == "edsr-baseline" and metadata["decoder"] == "hiif"
    assert metadata["coordinates"] == "reference" and metadata["license"] == "MIT"
    assert json.loads(metadata["encoder_config"]) == {"blocks": 16, "features": 64}
    assert header.keys() == parameters.keys()  # no prefix, nothing derived
    for name, entry in header.items():
        assert entry["dtype"] == "F32" and entry["shape"] == list(parameters[name].shape)
        stored = torch.frombuffer(bytearray(data[slice(*entry["data_offsets"])]), dtype=torch.float32)
        assert torch.equal(stored, parameters[name].flatten()), name


def test_hiif_eval_serves_what_was_converted(tmp_path, parameters):
    program = ROOT / "build" / "release" / "bin" / "hiif-eval"
    if not program.exists():
        pytest.skip("hiif-eval is not built")
    output = tmp_path / "out.safetensors"
    assert convert(released(tmp_path / "in.pth", parameters), output).returncode == 0
    ran = subprocess.run(
        [program, "speed", "--model", output, "--size", "8", "--scale", "2", "--json"], capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["output_height"] == 16


def test_what_is_wrong_is_named_and_nothing_is_written(tmp_path, parameters):
    output = tmp_path / "out.safetensors"
    spoilt = dict(parameters)
    spoilt["freq.bias"] = torch.full_like(parameters["freq.bias"], float("nan"))
    no_encoder = {name: tensor for name, tensor in parameters.items() if not name.startswith("encoder.")}
    (tmp_path / "text.pth").write_text("not a pickle")
    for path, message in [
        (released(tmp_path / "nan.pth", spoilt), "freq.bias"),
        (released(tmp_path / "headless.pth", no_encoder), "no encoder"),
        (tmp_path / "text.pth", "cannot be read"),
        (tmp_path / "absent.pth", "is not there"),
    ]:
        ran = convert(path, output)
        assert ran.returncode == 1 and message in ran.stderr, (path, ran.stderr)
        assert "Traceback" not in ran.stderr
        assert not output.exists()


def test_a_pickle_runs_no_code(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (pathlib.Path.touch, (tmp_path / "ran",))

    torch.save({"model": {"name": "hiif", "args": {}, "sd": Harmful()}}, tmp_path / "harmful.pth")
    ran = convert(tmp_path / "harmful.pth", tmp_path / "out.safetensors")
    assert ran.returncode == 1 and "cannot be read" in ran.stderr
    assert not (tmp_path / "ran").exists()


def average(*arguments):
    command = [sys.executable, str(ROOT / "scripts" / "lib" / "average_checkpoints.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_the_mean_of_checkpoints_is_a_checkpoint(tmp_path, parameters):
    doubled = {name: tensor * 2 for name, tensor in parameters.items()}
    for name, tensors in (("a", parameters), ("b", doubled)):
        assert convert(released(tmp_path / f"{name}.pth", tensors), tmp_path / f"{name}.safetensors").returncode == 0
    output = tmp_path / "mean.safetensors"
    ran = average(output, tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert ran.returncode == 0, ran.stderr
    metadata, header, data = read(output)
    assert metadata["encoder"] == "edsr-baseline" and "psnr" not in metadata
    for name, tensor in parameters.items():
        if name not in header:
            continue
        begin, end = header[name]["data_offsets"]
        got = torch.frombuffer(bytearray(data[begin:end]), dtype=torch.float32).reshape(tensor.shape)
        assert torch.allclose(got, tensor * 1.5, rtol=1e-6)


@pytest.mark.parametrize("other", ["absent.safetensors", str(ROOT / "README.md")])
def test_what_is_no_checkpoint_is_not_averaged(tmp_path, other):
    ran = average(tmp_path / "mean.safetensors", SHIPPED, other)
    assert ran.returncode == 1 and other in ran.stderr and "Traceback" not in ran.stderr
    assert not (tmp_path / "mean.safetensors").exists()


def test_what_has_other_tensors_is_not_averaged(tmp_path):
    """A network for photographs says the same sizes as one for clean pictures, and has two networks."""
    photo, clean = (str(ROOT / "models" / f"edsr-baseline-hiif-{kind}.safetensors") for kind in ("photo", "fast"))
    for one, other in ((photo, clean), (clean, photo)):
        ran = average(tmp_path / "mean.safetensors", one, other)
        assert ran.returncode == 1 and f"{other} has other tensors than {one}" in ran.stderr, ran.stderr
        assert ": faithful.conv0.kln.bias, " in ran.stderr and " more" in ran.stderr and "Traceback" not in ran.stderr
        assert not (tmp_path / "mean.safetensors").exists()
    ran = convert(clean, tmp_path / "no.safetensors", "--faithful", photo)
    assert ran.returncode == 1 and f"{photo} has other tensors than {clean}: faithful." in ran.stderr, ran.stderr


def to_rdn(*arguments):
    command = [sys.executable, str(ROOT / "scripts" / "lib" / "edsr_to_rdn.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_what_is_damaged_gets_no_new_checksum(tmp_path, photo):
    fast = ROOT / "models" / "edsr-baseline-hiif-fast.safetensors"
    whole = fast.read_bytes()
    flipped, cut = tmp_path / "flipped.safetensors", tmp_path / "cut.safetensors"
    flipped.write_bytes(whole[:-1000] + bytes([whole[-1000] ^ 1]) + whole[-999:])
    cut.write_bytes(whole[:-1000])
    output = tmp_path / "out.safetensors"
    for damaged, words in ((flipped, "damaged"), (cut, "cut short")):
        for ran in (convert(damaged, output), convert(fast, output, "--decoder", damaged),
                    convert(fast, output, "--faithful", damaged), average(output, fast, damaged), to_rdn(output, damaged, photo)):
            assert ran.returncode == 1 and f"{damaged} cannot be read" in ran.stderr, ran.stderr
            assert words in ran.stderr and "Traceback" not in ran.stderr, ran.stderr
            assert not output.exists()


def test_an_edsr_as_an_rdn_gives_the_same_latent_codes(tmp_path, photo):
    import hiif.torch
    import numpy
    from PIL import Image

    fast = ROOT / "models" / "edsr-baseline-hiif-fast.safetensors"
    output = tmp_path / "rdn.safetensors"
    ran = to_rdn(output, fast, photo)
    assert ran.returncode == 0, ran.stderr
    metadata, header, _ = read(output)
    assert metadata["encoder"] == "rdn" and "psnr" not in metadata and "edsr-to-rdn" in metadata["provenance"]
    assert header["encoder.RDBs.15.convs.1.conv.0.weight"]["shape"] == [64, 128, 3, 3]
    image = torch.from_numpy(numpy.array(Image.open(photo).convert("RGB"))).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        expected = hiif.torch.load(fast).encode(image)
        codes = hiif.torch.load(output).encode(image)
    assert (codes - expected).abs().max() <= 2e-4 * expected.std()


@pytest.mark.parametrize("model,image,words", [
    (ROOT / "models" / "rdn-hiif-small.safetensors", None, "the encoder rdn, not edsr-baseline"),
    (ROOT / "README.md", None, "README.md cannot be read as a native checkpoint"),
    (SHIPPED, ROOT / "README.md", "README.md"),
    (SHIPPED, "absent.png", "absent.png"),
])
def test_what_cannot_become_an_rdn(tmp_path, photo, model, image, words):
    ran = to_rdn(tmp_path / "rdn.safetensors", model, image or photo)
    assert ran.returncode == 1 and words in ran.stderr and "Traceback" not in ran.stderr, ran.stderr
    assert not (tmp_path / "rdn.safetensors").exists()


def test_paths_are_those_of_the_caller(tmp_path, photo):
    """The scripts go to the root of the repository, where they are at home."""
    (tmp_path / "a.safetensors").symlink_to(ROOT / "models" / "edsr-baseline-hiif-fast.safetensors")
    shutil.copy(photo, tmp_path / "photo.png")
    for script, arguments in (("average-checkpoints", ("mean.safetensors", "a.safetensors")),
                              ("edsr-to-rdn", ("rdn.safetensors", "a.safetensors", "photo.png")),
                              ("convert-checkpoint", ("a.safetensors", "b.safetensors", "--decoder", "a.safetensors"))):
        ran = subprocess.run([ROOT / "scripts" / script, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert ran.returncode == 0, ran.stderr
    assert {path.name for path in tmp_path.iterdir()} == {
        "a.safetensors", "b.safetensors", "mean.safetensors", "photo.png", "rdn.safetensors"}  # fmt: skip


def test_a_released_dat_takes_a_decoder_and_loses_its_batch_norms(tmp_path):
    shipped = ROOT / "models" / "dat-light-hiif-fast.safetensors"
    _, header, data = read(shipped)
    values = {
        name: torch.frombuffer(bytearray(data[slice(*entry["data_offsets"])]), dtype=torch.float32).reshape(entry["shape"])
        for name, entry in header.items()
    }
    state = {name.removeprefix("encoder."): v.clone() for name, v in values.items() if name.startswith("encoder.")}
    state["upsample.0.weight"] = torch.zeros(27, 60, 3, 3)
    state["upsample.0.bias"] = torch.zeros(27)
    state["layers.0.blocks.0.attn.attns.0.rpe_biases"] = torch.zeros(945, 2)
    state["layers.0.blocks.2.attn.attn_mask_0"] = torch.zeros(16, 256, 256)
    # Batch norms behind the same convolutions as in the release.
    factor = 2.0 / (3.0 + 1e-5) ** 0.5
    for name in [n.removesuffix(".weight") for n in state]:
        if not name.endswith(("dwconv.0", "channel_interaction.1", "spatial_interaction.0")):
            continue
        state[name + ".weight"] /= factor
        state[name + ".bias"] = (state[name + ".bias"] - 0.5) / factor + 0.25
        norm = name[:-1] + str(int(name[-1]) + 1)
        size = state[name + ".bias"].shape
        state |= {norm + ".weight": torch.full(size, 2.0), norm + ".bias": torch.full(size, 0.5),
                  norm + ".running_mean": torch.full(size, 0.25), norm + ".running_var": torch.full(size, 3.0),
                  norm + ".num_batches_tracked": torch.tensor(7)}  # fmt: skip
    torch.save({"params": state}, tmp_path / "dat.pth")
    output = tmp_path / "out.safetensors"
    ran = convert(tmp_path / "dat.pth", output, "--decoder", shipped, "--license", "Apache-2.0")
    assert ran.returncode == 0, ran.stderr
    metadata, again, data = read(output)
    assert metadata["encoder"] == "dat" and metadata["decoder"] == "hiif" and metadata["coordinates"] == "exact"
    assert again.keys() == header.keys()
    for name, entry in again.items():
        got = torch.frombuffer(bytearray(data[slice(*entry["data_offsets"])]), dtype=torch.float32)
        assert torch.allclose(got, values[name].flatten(), rtol=1e-5, atol=1e-6), name
    # Without a decoder of this project it is one scale, a teacher.
    ran = convert(tmp_path / "dat.pth", output)
    assert ran.returncode == 0 and "dat + pixel-shuffle" in ran.stdout, ran.stderr
    assert json.loads(read(output)[0]["decoder_config"]) == {"scale": 3}


def test_a_faithful_network_is_added(tmp_path):
    fast = ROOT / "models" / "edsr-baseline-hiif-fast.safetensors"
    output = tmp_path / "two.safetensors"
    ran = convert(fast, output, "--faithful", fast, "--storage", "float16")
    assert ran.returncode == 0, ran.stderr
    metadata, header, _ = read(output)
    _, one, _ = read(fast)
    assert set(header) == set(one) | {"faithful." + name for name in one}
    assert metadata["colour_slack"] == "0.25"
    # Converted once more it still has both; as a decoder for another encoder it gives its own alone.
    assert convert(output, tmp_path / "again.safetensors").returncode == 0
    assert set(read(tmp_path / "again.safetensors")[1]) == set(header)
    assert convert(fast, tmp_path / "decoder.safetensors", "--decoder", output).returncode == 0
    assert set(read(tmp_path / "decoder.safetensors")[1]) == set(one)
    ran = convert(fast, tmp_path / "no.safetensors", "--faithful", SHIPPED)
    assert ran.returncode != 0 and "decoder_config" in ran.stderr
    assert not (tmp_path / "no.safetensors").exists()
