"""What a crossing leaves behind is enough to derive its decision again: for ordinary crossings, and for any sequence of events at all."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate_controller.core import commands as c
from gate_controller.core import events as e
from gate_controller.core import situation
from gate_controller.core.machine import Controller
from gate_controller.core.policy import BiometricRule, CrossingPolicy, PadRule
from gate_controller.core.prompts import Prompt
from gate_controller.core.reasons import Reason
from gate_controller.core.values import (
    BIOMETRICS,
    CheckOutcome,
    Device,
    Direction,
    DoorPosition,
    EnrolmentFacts,
    LaneInputs,
    Modality,
    Occupancy,
    Outcome,
    PassFacts,
    Region,
    TriState,
)
from gate_controller.journal import rows
from gate_controller.runtime import trace as traces
from gate_controller.runtime.rederive import UnreadableTraceError, rederive
from gate_controller.runtime.trace import TraceRecorder
from gate_controller.runtime.trace_codec import decode, encode

POLICY = CrossingPolicy(Region.MO, Direction.HK_TO_MO)
PASS = PassFacts(b"pass id of sixte", b"reference of six", Region.HK, 1, 1_800_000_123, 1_799_990_123, 1_800_090_123)
ADULT = EnrolmentFacts(30, frozenset({Region.MO, Region.HK}), 1e6 / 3, suspended=False, fingers=1, face=True)
CALM = LaneInputs(DoorPosition.CLOSED, DoorPosition.CLOSED, TriState.INACTIVE, TriState.INACTIVE, TriState.INACTIVE, TriState.INACTIVE, Occupancy.ZERO)
TEXT = "ECH1:the text of a code"


class Recorded:
    """A controller with its recorder, in virtual time; keeps records and traces."""

    def __init__(self, policy=POLICY, now=1234.567):
        self.controller = Controller(policy)
        self.recorder = TraceRecorder(self.controller, policy)
        self.now = now
        self.inputs = CALM
        self.records = {}
        self.traces = {}

    def tell(self, event):
        self.recorder.before()
        commands = self.controller.handle(event, self.now)
        trace = self.recorder.after(event, self.now, commands)
        for command in commands:
            if isinstance(command, c.RecordCrossing):
                self.records[command.record.crossing_id] = command.record
        if trace is not None:
            # By way of the journal's own form.
            self.traces[trace.crossing_id] = rows.parse(rows.trace(trace.crossing_id, trace.as_json(), 1.0).body).fields["trace"]

    def see(self, **changes):
        self.inputs = replace(self.inputs, **changes)
        self.tell(e.InputsRead(self.inputs))

    def wait(self, seconds):
        until = self.now + seconds
        while (due := self.controller.next_deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self.tell(e.TimerExpired())
        self.now = until

    def start(self):
        self.tell(e.Started())
        for device in Device:
            self.tell(e.DeviceReady(device))
        self.see()
        self.wait(0.7)
        return self

    def admit(self, name="x"):
        for event in (e.PassRead(name, TEXT), e.PassVerified(name, PASS), e.EnrolmentFound(name, ADULT), e.AdmissionRecorded(name)):
            self.now += 0.0123
            self.tell(event)
        self.see(entry_door=DoorPosition.OPEN)
        self.see(entry_beam=TriState.ACTIVE)
        self.see(entry_beam=TriState.INACTIVE, occupancy=Occupancy.ONE)
        self.wait(0.4)
        self.see(entry_door=DoorPosition.CLOSED)
        return self

    def verify(self, name="x", outcome=CheckOutcome.SUCCESSFUL):
        for modality in Modality:
            self.now += 0.777
            self.tell(e.CheckEnded(name, modality, outcome, None if outcome is CheckOutcome.SUCCESSFUL else Reason.FACE_MISMATCH))
        return self

    def leave(self):
        self.see(exit_door=DoorPosition.OPEN)
        self.see(exit_beam=TriState.ACTIVE)
        self.see(exit_beam=TriState.INACTIVE, occupancy=Occupancy.ZERO)
        self.wait(0.4)
        self.see(exit_door=DoorPosition.CLOSED)
        self.wait(0.4)
        return self


def same(trace, record):
    found = rederive(trace)
    return all(step.same for step in found.steps) and found.record == record and found.same_program


@pytest.fixture
def crossed():
    return Recorded().start().admit().verify().leave()


def test_a_crossing_is_derived_again_to_the_last_command(crossed):
    assert crossed.records["x"].outcome is Outcome.COMPLETED
    found = rederive(crossed.traces["x"])
    assert found.record == crossed.records["x"]
    assert [step.same for step in found.steps] == [True] * len(crossed.traces["x"]["events"])
    assert found.steps[0].at_s == 0
    assert isinstance(found.steps[0].event, e.PassRead)


def test_an_officers_crossing_is_derived_again():
    lane = Recorded().start().admit().verify(outcome=CheckOutcome.FAILED)
    lane.now += 1.5
    lane.tell(e.OfficerAcknowledged("officer 7"))
    lane.tell(e.OfficerReleased("y", "officer 7", "looked at the papers"))
    lane.leave()
    assert lane.records["x"].outcome is Outcome.RELEASED_BY_OFFICER
    assert same(lane.traces["x"], lane.records["x"])


@pytest.mark.parametrize(
    ("pad_rule", "outcome", "reason", "ended"),
    [
        (PadRule.REQUIRED, CheckOutcome.FAILED, Reason.PAD_ALARM, Outcome.RELEASED_BY_OFFICER),
        (PadRule.REQUIRED, CheckOutcome.NOT_SUPPORTED, Reason.PAD_NOT_PERFORMED, Outcome.RELEASED_BY_OFFICER),
        (PadRule.SIGNALLED, CheckOutcome.NOT_SUPPORTED, Reason.PAD_NOT_PERFORMED, Outcome.COMPLETED),
    ],
)
def test_a_judgement_and_its_omission_are_derived_again(pad_rule, outcome, reason, ended):
    lane = Recorded(replace(POLICY, pad_rule=pad_rule)).start().admit()
    for modality in BIOMETRICS:
        lane.tell(e.CheckEnded("x", modality, CheckOutcome.SUCCESSFUL))
    lane.now += 0.7
    lane.tell(e.CheckEnded("x", Modality.PAD, outcome, reason))
    if ended is Outcome.RELEASED_BY_OFFICER:
        lane.tell(e.OfficerReleased("y", "officer 7", "looked at the papers"))
    lane.leave()
    assert (lane.records["x"].outcome, lane.records["x"].checks[Modality.PAD]) == (ended, outcome)
    assert same(lane.traces["x"], lane.records["x"])


def test_what_names_a_person_or_a_document_is_not_in_a_trace(crossed):
    text = json.dumps(crossed.traces["x"])
    for secret in (TEXT, PASS.pass_id.hex(), PASS.enrolment_reference.hex(), "1800000123", "1799990123", "1800090123"):
        assert secret not in text


def test_no_trace_tells_when_somebody_registered_or_how_old_they_are():
    """The seconds since a registration, with the time of the row, would be one number that all crossings of a person share."""

    def found(facts):
        lane = Recorded().start()
        lane.tell(e.PassRead("x", TEXT))
        lane.tell(e.PassVerified("x", PASS))
        lane.tell(e.EnrolmentFound("x", facts))
        lane.tell(e.StopRequested(now=True))
        (event,) = [event for _, event, _ in lane.traces["x"]["events"] if "EnrolmentFound" in event]
        assert same(lane.traces["x"], lane.records["x"])
        return json.dumps(event)

    for one, other in (({}, {"registered_for_s": 98_765_432.1, "age_years": 64}), ({"registered_for_s": 1.0}, {"registered_for_s": 9999.5})):
        assert found(replace(ADULT, **one)) == found(replace(ADULT, **other))


@pytest.mark.parametrize(("age_years", "registered_for_s"), [(10, 1e6), (11, 1e6), (17, 1e6), (18, 1e6), (30, 10_799.9), (30, 10_800.0), (30, 0.0)])
@pytest.mark.parametrize("degraded", [False, True])
def test_what_is_left_of_the_facts_decides_the_same(age_years, registered_for_s, degraded):
    lane = Recorded().start()
    lane.tell(e.PassRead("x", TEXT))
    lane.tell(e.PassVerified("x", replace(PASS, degraded=degraded)))
    lane.tell(e.EnrolmentFound("x", replace(ADULT, age_years=age_years, registered_for_s=registered_for_s)))
    lane.tell(e.StopRequested(now=True))
    assert same(lane.traces["x"], lane.records["x"])


def test_a_trace_is_small(crossed):
    assert len(json.dumps(crossed.traces["x"])) < 8000


def test_a_trace_that_is_too_long_says_so(monkeypatch):
    monkeypatch.setattr(traces, "MOST_EVENTS", 10)
    lane = Recorded().start().admit().verify().leave()
    assert len(lane.traces["x"]["events"]) == 10
    with pytest.raises(UnreadableTraceError, match="it was cut"):
        rederive(lane.traces["x"])


def test_a_bug_in_the_recorder_costs_the_trace_and_nothing_else(monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(traces, "reduced_event", broken)
    lane = Recorded().start().admit().verify().leave()
    assert lane.records["x"].outcome is Outcome.COMPLETED
    assert lane.traces == {}
    monkeypatch.undo()
    monkeypatch.setattr(situation, "take", broken)
    assert Recorded().start().admit().verify().leave().traces == {}


# -- tampering: whatever is changed, the derivation says where -----------------------------------------------------------


def places(value, path=()):
    """Every leaf of a JSON object, by its path."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from places(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from places(each, (*path, index))
    else:
        yield path, value


