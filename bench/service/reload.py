"""A model loaded again and again while requests come in: none fails."""

import shutil
import threading
import time

import grpc

from common import FOLDER, ROOT, arguments, pb, picture, request, run_server, verdict


def main():
    options = arguments(__doc__, seconds=60.0, clients=8)
    models = FOLDER / "models"
    models.mkdir()
    shutil.copy(ROOT / "models" / "edsr-baseline-hiif-fast.safetensors", models)
    failures, done, stop = [], [], threading.Event()
    with run_server(FOLDER, "--enable-model-control", "--max-queue-time", "1h",
                    model_dir=models) as server:
        from hiif.v1 import super_resolution_pb2_grpc as rpc

        def work(seed):
            while not stop.is_set():
                try:
                    last = None
                    for response in server.stub().Upscale(request(picture(40, 40, seed), 2.0),
                                                          timeout=120):
                        last = response.WhichOneof("part")
                    (done if last == "trailer" else failures).append(last)
                except grpc.RpcError as error:
                    failures.append(error.code().name + ": " + error.details())
                seed += options.clients

        threads = [threading.Thread(daemon=True, target=work, args=(i,)) for i in range(options.clients)]
        for thread in threads:
            thread.start()
        control = rpc.ModelControlServiceStub(server.channel())
        reloads, start = 0, time.monotonic()
        while time.monotonic() - start < options.seconds:
            control.LoadModel(pb.LoadModelRequest(name="edsr-baseline-hiif-fast"), timeout=120)
            reloads += 1
            time.sleep(0.5)
        stop.set()
        for thread in threads:
            thread.join()
    verdict("reload", not failures and reloads > 0 and done,
            f"{reloads} reloads under {len(done)} requests, {len(failures)} failures {failures[:3]}")


if __name__ == "__main__":
    main()
