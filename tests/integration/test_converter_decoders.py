"""scripts/convert-checkpoint on files laid out as MetaSR, LTE, LTE+, CLIT, CiaoSR and SRNO are released."""

import json
import subprocess

import pytest

from conversion import convert
from processes import BIN
from test_converter import read

torch = pytest.importorskip("torch")

FEATURES = 8


def random(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(sum(shape))) * 0.2 - 0.1


def layer(name, outputs, inputs, *kernel, bias=True):
    tensors = {f"{name}.weight": random(outputs, inputs, *kernel)}
    return tensors | ({f"{name}.bias": random(outputs)} if bias else {})


def mlp(name, *widths):
    tensors = {}
    for i, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
        tensors |= layer(f"{name}.layers.{2 * i}", outputs, inputs)
    return tensors


def edsr():
    tensors = layer("encoder.head.0", FEATURES, 3, 3, 3) | layer("encoder.body.1", FEATURES, FEATURES, 3, 3)
    for i in (0, 2):
        tensors |= layer(f"encoder.body.0.body.{i}", FEATURES, FEATURES, 3, 3)
    return tensors


def rdn():
    tensors = layer("encoder.SFENet1", FEATURES, 3, 3, 3) | layer("encoder.SFENet2", FEATURES, FEATURES, 3, 3)
    tensors |= layer("encoder.RDBs.0.convs.0.conv.0", FEATURES, FEATURES, 3, 3)
    tensors |= layer("encoder.RDBs.0.LFF", FEATURES, 2 * FEATURES, 1, 1)
    return tensors | layer("encoder.GFF.0", FEATURES, FEATURES, 1, 1) | layer("encoder.GFF.1", FEATURES, FEATURES, 3, 3)


def lte():
    tensors = layer("coef", 16, FEATURES, 3, 3) | layer("freq", 16, FEATURES, 3, 3)
    return tensors | layer("phase", 8, 2, bias=False) | mlp("imnet", 16, 12, 12, 3)


def clit():
    tensors = layer("conv_ch", 16, FEATURES, 3, 3) | layer("pb_encoder.proj", 4, 64)
    for stage in range(2):
        for name in ("conv_qs", "conv_ks", "conv_vs"):
            tensors |= layer(f"{name}.{stage}", 16, 16, 3, 3)
        tensors |= mlp(f"imnets.{stage}", 49 * 16 + 2, 12, 3)
    return tensors