def changed(trace, path, value):
    copy = deepcopy(trace)
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copy


def found_out(trace, record):
    try:
        return not same(trace, record)
    except UnreadableTraceError:
        return True


def test_changed_events_are_found(crossed):
    trace, record = crossed.traces["x"], crossed.records["x"]
    assert not found_out(trace, record)
    for index in range(len(trace["events"])):
        left_out = deepcopy(trace)
        del left_out["events"][index]
        assert found_out(left_out, record), f"event {index} left out"
        assert found_out(changed(trace, ("events", index, 2), "00000000"), record)
    mismatch = deepcopy(trace)
    (ended,) = [index for index, (_, event, _) in enumerate(trace["events"]) if event.get("CheckEnded", {}).get("modality") == {"Modality": "FACE"}]
    mismatch["events"][ended][1]["CheckEnded"] |= {"outcome": {"CheckOutcome": "FAILED"}, "reason": {"Reason": "FACE_MISMATCH"}}
    steps = rederive(mismatch).steps
    assert (len(steps), steps[-1].same) == (ended + 1, False), "the first difference is the last step shown"


def test_a_changed_policy_is_found(crossed):
    trace = crossed.traces["x"]
    for path, value in places(trace["policy"], ("policy",)):
        if isinstance(value, int | str):
            assert found_out(changed(trace, path, 7 if isinstance(value, int) else "0.7"), crossed.records["x"]), path


