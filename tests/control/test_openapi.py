"""The OpenAPI document: the one checked in is the one served, and it tells of every call what the server does."""

import json
from pathlib import Path

from gate_controller.control import openapi
from gate_controller.control.routes import ROUTES

FILE = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_the_document_checked_in_is_the_one_served(serve):
    assert FILE.read_text() == openapi.text(), "python -m gate_controller.control.openapi > docs/openapi.json"
    status, served = serve().ask("GET", "/v1/openapi.json")
    assert (status, served) == (200, json.loads(FILE.read_text()))


def test_every_call_is_in_it_with_its_roles_and_refusals():
    paths = openapi.document()["paths"]
    for route in ROUTES:
        told = paths[route.path][route.method.lower()]
        assert told["x-roles"] == sorted(role.value for role in route.roles)
        assert ("403" in told["responses"]) is bool(route.roles)
        assert ("requestBody" in told) is (route.body is not None)
        assert ("409" in told["responses"]) is (409 in route.refusals)


def test_what_bodies_need_is_required():
    def body(name):
        route = next(route for route in ROUTES if route.name == name)
        return route.body

    assert body("officer")["required"] == ["action", "identity"]
    assert body("maintenance")["required"] == ["on", "identity", "reason"]
    assert body("test_device")["required"] == ["reason"]
    assert not any(body(name)["additionalProperties"] for name in ("officer", "maintenance", "test_device"))
