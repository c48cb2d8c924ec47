"""Health, reflection, the list of models, and models loaded while serving."""

import shutil

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

from processes import ROOT, assemble
from test_metrics import scrape, total
from test_upscale import request

SERVING = health_pb2.HealthCheckResponse.SERVING


def test_health(server):
    stub = health_pb2_grpc.HealthStub(server.channel())
    for service in ("", "hiif.v1.SuperResolutionService", "models/edsr-baseline-hiif-fast"):
        assert stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status == SERVING
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(health_pb2.HealthCheckRequest(service="no-such"), timeout=10)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    watch = stub.Watch(health_pb2.HealthCheckRequest(service=""), timeout=10)
    assert next(iter(watch)).status == SERVING


def test_reflection(server, start_server, two_models):
    with pytest.raises(grpc.RpcError) as caught:
        ProtoReflectionDescriptorDatabase(server.channel()).get_services()
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED, "it is off unless asked for"
    database = ProtoReflectionDescriptorDatabase(start_server("--reflection", model_dir=two_models).channel())
    assert "hiif.v1.SuperResolutionService" in database.get_services()
    file = database.FindFileContainingSymbol("hiif.v1.SuperResolutionService")
    assert {m.name for m in file.service[0].method} >= {"Upscale", "Query", "ListModels", "GetModel"}


def test_model_control_is_off_by_default(server):
    from hiif.v1 import super_resolution_pb2 as pb, super_resolution_pb2_grpc as rpc
    with pytest.raises(grpc.RpcError) as caught:
        rpc.ModelControlServiceStub(server.channel()).LoadModel(pb.LoadModelRequest(name="x"), timeout=10)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.fixture