def test_a_record_that_says_another_thing_is_found(crossed):
    assert not same(crossed.traces["x"], replace(crossed.records["x"], outcome=Outcome.RETURNED))


@pytest.mark.parametrize(
    "broken",
    [
        lambda trace: trace.pop("situation"),
        lambda trace: trace.pop("events"),
        lambda trace: trace["situation"].pop("latched"),
        lambda trace: trace["situation"].update(another=1),
        lambda trace: trace["situation"].update(inputs={"LaneInputs": {"door": 1}}),
        lambda trace: trace["situation"].update(inputs={"Popen": {"args": "true"}}),
        lambda trace: trace.update(format=2),
        lambda trace: trace.update(policy=None),
        lambda trace: trace["events"].append(["1.0", {"State": "READY"}, "00000000"]),
        lambda trace: trace["events"].append(["nan", {"TimerExpired": {}}, "00000000"]),
        lambda trace: trace["events"].append(7),
        lambda trace: trace["events"].append([10**400, {"TimerExpired": {}}, "00000000"]),
        lambda trace: trace["events"].append(["1.0", {"PassRead": {"who": 1}}, "00000000"]),
    ],
)
def test_what_is_no_trace_is_refused_in_one_line(crossed, broken):
    trace = deepcopy(crossed.traces["x"])
    broken(trace)
    with pytest.raises(UnreadableTraceError) as caught:
        rederive(trace)
    assert "\n" not in str(caught.value)


