"""SIGTERM with requests in flight: no accepted one fails within the grace."""

import random
import signal
import threading

import grpc

from common import FOLDER, arguments, metric, picture, request, run_server, verdict


def main():
    options = arguments(__doc__, times=50, requests=20)
    failed, served, codes = [], 0, set()
    for round_ in range(options.times):
        rng = random.Random(round_)
        with run_server(FOLDER, "--shutdown-grace", "120s", "--max-queue-time", "1h") as server:
            outcomes = []

            def work(seed, scale):
                accepted = False
                try:
                    for response in server.stub().Upscale(request(picture(40, 40, seed), scale),
                                                          timeout=300):
                        accepted = True
                        last = response.WhichOneof("part")
                    outcomes.append("ok" if last == "trailer" else "no trailer")
                except grpc.RpcError as error:
                    outcomes.append(error.code().name if accepted else "not accepted")

            threads = [threading.Thread(daemon=True, target=work, args=(i, rng.uniform(1.3, 4)))
                       for i in range(options.requests)]
            for thread in threads:
                thread.start()
            while metric(server, "hiif_inflight_requests") < options.requests * rng.uniform(0.3, 0.9):
                pass
            server.process.send_signal(signal.SIGTERM)
            for thread in threads:
                thread.join()
            codes.add(server.process.wait(150))
            served += outcomes.count("ok")
            failed += [o for o in outcomes if o not in ("ok", "not accepted")]
    verdict("drain", not failed and codes == {0},
            f"{served} requests served through {options.times} stops, {len(failed)} accepted ones "
            f"failed {failed[:5]}, exit codes {sorted(codes)}")


if __name__ == "__main__":
    main()
