"""hiif.torch: outputs equal the recorded ones and those of the server; it trains; it exports to ONNX."""

import json
import os
import pathlib

import numpy
import pytest

from processes import ROOT, assemble
from test_upscale import request

torch = pytest.importorskip("torch")
from safetensors.numpy import load_file  # noqa: E402
from safetensors import safe_open  # noqa: E402

FIXTURES = pathlib.Path(os.environ.get("HIIF_SHARED", ROOT.parent / "shared")) / "fixtures"
CONFIGS = {
    "hiif-edsr-baseline": {},
    "hiif-rdn": dict(encoder_config=dict(base_features=32, blocks=3, layers_per_block=2, growth=16)),
    "hiif-swinir": dict(encoder_config=dict(embed_dim=60, depths=[2, 2], heads=[6, 6], window=8, mlp_hidden=120,
                                            output_features=64)),
    "liif-edsr-baseline": dict(encoder_config=dict(blocks=4)),
}
CASES = [path.name.removesuffix(".safetensors") for path in sorted(FIXTURES.glob("*.safetensors"))
         if ".weights." not in path.name and ".strip" not in path.name]


def fixture_network(name, **options):
    import hiif.torch
    return hiif.torch.load(FIXTURES / f"{name}.weights.safetensors", **CONFIGS[name], **options)


@pytest.mark.skipif(not CASES, reason="no ../shared/fixtures here")
@pytest.mark.parametrize("case", CASES or ["-"])
def test_recorded_outputs(case):
    name = case.split(".")[0]
    tensors = load_file(FIXTURES / f"{case}.safetensors")
    with safe_open(FIXTURES / f"{case}.safetensors", "numpy") as file:
        metadata = file.metadata()
    network = fixture_network(name, coordinates="exact" if ".exact." in case else "reference")
    padded = torch.from_numpy(tensors["model_input"])[None] * 0.5 + 0.5
    rows, columns = tensors["raw_output"].shape[1:]
    # Of padded cases the network sees the padded image whole, and the output is cropped.
    size = (rows, columns)
    if int(metadata.get("window", 0)):
        scale = rows / tensors["input"].shape[1], columns / tensors["input"].shape[2]
        size = tuple(round(n * s) for n, s in zip(padded.shape[2:], scale))
    with torch.inference_mode():
        if "features" in tensors and name != "liif-edsr-baseline":
            numpy.testing.assert_allclose(network.encode(padded)[0], tensors["features"], atol=2e-4)
        raw = network.raw(padded, size)[0, :, :rows, :columns]
    assert numpy.abs(raw.numpy() - tensors["raw_output"]).max() <= 2e-4


@pytest.mark.parametrize("model", ["edsr-baseline-hiif", "edsr-baseline-hiif-fast", "rdn-hiif-small", "swinir-hiif-small"])
def test_shipped_models_give_what_the_server_gives(start_server, photo, model):
    import hiif.torch
    from PIL import Image
    network = hiif.torch.load(ROOT / "models" / f"{model}.safetensors")
    server = start_server("--backend", "reference", "--context-samples", "0", "--default-model", model,
                          model_dir=ROOT / "models")
    image = torch.from_numpy(numpy.array(Image.open(photo))).permute(2, 0, 1)[None] / 255
    _, expected, _ = assemble(server.stub().Upscale(
        request(photo, 2.5, 1.7, model=model, sample_type=3), timeout=120))
    with torch.inference_mode():
        output = network(image, expected.shape[:2])[0].permute(1, 2, 0).numpy()
    assert numpy.abs(output - expected).max() <= 2e-5


def test_drawings_are_limited_as_the_server_does(start_server, tmp_path):
    """Two tones, and text, whose edges are soft: between the two and limited by parts."""
    import hiif.torch
    from PIL import Image, ImageDraw, ImageFont
    picture = Image.new("RGB", (48, 40), (64, 64, 80))
    drawing = ImageDraw.Draw(picture)
    drawing.text((2, 2), "Hamburg", fill=(192, 190, 100), font=ImageFont.load_default())
    drawing.rectangle((4, 20, 30, 34), fill=(192, 20, 100))
    for i in range(32, 48, 2):
        drawing.line((i, 20, i, 39), fill=(255, 255, 255))
    picture.save(tmp_path / "drawing.png")
    model = "edsr-baseline-hiif-fast"
    network = hiif.torch.load(ROOT / "models" / f"{model}.safetensors")
    assert network.tone_slack == 0.1
    server = start_server("--backend", "reference", "--context-samples", "0", "--default-model", model)
    image = torch.from_numpy(numpy.array(picture)).permute(2, 0, 1)[None] / 255
    _, expected, _ = assemble(server.stub().Upscale(
        request(tmp_path / "drawing.png", 2.5, 1.7, model=model, sample_type=3), timeout=120))
    with torch.inference_mode():
        output = network(image, expected.shape[:2])
        network.tone_slack = None
        free = network(image, expected.shape[:2])
    assert numpy.abs(output[0].permute(1, 2, 0).numpy() - expected).max() <= 2e-5
    assert (output - free).abs().max() > 0.1


