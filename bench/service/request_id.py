"""Every byte as a request id, in every method that takes one: refused or served, and the server goes on."""

import grpc
from common import FOLDER, arguments, pb, picture, request, run_server, verdict


def main():
    arguments(__doc__)
    image = picture(16, 16)
    ids = [chr(code) for code in range(256)] + ["ü" * 60, "x" * 129, "x" * 9000, "a\r\nb", "\U0001f600"]
    refused = served = wrong = 0
    with run_server(FOLDER) as server:
        stub = server.stub()
        for name in ids:
            allowed = len(name) <= 128 and all(" " <= c <= "~" for c in name)
            parameters = request(image, 1.0, request_id=name).parameters
            for call in (lambda: list(stub.Upscale(request(image, 1.0, request_id=name), timeout=60)),
                         lambda: list(stub.UpscaleUpload(iter([
                             pb.UpscaleUploadRequest(parameters=parameters),
                             pb.UpscaleUploadRequest(chunk=image)]), timeout=60)),
                         lambda: stub.Query(pb.QueryRequest(
                             image=pb.ImageSource(encoded=image), coordinates=[0.0, 0.0], cell_row=0.1,
                             cell_column=0.1, request_id=name), timeout=60)):
                try:
                    call()
                    served += 1
                    wrong += not allowed
                except grpc.RpcError as error:
                    refused += 1
                    wrong += allowed or error.code() != grpc.StatusCode.INVALID_ARGUMENT
        alive = server.process.poll() is None
    verdict("request-id", alive and wrong == 0 and refused > 0 and served > 0,
            f"{served} calls served, {refused} refused with INVALID_ARGUMENT, {wrong} otherwise, the server "
            f"{'goes on' if alive else 'ended'}")


if __name__ == "__main__":
    main()
