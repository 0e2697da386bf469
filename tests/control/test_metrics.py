"""What a scraper reads: parsed by the library's own parser, over the control socket."""

import http.client
import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gate_controller.control.about import version
from gate_controller.control.counting import PassCounter
from gate_controller.control.metrics import GateMetrics
from gate_controller.control.textfile import TextFile
from gate_controller.ports.errors import GateError


class Sink:
    def __init__(self):
        self.published = []

    def publish(self, kind, fields):
        self.published.append((kind, fields))


def record(outcome, reason, *, admitted=False, checks=None):
    return {"crossing_id": "c-4711", "outcome": outcome, "reason": reason, "admitted": admitted, "checks": checks or {}}


@pytest.fixture
def counter():
    return PassCounter(Sink())


def samples(text):
    return {(sample.name, *sample.labels.values()): sample.value for family in text_string_to_metric_families(text) for sample in family.samples}


def test_the_trust_is_told_with_its_countdown(gate):
    found = samples(GateMetrics(gate, None).text().decode())
    assert {key[2]: value for key, value in found.items() if key[:2] == ("gate_trust_state", "HK")} == {"fresh": 0, "stale": 1, "degraded": 0, "closed": 0}
    assert found["gate_trust_state", "MO", "closed"] == 1
    assert found["gate_trust_seconds_until_restricted", "HK"] == 3600
    assert found["gate_trust_seconds_until_closed", "MO"] == 0
    assert found["gate_trust_version", "hk"] == 7
    assert found[("gate_trust_reload_failures_total",)] == 2
    assert (found[("gate_trust_latest_seen_seconds",)], found[("gate_trust_clock_behind_seconds",)]) == (1_800_000_000, 7)


def test_the_version_is_a_label_of_a_one_also_in_the_file(gate, tmp_path):
    metrics = GateMetrics(gate, None)
    TextFile(tmp_path / "gate.prom", 15, metrics.text).write()
    for text in (metrics.text().decode(), (tmp_path / "gate.prom").read_text()):
        assert {key: value for key, value in samples(text).items() if key[0] == "gate_build_info"} == {("gate_build_info", version()): 1}


def test_the_age_of_the_enrolments_is_told(gate):
    status = gate.status()
    gate.status = lambda: {**status, "enrolments": {"HK": {"snapshot": 6, "delta": 1, "records": 5, "issued_at": 1_800_000_000}}}
    assert samples(GateMetrics(gate, None).text().decode())["gate_enrolment_issued_seconds", "HK"] == 1_800_000_000


def test_what_never_comes_is_infinitely_far(gate):
    status = gate.status()
    trust = {region: {**each, "closed_in_s": None} for region, each in status["trust"].items()}
    gate.status = lambda: {**status, "trust": trust}
    assert samples(GateMetrics(gate, None).text().decode())["gate_trust_seconds_until_closed", "HK"] == float("inf")


def test_passes_and_checks_are_counted_by_how_they_ended_and_every_event_goes_on(gate, counter):
    events = [
        ("crossing_recorded", record("refused", "pass_revoked")),
        ("crossing_recorded", record("refused", "pass_revoked")),
        ("crossing_recorded", record("completed", None, admitted=True, checks={"fingerprint": "successful", "face": "successful", "pad": "not_supported"})),
        ("crossing_recorded", record("completed", None, admitted=True, checks={"fingerprint": "successful", "face": "successful", "pad": "successful"})),
        ("crossing_recorded", record("returned", "tailgating", admitted=True)),
        ("crossing_recorded", record("released_by_officer", "officer_released")),
        ("prompt", {"prompt": "show_code"}),
    ]
    for kind, fields in events:
        counter.publish(kind, fields)
    assert counter._sink.published == events
    text = GateMetrics(gate, counter).text().decode()
    found = samples(text)
    assert {key[1]: value for key, value in found.items() if key[0] == "gate_passes_total"} == {"pass_revoked": 2, "accepted": 3}
    assert {key[1:]: value for key, value in found.items() if key[0] == "gate_checks_total"} == {
        ("fingerprint", "successful"): 2,
        ("face", "successful"): 2,
        ("pad", "successful"): 1,
        ("pad", "not_supported"): 1,
    }
    assert "4711" not in text