@pytest.mark.parametrize("faithful", [False, True])
def test_either_network_of_a_model_for_photographs(start_server, photo, faithful):
    import hiif.torch
    from PIL import Image
    model = "edsr-baseline-hiif-photo"
    network = hiif.torch.load(ROOT / "models" / f"{model}.safetensors", faithful=faithful)
    server = start_server("--backend", "reference", "--context-samples", "0", "--default-model", model,
                          model_dir=ROOT / "models")
    image = torch.from_numpy(numpy.array(Image.open(photo))).permute(2, 0, 1)[None] / 255
    _, expected, _ = assemble(server.stub().Upscale(
        request(photo, 2.5, 1.7, model=model, sample_type=3, strength=0 if faithful else 1), timeout=120))
    with torch.inference_mode():
        output = network(image, expected.shape[:2])[0].permute(1, 2, 0).numpy()
    assert numpy.abs(output - expected).max() <= 2e-5


def test_a_faithful_network_that_is_not_there():
    import hiif.torch
    with pytest.raises(ValueError, match="has one network"):
        hiif.torch.load(ROOT / "models" / "edsr-baseline-hiif-fast.safetensors", faithful=True)


def test_it_trains():
    import hiif.torch
    torch.manual_seed(1)
    network = hiif.torch.Network(encoder_config=dict(features=16, blocks=2),
                                 decoder_config=dict(width=32, levels=3, heads=4))
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    low, high = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 20, 20)
    losses = []
    for _ in range(12):
        loss = (network.raw(low, (20, 20)) - (high - 0.5) / 0.5).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.filterwarnings("ignore")
def test_export_to_onnx(tmp_path):
    """Encoder and decoder as two graphs; onnxruntime gives what PyTorch gives, at sizes they were not traced with."""
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    import hiif.torch
    from hiif.torch import onnx
    network = hiif.torch.load(ROOT / "models" / "edsr-baseline-hiif-fast.safetensors")
    paths = onnx.export(network, tmp_path)
    sessions = [onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]) for path in paths]
    torch.manual_seed(2)
    image = torch.rand(1, 3, 20, 26)
    with torch.inference_mode():
        expected = network(image, (44, 70)).numpy()
    output = onnx.run(network, sessions, image.numpy(), (44, 70))
    assert numpy.abs(output - expected).max() <= 2e-5


def test_files_that_do_not_fit_are_named(tmp_path):
    import hiif.torch
    from safetensors.numpy import save_file
    path = ROOT / "models" / "edsr-baseline-hiif-fast.safetensors"
    tensors = load_file(path)
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
    for change, words in [
            (lambda: tensors.pop("freq.bias"), "freq.bias is missing"),
            (lambda: tensors.update({"freq.bias": numpy.zeros(3, numpy.float32)}), "freq.bias is"),
            (lambda: tensors.update({"more": numpy.zeros(3, numpy.float32)}), "more"),
            (lambda: metadata.update(encoder="edsr-large"), "edsr-large"),
            (lambda: metadata.pop("decoder"), "decoder="),
            (lambda: metadata.update(decoder="hiif", encoder="edsr-baseline", coordinates="no"), "no")]:
        change()
        save_file(tensors, tmp_path / "x.safetensors", metadata)
        with pytest.raises(ValueError) as caught:
            network = hiif.torch.load(tmp_path / "x.safetensors")
            network(torch.rand(1, 3, 4, 4), (8, 8))
        assert words in str(caught.value)
        if words == "more":
            tensors.pop("more")
            tensors["freq.bias"] = load_file(path)["freq.bias"]
    assert json.loads(metadata["encoder_config"])


@pytest.fixture
def torchvision_operators():
    """PyPI's torchvision is for CUDA and does not even import beside a CPU build of torch unless these names are there.
    spandrel uses none of them."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    yield
    del library


def test_a_descriptor_for_spandrel(torchvision_operators):
    """spandrel's own class: what runs models by it runs these, at a whole factor."""
    pytest.importorskip("torchvision", reason="needs spandrel (scripts/verify python-module)")
    spandrel = pytest.importorskip("spandrel")
    import hiif.torch
    path = ROOT / "models" / "edsr-baseline-hiif-fast.safetensors"
    model = hiif.torch.descriptor(path, 3)
    assert isinstance(model, spandrel.ImageModelDescriptor)
    assert (model.scale, model.input_channels, model.output_channels, model.purpose) == (3, 3, 3, "SR")
    assert model.architecture.id == "HIIF" and model.tags == ["edsr-baseline", "hiif"]
    image = torch.rand(1, 3, 17, 21)
    with torch.inference_mode():
        expected = hiif.torch.load(path)(image, (51, 63))
    assert torch.equal(model(image), expected)
    with pytest.raises(spandrel.UnsupportedDtypeError):
        model.half()
    with pytest.raises(ValueError, match="whole factor"):
        hiif.torch.descriptor(path, 2.7)
    # In a registry it recognises its own files among spandrel's, and says how to load them.
    registry = spandrel.MAIN_REGISTRY.copy()
    registry.add(spandrel.ArchSupport.from_architecture(model.architecture))
    with pytest.raises(spandrel.UnsupportedModelError, match=r"hiif\.torch\.descriptor"):
        spandrel.ModelLoader(registry=registry).load_from_file(path)
