"""A day of requests against Kubernetes' HorizontalPodAutoscaler: replicas, waits and refusals for each choice
of settings. What the chart's defaults are chosen from; docs/autoscaling.md has the result.

Modelled: arrivals (Poisson, a day's curve with a burst at noon), output sizes (log-normal), service time as
measured (--overhead, --pixels-per-second; --measure asks a server of this build), round robin over the ready
pods, the server's admission (--max-queue-time) and its metric (each request counted at most 60 s), scraping,
pods that take time to start and finish their work before they go, and the HPA's own algorithm: period,
tolerance, pods without a reading, stabilisation windows and policies (Kubernetes' documentation, "Algorithm
details"). Not modelled: retries of refused requests (each is lost, which is the worst case), node failures.
"""

import argparse
import collections
import dataclasses
import math
import pathlib
import random
import sys

DAY = 86400
SCRAPE = 15  # seconds between scrapes; the HPA reads the last one
PERIOD = 15  # of the HPA's loop
TOLERANCE = 0.1
MAX_QUEUE = 1800  # --max-queue-time, its default
CAP = 60  # seconds that one request counts in hiif_estimated_drain_seconds


@dataclasses.dataclass
class Settings:
    """One choice of settings of the autoscaler."""
    name: str
    target: float = 10
    up_window: int = 0
    down_window: int = 300
    down_percent: int = 100  # of the replicas, each down_period
    down_period: int = 15
    start: int = 30  # seconds until a new pod is ready
    metric: str = "drain"  # or "busy": the share of time that a pod works, as CPU utilisation would be
    minimum: int = 2
    maximum: int = 100


class Pod:
    """First come, first served; the order within a pod changes no sum."""

    def __init__(self, ready):
        self.ready = ready
        self.free = 0.0  # when all admitted work is done
        self.queue = collections.deque()  # (end, work)
        self.busy = 0.0  # seconds of work admitted
        self.scraped = None

    def drain(self, now):
        """hiif_estimated_drain_seconds."""
        while self.queue and self.queue[0][0] <= now:
            self.queue.popleft()
        return sum(min(CAP, end - max(now, end - work)) for end, work in self.queue)

    def done(self, now):
        """Seconds of work done."""
        return self.busy - max(0.0, self.free - now)


class Autoscaler:
    """The HorizontalPodAutoscaler of Kubernetes for one Pods metric."""

    def __init__(self, settings):
        self.settings = settings
        self.recommendations = []  # (time, replicas)
        self.changes = []  # (time, change)

    def desired(self, now, pods):
        """Replicas from the metric alone."""
        current = len(pods)
        read = [p.scraped for p in pods if p.ready <= now and p.scraped is not None]
        if not read:
            return current
        target = self.settings.target
        ratio = sum(read) / len(read) / target
        missing = current - len(read)
        if abs(ratio - 1) <= TOLERANCE:
            return current
        if missing:
            # Pods without a reading count as idle on the way up and as exactly loaded on the way down.
            ratio2 = (sum(read) + (0 if ratio > 1 else missing * target)) / current / target
            if abs(ratio2 - 1) <= TOLERANCE or (ratio2 > 1) != (ratio > 1):
                return current
            return math.ceil(ratio2 * current - 1e-9)
        return math.ceil(ratio * current - 1e-9)

    def step(self, now, pods):
        """Replicas after windows, policies and bounds."""
        s, current = self.settings, len(pods)
        desired = self.desired(now, pods)
        self.recommendations = [(t, r) for t, r in self.recommendations
                                if t > now - max(s.up_window, s.down_window, 1)] + [(now, desired)]
        up = min(r for t, r in self.recommendations if t > now - max(s.up_window, 1))
        down = max(r for t, r in self.recommendations if t > now - max(s.down_window, 1))
        wanted = current
        if up > current:
            wanted = up
        elif down < current:
            wanted = down
        if wanted > current:
            # The default policies: twice as many, or 4 more, within 15 s, whichever is more.
            before = current - sum(c for t, c in self.changes if t > now - 15 and c > 0)
            wanted = min(wanted, max(2 * before, before + 4))
            wanted = max(wanted, current)
        elif wanted < current:
            before = current - sum(c for t, c in self.changes if t > now - s.down_period and c < 0)
            wanted = max(wanted, math.floor(before * (1 - s.down_percent / 100)))
            wanted = min(wanted, current)
        wanted = min(max(wanted, s.minimum), s.maximum)
        if wanted != current:
            self.changes = [(t, c) for t, c in self.changes if t > now - max(s.down_period, 15)]
            self.changes.append((now, wanted - current))
        return wanted


