"""The simulated autoscaler is Kubernetes' own, and the chart's defaults are what was chosen with it."""

import argparse
import sys

import pytest
import yaml

from processes import ROOT
from settings import default_of, seconds

sys.path.insert(0, str(ROOT / "bench" / "autoscaling"))
import simulate  # noqa: E402


def pods(*readings):
    """Ready pods with these readings; None: one that has none yet."""
    made = [simulate.Pod(0) for _ in readings]
    for pod, reading in zip(made, readings):
        pod.scraped = reading
    return made


@pytest.mark.parametrize("readings,wanted", [
    ((20, 20), 4),  # ceil(current * value / target)
    ((10.9, 10.9, 10.9), 3),  # within the tolerance of 10 %
    ((11.2, 11.2, 11.2), 4),
    ((5, 5, 5, 5), 2),
    ((30, None, None), 3),  # those without a reading count as idle on the way up: (30 + 0 + 0) / 3 is the target
    ((60, None, None), 6),
    ((4, 4, None), 2),  # and as at their target on the way down
])
def test_replicas_of_readings(readings, wanted):
    scaler = simulate.Autoscaler(simulate.Settings("t"))
    assert scaler.desired(0, pods(*readings)) == wanted


def test_up_is_limited_to_twice_or_four_more():
    scaler = simulate.Autoscaler(simulate.Settings("t"))
    assert scaler.step(0, pods(60, 60)) == 6
    assert scaler.step(15, pods(*[60] * 6)) == 12


def test_down_waits_for_the_window_and_goes_slowly():
    scaler = simulate.Autoscaler(simulate.Settings("t", down_window=60, down_percent=10, down_period=60))
    counts = [scaler.step(0, pods(*[10] * 20))]
    for now in range(15, 150, 15):
        counts.append(scaler.step(now, pods(*[0] * counts[-1])))
    assert counts[:4] == [20] * 4 and counts[4:8] == [18] * 4 and counts[8] == 16


def test_the_charts_defaults_are_what_was_chosen():
    values = yaml.safe_load((ROOT / "helm/hiif/values.yaml").read_text())["autoscaling"]
    chosen = simulate.CHOSEN
    assert values["targetDrainSeconds"] == chosen.target
    assert values["scaleUpStabilizationSeconds"] == chosen.up_window
    assert values["scaleDownStabilizationSeconds"] == chosen.down_window
    assert values["scaleDownPercentPerMinute"] == chosen.down_percent and chosen.down_period == 60


def test_the_server_admits_as_in_the_simulation():
    assert simulate.MAX_QUEUE == seconds(default_of("max_queue_time"))


def test_a_morning():
    """Chosen against Kubernetes' default behaviour, over the hours until after the burst at noon."""
    args = argparse.Namespace(overhead=0.2, pixels_per_second=40e3, median_pixels=250e3, peak=55, hours=13)
    requests = simulate.Requests(args)
    default, chosen = (simulate.simulate(s, requests, 13) for s in simulate.CHOICES[:2])
    assert chosen["refused"] < 0.001
    assert chosen["changes"] < 0.7 * default["changes"]
    assert chosen["p95"] < 1.05 * default["p95"] and chosen["hours"] < 1.1 * default["hours"]
