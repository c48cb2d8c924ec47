"""One peer behind its server: python serve.py NAME PORT. All take POST /?scale=, a file, and answer with a file, but for
LitServe and BentoML, which have forms of their own (see peers.py)."""

import os
import sys

import engines


def litserve(port):
    import litserve
    import lit
    litserve.LitServer(lit.Upscaler(), accelerator="cpu", timeout=False).run(port=port, host="127.0.0.1", num_api_servers=1,
                                                                            generate_client_file=False)


def bentoml(port):
    folder = os.path.dirname(os.path.abspath(__file__))
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", "serve", "bento:Upscaler", "--port", str(port),
                              "--host", "127.0.0.1", "--working-dir", folder, "--api-workers", "1"])


def ray(port):
    import time
    import ray as cluster
    from ray import serve
    from starlette.responses import Response

    cluster.init(num_cpus=2, include_dashboard=False, object_store_memory=200 << 20, logging_level="error",
                 runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join([os.path.dirname(os.path.abspath(__file__)), os.environ["PYTHONPATH"]])}})
    serve.start(http_options={"host": "127.0.0.1", "port": port})

    @serve.deployment(num_replicas=1, max_ongoing_requests=64, ray_actor_options={"num_cpus": 1})
    class Upscaler:
        def __init__(self):
            self.upscale = engines.bytes_to_bytes(engines.by_torch())

        @serve.batch(max_batch_size=engines.BATCH, batch_wait_timeout_s=engines.BATCH_WAIT)
        async def run(self, batch):
            return self.upscale(batch)

        async def __call__(self, request):
            answer = await self.run((await request.body(), float(request.query_params["scale"])))
            return Response(answer, media_type="image/png")

    serve.run(Upscaler.bind())
    while True:
        time.sleep(1)


def bare(engine, port):
    """Python's own server, one request at a time: for libraries without one."""
    import http.server
    import threading
    import urllib.parse
    upscale = engines.bytes_to_bytes(engine())
    turn = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            scale = float(urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)["scale"][0])
            with turn:
                answer, = upscale([(body, scale)])
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments):
            pass

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 128

    Server(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    name, port = sys.argv[1], int(sys.argv[2])
    if name in ("litserve", "bentoml", "ray"):
        globals()[name](port)
    else:
        bare(getattr(engines, "by_" + name), port)
