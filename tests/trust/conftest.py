"""A gate's trust on disk, the keepers and regions who publish for it, and the two clocks of the story."""

from __future__ import annotations

import copy
import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest
from securesystemslib.signer import Signer
from tuf.api.metadata import TargetFile

from gate_controller.core.values import Region
from gate_controller.ports.errors import GateError
from gate_controller.ports.trust import Freshness
from gate_controller.trust.cache import TrustCache
from gate_controller.trust.floor import Floor
from gate_controller.trust.freshness import FreshnessBudget
from gate_controller.trust.importing import ImportReport, import_trust
from gate_controller.trust.sources import MemorySource, Source
from gate_controller.trust.store import TrustStore
from simulators.authority import Authorities
from simulators.repository import TrustRepository

NOW = 1_800_000_000
LIST_SIZE = 1024


class Keepers(TrustRepository):
    """A repository that publishes into memory, with every private key in hand: a test breaks a rule by a genuine signature.

    Attributes:
        files: Everything that was ever published, by its name on a stick.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        super().__init__(Path("/nowhere"), Authorities("trust"), NOW)
        for state in self.regions.values():
            state.status_size = LIST_SIZE  # quick to make

    def _put(self, name: str, content: bytes) -> None:
        self.files[name] = content

    def copy(self) -> Self:
        """Whatever either of them does from now on, the other knows nothing of it."""
        twin = copy.copy(self)
        twin.regions = {
            region: replace(state, keys=list(state.keys), statuses={uri: dict(listed) for uri, listed in state.statuses.items()}, extra=dict(state.extra))
            for region, state in self.regions.items()
        }
        for name in ("files", "metadata", "generations", "lifetimes_s"):
            setattr(twin, name, dict(getattr(self, name)))
        twin.signers = {role: list(signers) for role, signers in self.signers.items()}
        return twin

    def current(self) -> dict[str, bytes]:
        """What a gate needs of it now."""
        return {name: self.files[name] for name in self.current_files()}


class Gate:
    """One gate.

    Attributes:
        real: The true time; keepers publish by it.
        now: What the gate's clock shows.
        counted: What its monotonic clock shows.
        keepers: Who publishes for it.
        store: The trust of the running gate; None: not started.
    """

    def __init__(self, path: Path, keepers: Keepers) -> None:
        self.path = path
        self.real: float = NOW
        self.now: float = NOW
        self.counted = 0.0
        self.keepers = keepers
        self.pinned = keepers.files["metadata/1.root.json"]
        self.budget = FreshnessBudget()
        self.cache = TrustCache(path / "cache")
        self.floor = Floor.open(path / "floor.sqlite")
        self.store: TrustStore | None = None
        self._taken = keepers.copy()

    def pass_time(self, seconds: float) -> None:
        """Both clocks move on, and show the same."""
        self.real += seconds
        self.counted += seconds
        self.now = self.real

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.counted

    def take(self, source: Source | Mapping[str, bytes] | None = None) -> ImportReport:
        """Import; by default everything that was ever published."""
        if source is None or isinstance(source, Mapping):
            source = MemorySource(self.keepers.files if source is None else source, "stick")
        report = import_trust(source, self.cache, self.pinned, self.floor, self.budget, self.now)
        self._taken = self.keepers.copy()
        return report

    def start(self, own_floor: Floor | None = None) -> TrustStore:
        """The running gate's trust."""
        return TrustStore(self.cache, self.pinned, self.floor, self.budget, self, own_floor)

    def stick(self) -> Path:
        """Everything that was ever published, on a stick."""
        stick = self.path / "stick"
        for name, content in self.keepers.files.items():
            (stick / name).parent.mkdir(parents=True, exist_ok=True)
            (stick / name).write_bytes(content)
        return stick

    def wipe_cache(self) -> None:
        shutil.rmtree(self.cache.path)

    # -- what an attacker does who has some of the keys ------------------------------------------------------------------

    @property
    def files(self) -> dict[str, bytes]:
        """Everything that was ever published."""
        return dict(self.keepers.files)

    def sign_anew(self, role: str, change: Callable[[Any], object] = lambda _: None, signers: Iterable[Signer] | None = None) -> dict[str, bytes]:
        """The role's next version, changed, signed for real (or by `signers`), and listed for real."""
        signed = copy.deepcopy(self.keepers.metadata[role].signed)
        signed.version += 1
        change(signed)
        self.keepers.write(role, signed, signers)
        if role in {"targets", "hk", "mo"}:
            self.keepers.publish(self.real, regions=())
        return self.files

    def list_target(self, role: str, name: str, content: bytes, custom: object = None, **other: Any) -> dict[str, bytes]:
        """A further target in a region's list, signed for real; `other` are attributes of the target."""
        target: TargetFile = TargetFile.from_data(name, content, ["sha256"])
        if custom is not None:
            target.unrecognized_fields["custom"] = custom
        for attribute, value in other.items():
            setattr(target, attribute, value)
        folder, _, base = name.rpartition("/")
        self.keepers.files[f"targets/{folder}/{target.hashes.get('sha256')}.{base}"] = content
        return self.sign_anew(role, lambda signed: signed.targets.update({name: target}))

    def list_key(self, role: str, content: bytes, custom: object = None) -> dict[str, bytes]:
        """A further pass key under the name that it should have."""
        name = f"{role}/{hashlib.sha256(content).hexdigest()[:16]}.cbor"
        return self.list_target(role, name, content, {"not_before": 0, "not_after": 1 << 33} if custom is None else custom)

    def refuses(self, stick: Source | Mapping[str, bytes], *says: str) -> None:
        """The import ends in one line that says this, and has a remedy; and nothing has moved."""
        if self.store is None:
            self.store = self.start()
        view, before, problem = self.store.current(), self._on_disk(), self.store.problem
        with pytest.raises(GateError) as caught:
            self.take(stick)
        for text in says:
            assert text in caught.value.what
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 500
        assert caught.value.remedy
        assert not self.store.refresh(self.now)
        assert (self.store.current(), self.store.problem) == (view, problem)
        assert self._on_disk() == before

    def takes_the_next_good_one(self) -> None:
        """The keepers sign everything anew after what this gate took last; what was signed in between was not theirs."""
        assert self.store is not None
        self.keepers = self._taken.copy()
        self.pass_time(60)
        for role in ("root", "targets"):
            self.keepers.renew(role, self.real)
        assert self.take(self.keepers.current()).changed
        assert self.store.refresh(self.now)
        assert self.store.problem is None
        view = self.store.current()
        assert view.versions == {role: metadata.signed.version for role, metadata in self.keepers.metadata.items()}
        assert {view.freshness(region, self.now).state for region in Region} == {Freshness.FRESH}

    def _on_disk(self) -> object:
        files = sorted(path.relative_to(self.cache.path) for path in self.cache.path.rglob("*") if path.is_file() and path.name != "lock")
        return self.cache.token(), files, self.floor.versions(), self.floor.latest_seen()