def load(now):
    """Share of the day's peak: a night, a morning, an evening; half as much again at noon for 15 minutes."""
    hour = now / 3600
    curve = 0.15 + 0.85 * max(0.0, math.sin(math.pi * (hour - 6) / 17)) ** 1.5 if 6 < hour < 23 else 0.15
    return curve * (1.5 if 12 <= hour < 12.25 else 1)


class Requests:
    """The day's arrivals with their work, the same for every choice of settings."""

    def __init__(self, args):
        rng = random.Random(1)
        sizes = [min(400e6, args.median_pixels * math.exp(rng.gauss(0, 1))) for _ in range(20000)]
        work = [args.overhead + size / args.pixels_per_second for size in sizes]
        mean = sum(work) / len(work)
        peak = args.peak / mean  # requests a second that keep `peak` pods fully busy
        self.mean, self.list, now = mean, [], 0.0
        while True:  # thinning
            now += rng.expovariate(peak * 1.5)
            if now >= args.hours * 3600:
                break
            if rng.random() < load(now) / 1.5:
                self.list.append((now, work[rng.randrange(len(work))]))


def simulate(settings, requests, hours):
    """Figures of one day, and the curve (hour, replicas, queue, offered pods)."""
    pods = [Pod(0) for _ in range(max(settings.minimum, 12))]
    scaler, leaving = Autoscaler(settings), []
    waits, refused, turn, seconds, changes = [], 0, 0, 0.0, 0
    curve, work_done, index, previous = [], 0.0, 0, {}
    for now in range(0, int(hours * 3600), PERIOD):
        ready = [p for p in pods if p.ready <= now]
        while index < len(requests.list) and requests.list[index][0] < now + PERIOD:
            arrival, work = requests.list[index]
            index += 1
            turn += 1
            pod = ready[turn % len(ready)]
            wait = max(0.0, pod.free - arrival)
            if wait > MAX_QUEUE:
                refused += 1
                continue
            pod.free = max(arrival, pod.free) + work
            pod.busy += work
            pod.queue.append((pod.free, work))
            waits.append(wait)
            work_done += work
        end = now + PERIOD
        total = 0.0
        for pod in pods:
            drain = pod.drain(end)
            total += drain
            if pod.ready > end:
                continue
            if settings.metric == "drain":
                pod.scraped = drain
            else:
                done = pod.done(end)
                pod.scraped = (done - previous.get(id(pod), done)) / PERIOD
                previous[id(pod)] = done
        seconds += len(pods) * PERIOD + sum(min(PERIOD, max(0, p.free - now)) for p in leaving)
        leaving = [p for p in leaving if p.free > end]
        wanted = scaler.step(end, pods)
        changes += wanted != len(pods)
        while len(pods) < wanted:
            pods.append(Pod(end + settings.start))
        if len(pods) > wanted:
            # Those that are not ready go first, then the youngest.
            pods.sort(key=lambda p: p.ready)
            leaving += pods[wanted:]
            del pods[wanted:]
        if now % 300 == 0:
            curve.append((now / 3600, len(pods), total))
    waits.sort()

    def quantile(q):
        return waits[min(len(waits) - 1, int(q * len(waits)))]

    return {"settings": settings, "most": max(c[1] for c in curve), "hours": seconds / 3600,
            "busy": work_done / seconds, "p50": quantile(0.5), "p95": quantile(0.95),
            "p99": quantile(0.99), "refused": refused / len(requests.list), "changes": changes,
            "curve": curve}


SLOW_DOWN = {"down_window": 600, "down_percent": 5, "down_period": 60}
CHOSEN = Settings("chosen", up_window=30, **SLOW_DOWN)
CHOICES = [
    Settings("Kubernetes' default behaviour"),
    CHOSEN,
    Settings("target 5 s", target=5, up_window=30, **SLOW_DOWN),
    Settings("target 20 s", target=20, up_window=30, **SLOW_DOWN),
    Settings("target 40 s", target=40, up_window=30, **SLOW_DOWN),
    Settings("up at once", **SLOW_DOWN),
    Settings("up only after 60 s", up_window=60, **SLOW_DOWN),
    Settings("up only after 120 s", up_window=120, **SLOW_DOWN),
    Settings("down 10 % a minute", up_window=30, down_percent=10, down_period=60),
    Settings("pods start in 150 s", up_window=30, start=150, **SLOW_DOWN),
    Settings("no autoscaler, 100 pods", minimum=100),
    Settings("utilisation, target 70 %", target=0.7, metric="busy"),
]