def ciaosr():
    keys, values = 9 * FEATURES, 10 * FEATURES
    tensors = mlp("imnet_k", keys + 4, 12, keys) | mlp("imnet_v", values + 4, 12, values) | mlp("imnet_q", values, 12, 3)
    for name, outputs in (("conv_match_1", FEATURES // 2), ("conv_match_2", FEATURES // 2), ("conv_assembly", FEATURES)):
        tensors |= layer(f"cs_attn.{name}.0", outputs, FEATURES, 1, 1) | {f"cs_attn.{name}.1.weight": random(1)}
    return tensors | layer("cs_attn.down", FEATURES, FEATURES, 3, 3)


def srno():
    tensors = layer("conv00", 16, 4 * FEATURES + 10, 1, 1) | layer("fc1", 20, 16, 1, 1) | layer("fc2", 3, 20, 1, 1)
    for block in ("conv0", "conv1"):
        for name, outputs in (("qkv_proj", 48), ("o_proj1", 16), ("o_proj2", 16)):
            tensors |= layer(f"{block}.{name}", outputs, 16, 1, 1)
        for name in ("kln.weight", "kln.bias", "vln.weight", "vln.bias"):
            tensors[f"{block}.{name}"] = random(4, 1, 4)
    return tensors


def framework(path, name, tensors):
    """As the LIIF framework's trainer writes it, on several GPUs."""
    state = {"module." + key: value for key, value in tensors.items()}
    torch.save({"model": {"name": name, "args": {}, "sd": state}, "optimizer": {}, "epoch": 1, "state": None}, path)
    return path


def stored(path):
    metadata, header, data = read(path)
    tensors = {
        name: torch.frombuffer(bytearray(data[slice(*entry["data_offsets"])]), dtype=torch.float32).reshape(entry["shape"])
        for name, entry in header.items()
    }
    return metadata, tensors


def expect(source, output, decoder, tensors):
    """Converts, compares with what the network's parameters are, and serves it."""
    assert not convert(source, output)
    metadata, written = stored(output)
    assert metadata["decoder"] == decoder
    assert written.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(written[name], tensor), name
    program = BIN / "hiif-eval"
    if program.exists():
        command = [program, "speed", "--model", output, "--size", "8", "--scale", "2", "--json"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, ran.stderr
    return metadata


@pytest.mark.parametrize("name, decoder, tensors", [
    ("metasr", "metasr", mlp("imnet", 3, 24, 27 * FEATURES)),
    ("lte", "lte", lte()), ("clit", "clit", clit()), ("sronet", "srno", srno())])
def test_files_of_the_liif_framework(tmp_path, name, decoder, tensors):
    tensors = edsr() | tensors
    metadata = expect(framework(tmp_path / "in.pth", name, tensors), tmp_path / "out.safetensors", decoder, tensors)
    assert metadata["normalisation"] == "(x-0.5)/0.5" and metadata["coordinates"] == "reference"
    if decoder in ("lte", "srno"):
        assert json.loads(metadata["decoder_config"])["cell_limit"] == 4


def test_lte_plus(tmp_path):
    """1x1 convolutions; row frequencies come first there, and alternate here."""
    native = edsr() | lte()
    there = {}
    for name, tensor in native.items():
        if name.startswith("imnet.layers."):
            name = name.removeprefix("imnet.")
            tensor = tensor[:, :, None, None] if name.endswith("weight") else tensor
        elif name.startswith("freq."):
            tensor = torch.cat([tensor[0::2], tensor[1::2]])
        there[name] = tensor
    expect(framework(tmp_path / "in.pth", "lte-fast", there), tmp_path / "out.safetensors", "lte", native)


def test_the_original_metasr(tmp_path):
    """(1/scale, row, column) there, (row, column, 1/scale) here; values are 0 to 255."""
    native = rdn() | mlp("imnet", 3, 24, 27 * FEATURES)
    there = {}
    for name, tensor in native.items():
        if name == "imnet.layers.0.weight":
            tensor = tensor[:, [2, 0, 1]]
        there[name.replace("imnet.layers.", "P2W.meta_block.").removeprefix("encoder.")] = tensor
    torch.save(there, tmp_path / "in.pth")
    metadata = expect(tmp_path / "in.pth", tmp_path / "out.safetensors", "metasr", native)
    assert metadata["normalisation"] == "(x-mean)/std" and metadata["mean"] == "0.4488,0.4371,0.404"
    assert float(metadata["std"].split(",")[0]) == pytest.approx(1 / 255)


RENAMES = {
    "edsr": (edsr, [("head.0.", "conv_first."), ("body.0.body.0.", "body.0.conv1."), ("body.0.body.2.", "body.0.conv2."),
                    ("body.1.", "conv_after_body.")]),
    "rdn": (rdn, [("SFENet1.", "sfe1."), ("SFENet2.", "sfe2."), ("RDBs.0.convs.0.conv.0.", "rdbs.0.layers.0.conv."),
                  ("RDBs.0.LFF.", "rdbs.0.lff."), ("GFF.", "gff.")]),
}


@pytest.mark.parametrize("encoder", RENAMES)
@pytest.mark.parametrize("prefix", ["generator.", ""])
def test_ciaosr(tmp_path, encoder, prefix):
    make, renames = RENAMES[encoder]
    native = make() | ciaosr()
    there = {"cs_attn.escape_NaN": torch.tensor([1e-4])}
    for name, tensor in native.items():
        for here, other in renames:
            if name.startswith("encoder." + here):
                name = name.replace(here, other, 1)
                break
        there[name] = tensor
    torch.save({"meta": {"epoch": 1}, "state_dict": {prefix + k: v for k, v in there.items()}}, tmp_path / "in.pth")
    metadata = expect(tmp_path / "in.pth", tmp_path / "out.safetensors", "ciaosr", native)
    assert metadata["mean"] == "0.4488,0.4371,0.404" and metadata["std"] == "1.0,1.0,1.0"
    assert "CC-BY-NC-4.0" in metadata["license"]


def test_what_cannot_be_converted_says_why(tmp_path):
    tensors = edsr() | ciaosr() | layer("cs_attn.downx3", FEATURES, FEATURES, 3, 3)
    torch.save({"state_dict": {"generator." + k: v for k, v in tensors.items()}}, tmp_path / "multi.pth")
    broken = edsr() | clit()
    del broken["pb_encoder.proj.weight"]
    torch.save([1, 2], tmp_path / "list.pth")
    for path, message in [
        (tmp_path / "multi.pth", "multi-scale variant"),
        (framework(tmp_path / "broken.pth", "clit", broken), "lacks tensor pb_encoder.proj.weight"),
        (tmp_path / "list.pth", "no parameters"),
    ]:
        assert message in convert(path, tmp_path / "out.safetensors")
        assert not (tmp_path / "out.safetensors").exists()
