"""How accurate the gate's face verification is on photos of one's own: FTA, EER, FNMR at fixed FMRs, FMR by group at the configured threshold.

    python -m tests.bench.face_accuracy --images DIR --pairs FILE [--groups FILE] [--policy FILE | --threshold T] [--all-impostors]

DIR has LFW's layout (NAME/NAME_0001.jpg, .jpeg or .png). FILE has the format of LFW's pairs.txt: an optional head line (sets, pairs), then lines
`NAME N1 N2` for the same person and `NAME1 N1 NAME2 N2` for two people, separated by tabs or blanks. The groups file has lines `NAME GROUP`; a pair
belongs to a group when both people do. No photo is part of this project; the tool keeps none and prints no name but in an error.

Rates come with 95 % intervals: Wilson's, and where nothing was counted the rule of three (at most 3/n). A rate that the pairs are too few to measure
is not printed. Accuracy differs between groups of people: measure on your own population before trusting a threshold.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from drivers.face import DLIB, SFACE
from drivers.face.matcher import YunetMatcher
from gate_controller.ports.clock import SystemClock
from gate_controller.ports.drivers import DriverContext
from gate_controller.ports.errors import ConfigurationError, DeviceError, GateError

TOP = Path(__file__).parents[2]
FMRS = (1e-2, 1e-3, 1e-4)
SUFFIXES = (".jpg", ".jpeg", ".png")
Z95 = 1.959964
MIXED = "between groups"

Distances = NDArray[np.float32]
"""Distances of pairs, in their order."""


class DataError(GateError):
    """Photos, pairs or groups that cannot be used."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo: whose, and which."""

    name: str
    number: int