@pytest.fixture(scope="session")
def first_keepers() -> Keepers:
    return Keepers()


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory, first_keepers: Keepers) -> Path:
    """A gate with its first trust in place, to be copied."""
    path = tmp_path_factory.mktemp("gate")
    Floor.create(path / "floor.sqlite", NOW).close()
    gate = Gate(path, first_keepers)
    gate.take()
    gate.floor.close()
    return path


@pytest.fixture
def gate(installed: Path, first_keepers: Keepers, tmp_path: Path) -> Iterator[Gate]:
    """A gate that took its first trust at NOW."""
    shutil.copytree(installed, tmp_path / "gate")
    gate = Gate(tmp_path / "gate", first_keepers.copy())
    yield gate
    gate.floor.close()


@pytest.fixture(scope="session")
def bystander(installed: Path, first_keepers: Keepers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """One gate for all that is refused without any doing of the gate's own; after all of it, it takes the next good publication."""
    path = tmp_path_factory.mktemp("bystander") / "gate"
    shutil.copytree(installed, path)
    gate = Gate(path, first_keepers.copy())
    gate.store = gate.start()
    yield gate
    gate.takes_the_next_good_one()
    gate.floor.close()


@pytest.fixture
def story(bystander: Gate, tmp_path: Path) -> Gate:
    """The bystander, in a story of its own: clocks, keys and sticks are nobody else's."""
    story = copy.copy(bystander)
    story.keepers = bystander.keepers.copy()
    story.path = tmp_path
    return story


@pytest.fixture
def new_gate(first_keepers: Keepers, tmp_path: Path) -> Iterator[Gate]:
    """A gate with a pinned root and a floor, and nothing taken yet."""
    Floor.create(tmp_path / "floor.sqlite", NOW).close()
    gate = Gate(tmp_path, first_keepers.copy())
    yield gate
    gate.floor.close()
