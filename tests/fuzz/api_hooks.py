"""A check that schemathesis makes of every answer (run by its own interpreter, which has nothing of this project): nobody gets what is not theirs.

GATE_ROLES names the caller's roles; what a call needs stands in the document, in "x-roles" of its operation.
"""

import os

import schemathesis

OWN = set(os.environ["GATE_ROLES"].split())


@schemathesis.check
def own_roles_only(_ctx, response, case):
    """A caller without one of the operation's roles is never answered with a success."""
    needed = set(case.operation.definition.raw.get("x-roles", ()))
    if needed and not needed & OWN and response.status_code < 300:
        msg = f"answered {response.status_code} to a caller with {sorted(OWN)}; the operation needs one of {sorted(needed)}"
        raise AssertionError(msg)