@given(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(list(Prompt)),
        st.just(ADULT),
        st.just(PASS),
    )
)
def test_values_survive_the_codec(value):
    for each in (value, (value,), [value, value], {"a": value}, {value: value}, {value}, frozenset({value})):
        back = decode(json.loads(json.dumps(encode(each))))
        assert (back, type(back)) == (each, type(each))


# -- any sequence of events ------------------------------------------------------------------------------------------------

some = st.sampled_from
names = some(["x1", "x2", "x3"])
checks = st.builds(e.CheckEnded, names, some(Modality), some([CheckOutcome.SUCCESSFUL] * 3 + list(CheckOutcome)), some([Reason.FACE_MISMATCH]))
arbitrary_inputs = st.builds(
    LaneInputs,
    some([DoorPosition.CLOSED] * 3 + list(DoorPosition)),
    some([DoorPosition.CLOSED] * 3 + list(DoorPosition)),
    some([TriState.INACTIVE] * 3 + list(TriState)),
    some([TriState.INACTIVE] * 3 + list(TriState)),
    some([TriState.INACTIVE] * 9 + list(TriState)),
    some([TriState.INACTIVE] * 9 + list(TriState)),
    some(Occupancy),
)
events = st.one_of(
    st.builds(e.InputsRead, arbitrary_inputs),
    st.builds(e.DeviceLost, some(Device), st.just("timeout")),
    st.builds(e.DeviceReady, some(Device)),
    st.builds(e.PassRead, names, st.just(TEXT)),
    st.builds(e.PassVerified, names, st.just(PASS)),
    st.builds(e.PassRefused, names, some([Reason.PASS_EXPIRED])),
    st.builds(e.EnrolmentFound, names, some([ADULT, replace(ADULT, age_years=9)])),
    st.builds(e.EnrolmentNotFound, names),
    st.builds(e.AdmissionRecorded, names),
    checks,
    st.builds(e.CheckProgressed, names, some(Modality), some([Prompt.WAIT_INSIDE])),
    st.builds(e.OfficerAcknowledged, st.just("o")),
    st.builds(e.OfficerReturned, names, st.just("o"), st.just("r")),
    st.builds(e.OfficerReleased, names, st.just("o"), st.just("r")),
    st.builds(e.Rearmed, st.just("o")),
    st.builds(e.MaintenanceSwitched, st.booleans(), st.just("o")),
    st.builds(e.StopRequested, some([False, False, True])),
)
scripts = st.lists(st.one_of(events, events, st.floats(0.01, 70.0), some(["admit", "admit", "verify", "leave", "calm"])), max_size=25)
policies = some([POLICY, replace(POLICY, biometric_rule=BiometricRule.EITHER), replace(POLICY, emergency_opens_exit=True, stable_s=0.1)])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(policies, scripts, st.floats(0, 1e9))
def test_whatever_happened_is_derived_again(policy, script, now):
    lane = Recorded(policy, now).start()
    for number, step in enumerate(script):
        match step:
            case float():
                lane.wait(step)
            case "admit":
                lane.admit(f"y{number}")
            case "verify":
                lane.verify(lane.controller.crossing_id or "none")
            case "leave":
                lane.leave()
            case "calm":
                lane.inputs = CALM
                lane.start()
            case _:
                lane.tell(step)
                lane.inputs = lane.controller.inputs
    lane.tell(e.StopRequested(now=True))
    assert lane.traces.keys() == lane.records.keys()
    for name, trace in lane.traces.items():
        assert same(trace, lane.records[name]), name
