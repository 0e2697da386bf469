"""What an engineer asks of the gate, over fakes: in maintenance only, through the workers only, and no picture of anybody."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections import deque

import cv2
import numpy as np
import pytest

from gate_controller.core import events as e
from gate_controller.core.policy import CrossingPolicy
from gate_controller.core.values import UNKNOWN_INPUTS, Device, Direction, DoorPosition, LaneInputs, Occupancy, Region, TriState
from gate_controller.ports.devices import FingerprintOutcome, Frame
from gate_controller.ports.errors import DeviceTimeoutError, RefusedByStateError
from gate_controller.runtime import acts
from gate_controller.runtime.desk import Stores
from gate_controller.runtime.device_tests import CALLS, PRINTS, board_test, camera_test, face_look, fingerprint_test, looks_damaged, qr_look
from gate_controller.runtime.devices import Devices
from gate_controller.runtime.gate import Gate, _Letter

EMPTY = LaneInputs(DoorPosition.CLOSED, DoorPosition.CLOSED, TriState.INACTIVE, TriState.INACTIVE, TriState.INACTIVE, TriState.INACTIVE, Occupancy.ZERO)
PATIENCE_S = 30.0


class NoDisplay:
    def show(self, prompt) -> None:
        pass


class NoCodes:
    def decode(self, image, *, quick=False) -> list[str]:
        return ["HK1:SECRET"]


def result_of(turns):
    while True:
        try:
            next(turns)
        except StopIteration as end:
            return end.value


@pytest.fixture
def board(make_board):
    return make_board(EMPTY)


@pytest.fixture
def gate(around, camera, matcher, reader, board, stores, trust, sink, clock, monkeypatch):
    for pause in ("face_worker.IDLE_INTERVAL_S", "qr_worker.READY_INTERVAL_S", "qr_worker.BUSY_INTERVAL_S"):
        monkeypatch.setattr(f"gate_controller.runtime.{pause}", 0.0)
    camera.advances = 1 / 15
    camera.describe = lambda: {"size": "640x480"}
    devices = Devices(camera, NoCodes(), camera, matcher, reader, board)
    made = Gate(CrossingPolicy(Region.MO, Direction.HK_TO_MO), around.options, devices, Stores(stores, stores, stores, stores, trust), NoDisplay(), sink, clock)
    made._decide(_Letter(e.Started()))
    step(made)
    clock.now += 0.5  # the counter must hold still for a moment
    step(made)
    assert made._status["state"] == "ready"
    yield made
    made.close()


def step(gate) -> None:
    """One step and one turn of every worker, then all that waits for the decision loop."""
    for worker in gate._workers:
        if not worker._is_open:
            worker._is_open = True
            worker.opened()
        worker.step()
        worker.errands.turn()
    gate._desk._recover()
    while not gate._desk._commands.empty():
        gate._desk._turn()
    while not gate._inbox.empty():
        gate._turn(gate._inbox.get())
    gate._turn(_Letter(e.TimerExpired()))


def asked(gate, ask):
    """What `ask` gives or raises, while the workers go on."""
    outcome = []

    def run():
        try:
            outcome.append(ask())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what was answered
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    limit = 3000
    while thread.is_alive() and limit:
        step(gate)
        thread.join(0.01)
        limit -= 1
    assert outcome, "no answer"
    step(gate)
    return outcome[0]


@pytest.fixture
def engineer(gate, monkeypatch):
    monkeypatch.setattr(acts, "ANSWER_WITHIN_S", PATIENCE_S)
    assert asked(gate, lambda: gate.maintenance(True, "n-7", 1000)) is None
    assert gate._status["state"] == "maintenance"
    return gate


# -- maintenance -------------------------------------------------------------------------------------------------------


def test_maintenance_is_taken_and_given_back_by_somebody(engineer, stores):
    assert stores.fields["maintenance_on"] == {"identity": "n-7 (uid 1000)"}
    assert asked(engineer, lambda: engineer.maintenance(False, "n-7", 1000)) is None
    assert engineer._status["state"] != "maintenance"
    with pytest.raises(ValueError, match="identity"):
        engineer.maintenance(True, "  ")


def test_maintenance_is_refused_while_somebody_is_inside(gate, board, clock):
    board.inputs = dataclasses.replace(EMPTY, occupancy=Occupancy.ONE)
    step(gate)
    clock.now += 0.5  # the counter must hold still for a moment
    step(gate)
    refused = asked(gate, lambda: gate.maintenance(True, "n-7"))
    assert isinstance(refused, RefusedByStateError)
    assert "nobody is inside" in refused.remedy


@pytest.mark.parametrize("device", ["fingerprint", "face", "qr", "io"])
def test_no_device_is_tested_while_the_lane_works(gate, device):
    with pytest.raises(RefusedByStateError, match="not in maintenance"):
        gate.test_device(device)


# -- tests of the devices ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["fingerprint", "face", "qr", "io"])
def test_every_device_is_tested_by_its_worker_and_moves_no_door(engineer, board, device):
    step(engineer)  # what the change of state ordered
    step(engineer)
    board.log.clear()
    found = asked(engineer, lambda: engineer.test_device(device))
    assert found["device"] == device
    assert found["result"] in {"pass", "warn"}
    assert "SECRET" not in json.dumps(found)
    assert {entry[0] for entry in board.log} <= {"read", "lamp", "call", "look"}


def test_a_device_that_does_not_answer_is_a_result(engineer, reader):
    def silent(deadline):
        raise DeviceTimeoutError("fingerprint: no answer", "look at the cable")

    reader.finger_present = silent
    worker = engineer._workers[1]
    caught = []
    original = worker.errands.turn

    def turn():
        try:
            original()
        except DeviceTimeoutError as error:
            caught.append(error)

    worker.errands.turn = turn
    worker.step = lambda: None
    found = asked(engineer, lambda: engineer.test_device("fingerprint"))
    assert (found["result"], found["values"]) == ("fail", {"code": "timeout"})
    assert found["findings"] == ["fingerprint: no answer: look at the cable"]
    assert len(caught) == 1  # and its worker takes the device for lost, as ever


class Slideshow:
    """Frames of an image, so many a second of the clock."""

    def __init__(self, clock, image, fps=15.0):
        self.clock, self.image, self.fps, self.sequence = clock, image, fps, 0

    def frame(self, newer_than, deadline):
        self.sequence += 1
        self.clock.now += 1 / self.fps
        return Frame(self.image, self.clock.now, self.sequence)


def sharp():
    return np.random.default_rng(1).integers(0, 255, (120, 160, 3), np.uint8)


@pytest.mark.parametrize(
    ("image", "fps", "finding"),
    [
        (sharp(), 15.0, None),
        (sharp(), 3.0, "frames a second"),
        (np.zeros((120, 160, 3), np.uint8), 15.0, "light"),
        (np.full((120, 160, 3), 128, np.uint8), 15.0, "lens"),
    ],
)
def test_a_camera_is_judged_by_rate_light_and_sharpness(clock, matcher, image, fps, finding):
    found = result_of(camera_test(Slideshow(clock, image, fps), clock, face_look(matcher)))
    assert found["result"] == ("warn" if finding else "pass")
    assert finding is None or any(finding in line for line in found["findings"])
    assert found["values"]["fps"] == pytest.approx(fps, abs=0.1)
    json.dumps(found)


def test_codes_are_counted_and_not_told(clock):
    found = result_of(camera_test(Slideshow(clock, sharp()), clock, qr_look(NoCodes())))
    assert found["values"]["codes"] == 1
    assert "SECRET" not in repr(found)


def test_a_finger_that_never_leaves_is_a_finding(clock, reader):
    reader.finger_present, reader.print = lambda _deadline: True, FingerprintOutcome.TOO_FEW_FEATURES
    found = result_of(fingerprint_test(reader, clock, lambda: clock.now + 3))
    assert found["result"] == "warn"
    assert "clean the sensor" in found["findings"][0]
    assert reader.reference is None


def test_a_reader_that_takes_no_templates_fails_its_test(clock, reader):
    reader.takes_none = True
    found = result_of(fingerprint_test(reader, clock, lambda: clock.now + 3))
    assert (found["result"], found["values"]["takes_templates"]) == ("fail", "no")
    assert "takes no template" in found["findings"][0]


@pytest.mark.parametrize("outcome", [None, *PRINTS])
def test_a_finger_that_lies_there_is_read(clock, reader, outcome):
    looks = iter([True, False, True, False, True])
    reader.finger_present = lambda _deadline: next(looks)
    reader.print = outcome
    found = result_of(fingerprint_test(reader, clock, lambda: clock.now + 3))
    assert found["values"]["print"] == ("usable" if outcome is None else outcome.value)
    assert found["result"] == ("pass" if outcome is None else "warn")
    assert found["values"]["takes_templates"] == "yes"


def drawn(cut=None, fault=None):
    """A picture as a camera sends it, whole or cut off or with wrong bytes, decoded as a decoder does that says nothing."""
    noise = np.random.default_rng(3).normal(0, 3, (240, 320, 3))
    picture = np.clip(cv2.GaussianBlur(noise * 20 + np.linspace(60, 190, 240)[:, None, None], (0, 0), 4) + noise, 0, 255).astype(np.uint8)
    picture[90:150, 100:220] = np.clip(picture[90:150, 100:220].astype(int) + 60, 0, 255)  # edges of the scene's own
    if cut is not None:
        picture[cut:] = 128
    if fault is not None:
        picture[fault:] = np.clip(picture[fault:].astype(int) - 40, 0, 255)
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])[1], cv2.IMREAD_COLOR))


@pytest.mark.parametrize(("first", "second", "damaged"), [({}, {}, False), ({}, {"cut": 200}, True), ({}, {"fault": 64}, True), ({"cut": 200}, {}, True)])
def test_a_picture_that_breaks_off_between_two_blocks_looks_damaged(first, second, damaged):
    assert looks_damaged(drawn(**second), drawn(**first), drawn(**first)) is damaged


def test_what_moves_and_what_is_dark_or_of_another_size_does_not_look_damaged():
    whole = drawn()
    for moved in range(1, 24):
        assert not looks_damaged(np.roll(whole, moved, axis=0)[24:], whole[24:], np.roll(whole, 2 * moved, axis=0)[24:])
    dark = np.zeros_like(whole)
    assert not looks_damaged(dark, dark, dark)
    assert not looks_damaged(whole, whole[:120], whole)
    assert not looks_damaged(whole, whole, whole[:120])


@pytest.mark.parametrize("row", range(60, 76))
def test_an_edge_that_comes_into_the_picture_or_leaves_it_is_no_damage(row):
    empty = drawn()
    held_up = empty.copy()
    held_up[row : row + 100, 40:280] = 230
    assert not looks_damaged(held_up, empty, held_up)
    assert not looks_damaged(empty, held_up, empty)
    assert not looks_damaged(held_up, held_up, empty)


def test_damaged_pictures_are_counted(clock, matcher):
    whole, cut = drawn(), drawn(cut=200)
    show = Slideshow(clock, whole)
    plain = show.frame
    show.frame = lambda newer, deadline: dataclasses.replace(plain(newer, deadline), image=cut if show.sequence % 3 == 0 else whole)
    found = result_of(camera_test(show, clock, face_look(matcher)))
    assert found["values"]["damaged"] >= 2
    assert any("look damaged" in line for line in found["findings"])


def test_the_boards_test_waits_for_readings_and_names_what_is_unknown():
    readings = deque([9.9])
    turns = board_test(readings, lambda: dataclasses.replace(EMPTY, emergency=TriState.UNKNOWN, tamper=TriState.ACTIVE))
    next(turns)
    for _ in range(CALLS - 1):
        readings.append(0.025)
        next(turns)
    readings.append(0.2)
    with pytest.raises(StopIteration) as end:
        next(turns)
    found = end.value.value
    assert found["result"] == "fail"
    assert [line.split(" ")[0] for line in found["findings"]] == ["emergency", "tamper", "an"]
    assert found["values"]["slowest_s"] == 0.2


def test_a_board_that_was_never_read_is_unknown_all_over():
    turns = board_test(readings := deque(), lambda: UNKNOWN_INPUTS)
    next(turns)
    readings.extend([0.02] * CALLS)
    with pytest.raises(StopIteration) as end:
        next(turns)
    assert end.value.value["result"] == "fail"


# -- pictures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["qr", "face"])
def test_a_picture_is_of_an_empty_chamber(engineer, which):
    picture = asked(engineer, lambda: engineer.snapshot(which))
    assert picture.shape == (480, 640, 3)


@pytest.mark.parametrize("occupancy", [Occupancy.ONE, Occupancy.MANY, Occupancy.UNKNOWN])
def test_no_picture_is_taken_while_anybody_may_be_inside(engineer, board, occupancy):
    board.inputs = dataclasses.replace(EMPTY, occupancy=occupancy)
    step(engineer)
    with pytest.raises(RefusedByStateError, match="not known to be empty"):
        engineer.snapshot("face")


def test_somebody_who_comes_in_while_the_picture_is_taken_is_not_on_it(engineer, board, camera):
    taken = camera.frame

    def frame(newer_than, deadline):
        board.inputs = dataclasses.replace(EMPTY, occupancy=Occupancy.ONE)
        return taken(newer_than, deadline)

    camera.frame = frame
    assert isinstance(asked(engineer, lambda: engineer.snapshot("face")), RefusedByStateError)


def test_a_board_that_is_silent_gives_no_picture(engineer):
    engineer._turn(_Letter(e.InputsRead(UNKNOWN_INPUTS)))
    with pytest.raises(RefusedByStateError):
        engineer.snapshot("qr")


# -- diagnostics and calls ---------------------------------------------------------------------------------------------


def test_diagnostics_tell_of_every_device_input_and_queue(gate):
    found = gate.diagnostics()
    devices = {device["device"]: device for device in found["devices"]}
    assert devices.keys() == {device.value for device in Device}
    assert devices["face_camera"]["info"] == {"size": "640x480"}
    assert devices["io_board"]["state"] == "ready"
    assert found["inputs"]["emergency"] == "clear"
    assert (found["inputs"]["exit_door"], found["inputs"]["occupancy"]) == ("closed", "zero")
    assert found["queues"].keys() == {"inbox", "desk", "journal_backlog"}
    assert found["stores"]["journal"] == {"backlog": 0, "set_aside": 0}
    json.dumps(found)


def test_a_call_is_told_with_its_age_until_it_ends(gate, board, clock):
    assert gate.calls() == []
    board.inputs = dataclasses.replace(EMPTY, emergency=TriState.ACTIVE)
    step(gate)
    clock.now += 0.4
    (call,) = gate.calls()
    assert (call["reason"], call["since_s"], call["acknowledged"], call["state"]) == ("emergency", 0.4, None, "emergency")


def test_a_note_reaches_the_journal(gate, stores):
    thread = threading.Thread(target=gate._desk.run)
    thread.start()
    gate.note("control_act", {"act": "x", "uid": "7"})
    gate._desk.stop()
    thread.join(PATIENCE_S)
    assert stores.fields["control_act"] == {"act": "x", "uid": "7"}
