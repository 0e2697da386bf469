"""The bench of the pass runs with and without the peers' environment, and writes its figures; how fast is not asked."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).parents[2]
BENCH = Path(__file__).with_name("bench_pass.py")
PEERS = TOP / ".venv-peers" / "bin" / "python"


def run(tmp_path: Path, *options: str) -> tuple[str, dict[str, Any]]:
    figures = tmp_path / "pass.json"
    ended = subprocess.run(
        [sys.executable, str(BENCH), "--rounds", "20", "--json", str(figures), *options], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout, json.loads(figures.read_text())


def test_without_the_peers_one_line_says_so(tmp_path: Path) -> None:
    shown, figures = run(tmp_path, "--peers", str(tmp_path / "bin" / "python"))
    assert shown.splitlines()[-1] == figures["peers"]
    assert figures["peers"].startswith("the peers are not compared: ")
    assert "raw libsodium, both signatures" in figures["decisions"]
    assert not any("cwt" in name for name in figures["decisions"])
    gate = {name: outcome["gate"] for name, outcome in figures["malformed"].items()}
    assert [name for name, outcome in gate.items() if outcome == "accepted"] == ["as it should be"]
    shares = [row["share_percent"] for name, row in figures["steps"].items() if not name.startswith("(")]
    assert sum(shares) == pytest.approx(100, abs=1)


@pytest.mark.skipif(not PEERS.exists(), reason="no .venv-peers; make bench makes it")
def test_with_the_peers(tmp_path: Path) -> None:
    shown, figures = run(tmp_path)
    assert figures["peers"] == {"python-cwt": "3.3.0", "pycose": "1.1.0", "claim169": "0.3.0"}
    accepted = {name: {peer for peer, outcome in outcomes.items() if outcome == "accepted"} for name, outcomes in figures["malformed"].items()}
    assert accepted["as it should be"] == {"gate", "python-cwt", "pycose", "claim169"}
    # What each is known to accept; docs/attacks.md has the same from the gate's side.
    assert accepted["alg ES256"] == {"python-cwt"}
    assert accepted["alg as text"] == {"python-cwt", "pycose"}
    assert accepted["exp an hour ago"] == {"pycose"}
    assert accepted["no COSE tag"] == {"claim169"}
    assert "python-cwt, from QR text, two signatures" in shown


def test_a_damaged_environment_is_one_line_too() -> None:
    """This interpreter has none of the peers."""
    specification = importlib.util.spec_from_file_location("peers_client", BENCH.parent / "peers" / "client.py")
    assert specification is not None
    assert specification.loader is not None
    client = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(client)
    with pytest.raises(client.NoPeersError, match=r"^the peers are not compared: their process ended \(ModuleNotFoundError: [^\n]*$"):
        client.Peers({}, Path(sys.executable))