def measure():
    """(seconds a request, pixels a second) of a server of this build."""
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "service"))
    import tempfile
    import time
    from common import picture, request, run_server
    with (tempfile.TemporaryDirectory() as folder,
          run_server(pathlib.Path(folder), "--feature-cache-bytes", "0") as server):
        stub, points = server.stub(), []
        for side in (32, 128, 32, 128, 32, 128):
            image = picture(side, side, len(points))
            begin = time.monotonic()
            for _ in stub.Upscale(request(image, 4), timeout=120):
                pass
            points.append(((4 * side) ** 2, time.monotonic() - begin))
    small, large = min(t for n, t in points[2::2]), min(t for n, t in points[3::2])
    speed = (points[1][0] - points[0][0]) / (large - small)
    return max(0.0, small - points[0][0] / speed), speed


def svg(result, baseline, peak):
    """A drawing of replicas and queue over the day."""
    width, height, left, top = 760, 170, 50, 20

    def line(curve, column, most, y, colour):
        points = " ".join(f"{left + c[0] / 24 * width:.1f},{y + height - min(1, c[column] / most) * height:.1f}"
                          for c in curve)
        return f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{points}"/>'

    offered = [(h / 12, peak * load(h * 300)) for h in range(288)]
    queue_most = max(c[2] for r in (result, baseline) for c in r["curve"])
    second = top + height + 50
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 840 460" font-family="sans-serif" '
             'font-size="12"><rect width="840" height="460" fill="white"/>']
    for y, most, title in ((top, 100, "pods: offered load (grey), Kubernetes' default (orange), chosen (blue)"),
                           (second, queue_most, "seconds of work queued on all pods")):
        parts.append(f'<text x="{left}" y="{y - 5}">{title}</text><rect x="{left}" y="{y}" width="{width}" '
                     f'height="{height}" fill="none" stroke="#999"/><text x="5" y="{y + 10}">{most:,.0f}</text>'
                     f'<text x="35" y="{y + height}">0</text>')
        parts += [f'<text x="{left + h / 24 * width - 6:.0f}" y="{y + height + 15}">{h}h</text>'
                  for h in range(0, 25, 4)]
    parts += [line(offered, 1, 100, top, "#999"), line(baseline["curve"], 1, 100, top, "#e80"),
              line(result["curve"], 1, 100, top, "#06c"),
              line(baseline["curve"], 2, queue_most, second, "#e80"),
              line(result["curve"], 2, queue_most, second, "#06c"), "</svg>"]
    return "\n".join(parts) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--overhead", type=float, default=0.2, help="seconds a request, whatever its size")
    parser.add_argument("--pixels-per-second", type=float, default=40e3, help="of one pod of two cores")
    parser.add_argument("--median-pixels", type=float, default=250e3, help="of the outputs")
    parser.add_argument("--measure", action="store_true", help="take both from a server of this build")
    parser.add_argument("--peak", type=float, default=55, help="pods that the evening keeps fully busy")
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--only", help="settings whose name holds this")
    parser.add_argument("--svg", type=pathlib.Path, help="draw the day")
    args = parser.parse_args()
    if args.measure:
        args.overhead, args.pixels_per_second = measure()
    requests = Requests(args)
    print(f"{len(requests.list):,} requests of {requests.mean:.1f} s on the average "
          f"({args.overhead:.3f} s + pixels / {args.pixels_per_second:,.0f} a second)\n")
    print("| settings | most pods | pod hours | busy | wait p50 | p95 | p99 | refused | changes |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    results = {}
    for settings in CHOICES:
        if args.only and args.only not in settings.name:
            continue
        r = results[settings.name] = simulate(settings, requests, args.hours)
        print(f"| {settings.name} | {r['most']} | {r['hours']:.0f} | {r['busy']:.0%} | {r['p50']:.1f} s | "
              f"{r['p95']:.1f} s | {r['p99']:.1f} s | {r['refused']:.3%} | {r['changes']} |", flush=True)
    if args.svg:
        args.svg.write_text(svg(results["chosen"], results[CHOICES[0].name], args.peak))


if __name__ == "__main__":
    main()
