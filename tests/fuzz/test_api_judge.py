"""The judgement of the API's fuzzing: that it would find what it looks for."""

import json
from collections import Counter

from tests.fuzz.api import DOCUMENT, judge
from tests.fuzz.api_callers import ROLES, CallerKind, callers, groups_of_this_machine

OPERATOR = CallerKind("operator", frozenset({"read", "operator"}), None)


def test_a_failure_and_what_is_not_ones_own_are_found():
    document = json.loads(DOCUMENT.read_text())
    fine = Counter({("status", 200): 9, ("officer", 409): 3, ("maintenance", 403): 2, ("diagnostics", 400): 1, ("whoami", 200): 1})
    assert judge(OPERATOR, document, fine) == []
    wrong = Counter({("status", 503): 1, ("diagnostics", 200): 4})
    assert judge(OPERATOR, document, wrong) == [
        "operator: status answered 503 1 times",
        "operator: diagnostics answered 200 4 times, and needs one of ['engineer']",
    ]
    stranger = CallerKind("stranger", frozenset(), None)
    assert len(judge(stranger, document, Counter({("status", 200): 1, ("whoami", 200): 1}))) == 1


def test_each_role_has_a_group_of_this_machine_and_a_caller(monkeypatch):
    groups = groups_of_this_machine()
    assert len(groups) == len(set(groups.values())) == len(ROLES)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert [kind.name for kind in callers(groups)] == ["stranger", *ROLES, "own"]
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert [kind.name for kind in callers(groups)] == ["own"]