def test_the_lane_its_devices_and_the_call_are_told(gate, counter):
    whole = {
        "since_s": 4.5,
        "uptime_s": 99.0,
        "occupancy": "one",
        "doors": {"entry_door": "closed", "exit_door": "open"},
        "devices": {"io_board": {"state": "ready"}, "face_camera": {"state": "lost"}},
        "officer_call": {"reason": "face_mismatch", "escalation": 2, "acknowledged": False},
    }
    status = {**gate.status(), **whole}
    gate.status = lambda: status
    found = samples(GateMetrics(gate, counter).text().decode())
    assert found[("gate_up",)] == 1
    assert [key[1] for key, value in found.items() if key[0] == "gate_state" and value] == [status["state"]]
    assert (found[("gate_state_seconds",)], found[("gate_uptime_seconds",)]) == (4.5, 99)
    assert [key[1] for key, value in found.items() if key[0] == "gate_occupancy" and value] == ["one"]
    assert {key[1:] for key, value in found.items() if key[0] == "gate_door" and value} == {("entry_door", "closed"), ("exit_door", "open")}
    assert (found["gate_device_ready", "io_board"], found["gate_device_ready", "face_camera"]) == (1, 0)
    assert (found[("gate_officer_call_pending",)], found[("gate_officer_call_escalations",)]) == (1, 2)
    assert found[("gate_process_resident_memory_bytes",)] > 1e6


def test_losses_calls_and_durations_are_counted(gate, counter):
    lost = {"device": "face_camera", "state": "lost", "code": "timeout", "detail": "", "remedy": ""}
    counter.publish("device", lost)
    counter.publish("device", {**lost, "state": "ready"})
    counter.publish("officer_called", {"reason": "tailgating", "escalation": 0})
    counter.publish("officer_called", {"reason": "tailgating", "escalation": 1})
    for end_s in (7.0, 12.0, 500.0):
        steps = [["pass_read", 0.0], ["entered", 3.0], ["verified", 4.25], ["chamber_empty", end_s]]
        counter.publish("crossing_recorded", {**record("completed", None, admitted=True), "steps": steps})
    counter.publish("crossing_recorded", {**record("refused", "pass_expired"), "steps": [["pass_read", 0.0]]})
    found = samples(GateMetrics(gate, counter).text().decode())
    assert {key[1:]: value for key, value in found.items() if key[0] == "gate_device_losses_total"} == {("timeout", "face_camera"): 1}
    assert {key[1:]: value for key, value in found.items() if key[0] == "gate_officer_calls_total"} == {("tailgating",): 1}
    assert {key[1:]: value for key, value in found.items() if key[0] == "gate_crossings_total"} == {("completed",): 3, ("refused",): 1}
    took = {key[1]: value for key, value in found.items() if key[0] == "gate_crossing_seconds_bucket"}
    assert (took["5.0"], took["10.0"], took["15.0"], took["120.0"], took["+Inf"]) == (0, 1, 2, 2, 3)
    assert (found[("gate_crossing_seconds_count",)], found[("gate_crossing_seconds_sum",)]) == (3, 519)
    assert found[("gate_decision_seconds_sum",)] == 3.75


def test_a_gate_without_a_status_has_no_metrics(gate, counter):
    def silent():
        raise GateError("no decision", "restart")

    gate.status = silent
    with pytest.raises(GateError):
        GateMetrics(gate, counter).text()


def test_a_text_is_kept_for_a_while_but_for_no_gate_without_a_status(gate):
    now = [100.0]
    metrics = GateMetrics(gate, None, kept_s=0.5, clock=lambda: now[0])
    first = metrics.text()
    metrics.requested("status", 200)
    now[0] += 0.4
    assert metrics.text() is first
    now[0] += 0.1
    assert samples(metrics.text().decode())["gate_control_requests_total", "status", "200"] == 1
    gate.failing = True
    with pytest.raises(Exception, match="secret"):
        metrics.text()


def test_over_the_socket(serve, gate):
    served = serve()
    line = served.raw()
    line.sendall(b"GET /v1/metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    response = http.client.HTTPResponse(line)
    response.begin()
    assert (response.status, response.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    text = response.read().decode()
    line.close()
    names = {name for name, *_ in samples(text)}
    assert "gate_trust_state" in names
    assert not {name for name in names if not name.startswith("gate_")}, "nothing of the library, and nothing that clashes with node_exporter's own"
    families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert sorted(families) == sorted(set(families)), "a scraper refuses the whole when a name comes twice"
    gate.failing = True
    status, body = served.ask("GET", "/v1/metrics")
    assert (status, "secret" in json.dumps(body)) == (500, False)