@dataclass(frozen=True, slots=True)
class Pair:
    """Two photos to be compared; genuine when they show the same person."""

    one: Photo
    other: Photo

    @property
    def genuine(self) -> bool:
        """Same person."""
        return self.one.name == self.other.name


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` of `total`, with the bounds of the 95 % interval."""

    count: int
    total: int

    @property
    def value(self) -> float:
        """The share; nan of nothing."""
        return self.count / self.total if self.total else math.nan

    @property
    def bounds(self) -> tuple[float, float]:
        """Wilson's interval; with none counted 0 to 3/n, with all counted 1 - 3/n to 1 (rule of three)."""
        n, share = self.total, self.value
        if not n:
            return 0.0, 1.0
        if self.count == 0:
            return 0.0, min(1.0, 3 / n)
        if self.count == n:
            return max(0.0, 1 - 3 / n), 1.0
        middle = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
        half = Z95 * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n * n)) / (1 + Z95**2 / n)
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        low, high = self.bounds
        return f"{percent(self.value)} ({percent(low)} to {percent(high)}; {self.count}/{self.total})" if self.total else "none"


def percent(share: float) -> str:
    """With enough digits for small rates."""
    return f"{share * 100:.3g} %"


def read_pairs(file: Path) -> list[Pair]:
    """The pairs of a file in LFW's format.

    Raises:
        DataError: It cannot be read, or a line is neither a head nor a pair.
    """
    pairs = []
    for number, words in _lines(file):
        match words:
            case [_] | [_, _] if number == 1 and all(word.isdecimal() for word in words):
                continue
            case [name, one, other] if one.isdecimal() and other.isdecimal():
                pair = Pair(Photo(name, int(one)), Photo(name, int(other)))
            case [name, one, second, other] if one.isdecimal() and other.isdecimal():
                pair = Pair(Photo(name, int(one)), Photo(second, int(other)))
            case _:
                msg = f"{file}:{number}: {len(words)} words are no pair"
                raise DataError(msg, "NAME N1 N2, or NAME1 N1 NAME2 N2")
        if pair.one == pair.other:
            msg = f"{file}:{number}: a photo compared with itself"
            raise DataError(msg, "remove the line: it would count as a match")
        pairs.append(pair)
    if not pairs:
        msg = f"{file}: no pairs"
        raise DataError(msg, "NAME N1 N2, or NAME1 N1 NAME2 N2, one a line")
    return pairs


def read_groups(file: Path) -> dict[str, str]:
    """Name -> group.

    Raises:
        DataError: It cannot be read, a line is not NAME GROUP, or a name is in two groups.
    """
    groups: dict[str, str] = {}
    for number, words in _lines(file):
        if len(words) < 2:
            msg = f"{file}:{number}: not NAME GROUP"
            raise DataError(msg, "one name and its group a line")
        name, group = words[0], " ".join(words[1:])
        if groups.setdefault(name, group) != group:
            msg = f"{file}:{number}: {name} is in two groups"
            raise DataError(msg, "one group for each name")
    return groups


def _lines(file: Path) -> Iterable[tuple[int, list[str]]]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no UTF-8 text"
        msg = f"{file}: {reason}"
        raise DataError(msg, "name a readable text file") from error
    return [(number, line.split()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def find_photo(images: Path, photo: Photo) -> Path:
    """Its file.

    Raises:
        DataError: There is none, or the name leads out of the directory.
    """
    if Path(photo.name).name != photo.name or photo.name in {".", ".."}:
        msg = f"{photo.name!r} is no name of a person"
        raise DataError(msg, "names are names of directories below --images")
    stem = images / photo.name / f"{photo.name}_{photo.number:04}"
    for suffix in SUFFIXES:
        path = stem.with_name(stem.name + suffix)
        if path.is_file():
            return path
    msg = f"{stem}{SUFFIXES[0]}: no such photo"
    raise DataError(msg, "--images is the directory that holds one directory a person, as in LFW")


def encode(matcher: YunetMatcher, paths: dict[Photo, Path], progress: Progress) -> dict[Photo, NDArray[np.float32] | None]:
    """Embedding of every photo; None where none was acquired (no usable face, or several with none in the middle).

    Raises:
        DataError: A file is no picture.
    """
    found: dict[Photo, NDArray[np.float32] | None] = {}
    for photo, path in progress.track(paths.items(), description="encoding"):
        try:
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        except (cv2.error, MemoryError):  # larger than OpenCV takes
            image = None
        if image is None:
            msg = f"{path}: not a picture"
            raise DataError(msg, "take it out of the pairs, or mend it")
        try:
            probe = matcher.analyse(np.asarray(image, np.uint8)).probe
        except DeviceError as error:
            msg = f"{path}: {error.what}"
            raise DataError(msg, error.remedy) from error
        except ValueError as error:
            msg = f"{path}: {error}"
            raise DataError(msg, "take it out of the pairs, or scale it down") from error
        found[photo] = None if probe is None else probe.embedding
    return found


def compare(pairs: Sequence[Pair], encoded: dict[Photo, NDArray[np.float32] | None]) -> tuple[list[Pair], Distances]:
    """The pairs of which both photos were acquired, and their distances as the gate's matcher measures them (L2)."""
    kept, distances = [], []
    for pair in pairs:
        one, other = encoded[pair.one], encoded[pair.other]
        if one is not None and other is not None:
            kept.append(pair)
            distances.append(np.linalg.norm(one - other))
    return kept, np.array(distances, np.float32)


def every_impostor(photos: Sequence[Photo]) -> list[Pair]:
    """Every photo with every photo of somebody else, once."""
    return [Pair(one, other) for index, one in enumerate(photos) for other in photos[index + 1 :] if one.name != other.name]


def equal_error(genuine: Distances, impostor: Distances) -> tuple[float, float]:
    """EER and its threshold: where FNMR and FMR cross; half-way between them where they jump over each other."""
    thresholds = np.unique(np.concatenate([genuine, impostor]))
    fnmr = 1 - np.searchsorted(np.sort(genuine), thresholds, side="right") / len(genuine)
    fmr = np.searchsorted(np.sort(impostor), thresholds, side="right") / len(impostor)
    at = int(np.argmin(np.abs(fnmr - fmr)))
    return float((fnmr[at] + fmr[at]) / 2), float(thresholds[at])


def threshold_at(impostor: Distances, fmr: float) -> float | None:
    """The largest threshold that keeps the FMR; None when the pairs are fewer than 1 / FMR, so that it could not be told from zero."""
    allowed = math.floor(fmr * len(impostor) + 1e-9)
    if allowed < 1:
        return None
    # A distance equal to the threshold is accepted, so it lies just below the first that must not be.
    ordered = np.sort(impostor)
    return float(np.nextafter(ordered[allowed], np.float32(0))) if allowed < len(ordered) else float(ordered[-1])


def rejected(genuine: Distances, threshold: float) -> Rate:
    """FNMR at a threshold."""
    return Rate(int((genuine > np.float32(threshold)).sum()), len(genuine))


def accepted(impostor: Distances, threshold: float) -> Rate:
    """FMR at a threshold."""
    return Rate(int((impostor <= np.float32(threshold)).sum()), len(impostor))


def group_of(pair: Pair, groups: dict[str, str]) -> str:
    """The pair's group; MIXED when the two people have different ones, "" when one has none."""
    one, other = groups.get(pair.one.name, ""), groups.get(pair.other.name, "")
    return one if one == other else MIXED if one and other else ""


def configured_threshold(policy: Path, model: str) -> float:
    """The decision threshold of a policy file.

    Raises:
        ConfigurationError: It cannot be read, or has none for the model.
    """
    try:
        read = tomllib.loads(policy.read_text(encoding="utf-8"))["face"][model]["decision_threshold"]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"policy {policy}: {error}"
        raise ConfigurationError(msg, "name another with --policy, or give --threshold") from error
    except (KeyError, TypeError) as error:
        msg = f"policy {policy}: no decision threshold for {model}"
        raise ConfigurationError(msg, f"add [face.{model}], or give --threshold") from error
    return float(read)


def evaluate(kept: Sequence[Pair], distances: Distances, groups: dict[str, str], threshold: float) -> dict[str, object]:
    """All figures but FTA.

    Raises:
        DataError: No genuine or no impostor pair is left.
    """
    is_genuine = np.array([pair.genuine for pair in kept], bool)
    genuine, impostor = distances[is_genuine], distances[~is_genuine]
    if not len(genuine) or not len(impostor):
        msg = f"{len(genuine)} genuine and {len(impostor)} impostor pairs with a face in both photos"
        raise DataError(msg, "both kinds are needed")
    eer, eer_at = equal_error(genuine, impostor)
    at_fmr = {}
    for fmr in FMRS:
        at = threshold_at(impostor, fmr)
        at_fmr[f"{fmr:g}"] = None if at is None else {"threshold": at, "fnmr": rejected(genuine, at)}
    names = np.array([group_of(pair, groups) for pair in kept])
    by_group = {
        name: {"fmr": accepted(distances[~is_genuine & (names == name)], threshold), "fnmr": rejected(distances[is_genuine & (names == name)], threshold)}
        for name in sorted(set(names.tolist()) - {""}, key=lambda name: (name == MIXED, name))
    }
    return {
        "eer": eer,
        "eer_threshold": eer_at,
        "at_fmr": at_fmr,
        "threshold": threshold,
        "fmr": accepted(impostor, threshold),
        "fnmr": rejected(genuine, threshold),
        "groups": by_group,
    }


def show(figures: dict[str, object], console: Console) -> None:
    """Print the table."""
    table = Table("figure", "value (95 % interval; count)", title=f"{figures['model']}: {figures['photos']} photos, {figures['pairs']} pairs")
    table.add_row("FTA (photos without a usable face)", str(figures["fta"]))
    table.add_row("EER", f"{percent(figures['eer'])} at {figures['eer_threshold']:.4f}")
    for fmr, at in figures["at_fmr"].items():
        few = f"not measured: that takes at least {round(1 / float(fmr)):,} impostor pairs"
        table.add_row(f"FNMR at FMR {fmr}", few if at is None else f"{at['fnmr']} at {at['threshold']:.4f}")
    at = f"at the configured {figures['threshold']:g}"
    table.add_row(f"FMR {at}", str(figures["fmr"]))
    table.add_row(f"FNMR {at}", str(figures["fnmr"]))
    for name, rates in figures["groups"].items():
        table.add_row(f"FMR {at}, {name}", str(rates["fmr"]))
        if name != MIXED:
            table.add_row(f"FNMR {at}, {name}", str(rates["fnmr"]))
    console.print(table)
    if figures["fmr"].bounds[1] > 1e-3:
        console.print("These pairs do not show FMR 0.1 % or better with 95 % confidence: that takes about 3,000 impostor pairs without an error.")


def run(options: argparse.Namespace) -> dict[str, object]:
    """Measure.

    Raises:
        GateError: Data, policy or models cannot be used.
    """
    pairs = read_pairs(options.pairs)
    groups = read_groups(options.groups) if options.groups else {}
    photos = sorted({photo for pair in pairs for photo in (pair.one, pair.other)}, key=lambda photo: (photo.name, photo.number))
    paths = {photo: find_photo(options.images, photo) for photo in photos}  # all of them first: nobody wants to learn of the last one after an hour
    driver = {"sface": SFACE, "dlib": DLIB}[options.model]
    matcher: YunetMatcher = driver.build(driver.options(min_face_px=options.min_face_px, second_face_px=min(48, options.min_face_px)), _context(options.models))
    threshold = options.threshold if options.threshold is not None else configured_threshold(options.policy, matcher.model.name)
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        encoded = encode(matcher, paths, progress)
    if options.all_impostors:
        pairs = [pair for pair in pairs if pair.genuine] + every_impostor(photos)
    kept, distances = compare(pairs, encoded)
    missed = Rate(sum(each is None for each in encoded.values()), len(photos))
    return {"model": matcher.model.name, "photos": len(photos), "pairs": len(pairs), "fta": missed, **evaluate(kept, distances, groups, threshold)}


def _context(models: Path) -> DriverContext:
    return DriverContext(SystemClock(), models, lambda line: print(line, file=sys.stderr))


def _plain(value: object) -> object:
    if isinstance(value, Rate):
        low, high = value.bounds
        return {"value": None if math.isnan(value.value) else value.value, "low": low, "high": high, "count": value.count, "total": value.total}
    raise TypeError(type(value).__name__)


def main(arguments: list[str] | None = None) -> int:
    """0 measured, 8 the data, policy or models cannot be used (as gatectl's code for configuration)."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.face_accuracy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="one directory a person")
    parser.add_argument("--pairs", type=Path, required=True, metavar="FILE", help="which photos to compare")
    parser.add_argument("--groups", type=Path, metavar="FILE", help="which group a person belongs to")
    parser.add_argument("--model", choices=["sface", "dlib"], default="sface")
    parser.add_argument("--models", type=Path, default=TOP / "var" / "models", metavar="DIR", help="weights files")
    parser.add_argument("--policy", type=Path, default=TOP / "config" / "policy.toml", metavar="FILE", help="where the configured threshold is")
    parser.add_argument("--threshold", type=float, help="instead of the policy's")
    parser.add_argument("--min-face-px", type=int, default=80, help="least width of a face; the gate's option of the same name")
    parser.add_argument("--all-impostors", action="store_true", help="every photo of the pairs against every photo of somebody else, not only the pairs")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args(arguments)
    try:
        figures = run(options)
    except GateError as error:
        print(error, file=sys.stderr)
        return 8
    show(figures, Console(width=120))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2, default=_plain) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