def folder(tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(ROOT / "models" / "edsr-baseline-hiif-fast.safetensors", models)
    return models


def test_a_folder_of_models(folder, start_server, photo):
    """A broken checkpoint is reported and leaves the others serving; names page."""
    from hiif.v1 import super_resolution_pb2 as pb
    good = folder / "edsr-baseline-hiif-fast.safetensors"
    shutil.copy(good, folder / "another.safetensors")
    (folder / "broken.safetensors").write_bytes(good.read_bytes()[:100_000])
    running = start_server(model_dir=folder)
    stub = running.stub()
    models = {m.name: m for m in stub.ListModels(pb.ListModelsRequest(), timeout=10).models}
    assert list(models) == ["another", "broken", "edsr-baseline-hiif-fast"]
    assert models["broken"].state == pb.MODEL_STATE_FAILED and models["broken"].error
    best = models["edsr-baseline-hiif-fast"]
    assert best.state == pb.MODEL_STATE_READY and best.is_default and best.memory_bytes > 5_000_000
    assert best.encoder == "edsr-baseline" and best.decoder == "hiif" and best.parameters > 1_400_000
    names, token = [], ""
    while True:
        page = stub.ListModels(pb.ListModelsRequest(page_size=1, page_token=token), timeout=10)
        names += [m.name for m in page.models]
        token = page.next_page_token
        if not token:
            break
    assert names == list(models)
    assemble(stub.Upscale(request(photo, 1.5, 1.5, model="another"), timeout=60))
    with pytest.raises(grpc.RpcError) as caught:
        list(stub.Upscale(request(photo, model="broken"), timeout=60))
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert stub.GetModel(pb.GetModelRequest(), timeout=10).model == best
    assert best.identity.startswith("cpu/")


def test_models_come_and_go_while_serving(folder, start_server, photo):
    from hiif.v1 import super_resolution_pb2 as pb, super_resolution_pb2_grpc as rpc
    running = start_server("--enable-model-control", model_dir=folder)
    control = rpc.ModelControlServiceStub(running.channel())
    stub = running.stub()
    before = assemble(stub.Upscale(request(photo), timeout=60))

    shutil.copy(folder / "edsr-baseline-hiif-fast.safetensors", folder / "second.safetensors")
    model = control.LoadModel(pb.LoadModelRequest(name="second"), timeout=60).model
    assert model.state == pb.MODEL_STATE_READY
    after = assemble(stub.Upscale(request(photo, model="second"), timeout=60))
    assert (before[1] == after[1]).all()

    # A reload in the middle of a stream: the stream ends on what it began with.
    call = stub.Upscale(request(photo, 8, 8, model="second", tile_size=64), timeout=300)
    responses = [next(call), next(call)]
    control.LoadModel(pb.LoadModelRequest(name="second"), timeout=60)
    control.UnloadModel(pb.UnloadModelRequest(name="second"), timeout=60)
    header, _, trailer = assemble([*responses, *call])
    assert header.model == "second" and trailer.messages_sent == header.grid.columns * header.grid.rows
    for name, code in [("second", "NOT_FOUND")]:
        with pytest.raises(grpc.RpcError) as caught:
            list(stub.Upscale(request(photo, model=name), timeout=60))
        assert caught.value.code().name == code

    for name, code in [("../second", "INVALID_ARGUMENT"), ("", "INVALID_ARGUMENT"), ("none", "NOT_FOUND")]:
        with pytest.raises(grpc.RpcError) as caught:
            control.LoadModel(pb.LoadModelRequest(name=name), timeout=60)
        assert caught.value.code().name == code
    with pytest.raises(grpc.RpcError) as caught:
        control.UnloadModel(pb.UnloadModelRequest(name="edsr-baseline-hiif-fast"), timeout=60)
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION

    # A version that cannot be read leaves the one that serves.
    (folder / "edsr-baseline-hiif-fast.safetensors").write_bytes(b"broken")
    with pytest.raises(grpc.RpcError):
        control.LoadModel(pb.LoadModelRequest(name="edsr-baseline-hiif-fast"), timeout=60)
    assert (assemble(stub.Upscale(request(photo), timeout=60))[1] == before[1]).all()


@pytest.fixture
def crowded(folder, start_server):
    """A server of three models with room for the default alone, beside the one that was asked for last."""
    for name in ("second", "third"):
        shutil.copy(folder / "edsr-baseline-hiif-fast.safetensors", folder / f"{name}.safetensors")
    return start_server("--enable-model-control", "--model-memory-bytes", "1", "--default-model",
                        "edsr-baseline-hiif-fast", model_dir=folder)


def test_features_go_with_their_model(crowded, photo):
    """Those of a model that left for want of memory, or that was unloaded, are not counted any more."""
    from hiif.v1 import super_resolution_pb2 as pb, super_resolution_pb2_grpc as rpc

    def features(name):
        return total(scrape(crowded), "hiif_model_memory_bytes", f'model="{name}"', 'kind="features"')

    stub = crowded.stub()
    assemble(stub.Upscale(request(photo, 1.5, 1.5, model="second"), timeout=60))
    assert features("second") > 0
    assemble(stub.Upscale(request(photo, 1.5, 1.5, model="third"), timeout=60))
    assert stub.GetModel(pb.GetModelRequest(name="second"), timeout=10).model.state == pb.MODEL_STATE_UNLOADED
    assert features("second") == 0 and features("third") > 0
    rpc.ModelControlServiceStub(crowded.channel()).UnloadModel(pb.UnloadModelRequest(name="third"), timeout=60)
    assert features("third") == 0


def test_a_model_whose_file_is_away_for_a_while(crowded, folder, photo):
    """A model that left for want of memory and cannot be read when it is wanted serves again once it can."""
    from hiif.v1 import super_resolution_pb2 as pb
    stub = crowded.stub()
    second = folder / "second.safetensors"
    assert stub.GetModel(pb.GetModelRequest(name="second"), timeout=10).model.state == pb.MODEL_STATE_UNLOADED
    second.rename(folder / "second.away")
    for _ in range(2):
        with pytest.raises(grpc.RpcError) as caught:
            list(stub.Upscale(request(photo, model="second"), timeout=60))
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE, caught.value
        assert str(folder) not in caught.value.details()
        details = {detail.type_url.split(".")[-1]: detail for detail in rpc_status.from_call(caught.value).details}
        info = error_details_pb2.ErrorInfo()
        details["ErrorInfo"].Unpack(info)
        assert info.reason == "MODEL_LOADING" and "RetryInfo" in details
    (folder / "second.away").rename(second)
    assemble(stub.Upscale(request(photo, 1.5, 1.5, model="second"), timeout=60))
