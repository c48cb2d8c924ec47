"""SIGTERM with requests in flight: no accepted one fails within the grace.

Those in flight when the signal is sent were accepted, whether they have begun to answer or wait in the queue: so many
at least must end well, and every one that answered.
"""

import random
import signal
import threading

import grpc

from common import FOLDER, arguments, metric, picture, request, run_server, verdict, wait_for


def main():
    options = arguments(__doc__, times=50, requests=20)
    failed, served, lost, codes = [], 0, 0, set()
    for round_ in range(options.times):
        rng = random.Random(round_)
        with run_server(FOLDER, "--shutdown-grace", "120s", "--max-queue-time", "1h") as server:
            outcomes = []

            def work(seed, scale):
                last = None
                try:
                    for response in server.stub().Upscale(request(picture(40, 40, seed), scale),
                                                          timeout=300):
                        last = response.WhichOneof("part")
                    outcomes.append("ok" if last == "trailer" else "no trailer")
                except grpc.RpcError as error:
                    turned_away = last is None and error.code() == grpc.StatusCode.UNAVAILABLE
                    outcomes.append("not accepted" if turned_away else error.code().name)
                except Exception as error:  # pylint: disable=broad-except
                    outcomes.append(type(error).__name__)

            threads = [threading.Thread(daemon=True, target=work, args=(i, rng.uniform(1.3, 4)))
                       for i in range(options.requests)]
            for thread in threads:
                thread.start()
            wanted, in_flight = options.requests * rng.uniform(0.3, 0.9), 0

            def enough():
                nonlocal in_flight
                in_flight = metric(server, "hiif_inflight_requests")
                return in_flight >= wanted or len(outcomes) == options.requests

            wait_for(enough)
            server.process.send_signal(signal.SIGTERM)
            for thread in threads:
                thread.join()
            codes.add(server.process.wait(150))
            served += outcomes.count("ok")
            lost += max(0, int(in_flight) - outcomes.count("ok"))
            failed += [o for o in outcomes if o not in ("ok", "not accepted")]
    verdict("drain", served > 0 and not failed and lost == 0 and codes == {0},
            f"{served} requests served through {options.times} stops, {len(failed)} accepted ones "
            f"failed {failed[:5]}, {lost} in flight were lost, exit codes {sorted(codes)}")


if __name__ == "__main__":
    main()
