"""The OpenAPI 3.1 document of the control API, made from the table of routes.

`python -m gate_controller.control.openapi` prints it: docs/openapi.json is its output, and a test holds the two together. Does not serve anything.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from gate_controller.control import schemas
from gate_controller.control.routes import JSON, ROUTES, Parameter, Route

API_VERSION = "1"
"""Of the API, not of the program: what is added keeps it, what breaks a client makes it 2 (and the paths /v2)."""
_ERROR = {"$ref": "#/components/schemas/Error"}


def document() -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Control API of the e-channel gate controller",
            "version": API_VERSION,
            "description": "HTTP on a unix socket. Who may do what follows from who connects (SO_PEERCRED) and the machine's groups: docs/control.md.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://localhost", "description": "the unix socket /run/gate-controller/control.sock"}],
        "paths": paths,
        "components": {"schemas": {"Error": schemas.ERROR}},
    }


def text() -> str:
    """The document as the file in docs/ has it."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _operation(route: Route) -> dict[str, Any]:
    roles = [role.value for role in sorted(route.roles, key=lambda role: role.value)]
    media: dict[str, Any] = {} if route.answer is None else {"schema": route.answer}
    made: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "description": " ".join(filter(None, (route.description, f"Roles: {', '.join(roles)}." if roles else "Anybody who can connect."))),
        "x-roles": roles,
        "responses": {"200": {"description": "Done", "content": {route.media: media}}, **_refusals(route)},
    }
    if route.parameters:
        made["parameters"] = [_parameter(parameter, route) for parameter in route.parameters]
    if route.body is not None:
        made["requestBody"] = {"required": True, "content": {JSON: {"schema": route.body}}}
    return made


def _refusals(route: Route) -> dict[str, Any]:
    found = {400: "the request makes no sense", 503: "the gate does not decide any more, or a device is lost"}
    if route.roles:
        found[403] = "none of the caller's roles allows it"
    if route.body is not None:
        found[413] = "the body is too large"
    if any(f"{{{parameter.name}}}" in route.path for parameter in route.parameters):
        found[404] = "there is no such device"
    found |= route.refusals
    return {str(status): {"description": why, "content": {JSON: {"schema": _ERROR}}} for status, why in sorted(found.items())}


def _parameter(parameter: Parameter, route: Route) -> dict[str, Any]:
    in_path = f"{{{parameter.name}}}" in route.path
    where = {"in": "path", "required": True} if in_path else {"in": "query", "required": False}
    return {"name": parameter.name, **where, "description": parameter.description, "schema": parameter.schema}


if __name__ == "__main__":
    sys.stdout.write(text())
