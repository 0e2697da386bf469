"""Lines as wide as the terminal."""

import io

import pytest

from gate_controller.cli.width import Wrapped, fitted, wraps


def wrapped(text, columns=30):
    stream = io.StringIO()
    written = Wrapped(stream, columns).write(text)
    assert written == len(text)
    return stream.getvalue()


def test_what_fits_is_as_it_was():
    text = "id: value\n  role   version\n\n   \n" + "x" * 30 + "\n"
    assert wrapped(text) == text


def test_a_long_line_goes_on_below_to_the_right_of_its_beginning():
    assert wrapped("  one two three four five six seven eight nine\n") == "  one two three four five six\n      seven eight nine\n"


def test_a_long_word_stays_whole_on_a_line_of_its_own():
    path = "/var/lib/gate-controller/" + "x" * 40
    assert wrapped(f"generation {path} is new\n").splitlines() == ["generation", f"    {path}", "    is new"]


def test_spaces_between_columns_stay():
    assert wrapped("hk   2   2 of 3   2027-01-22 22:54 UTC\n").splitlines()[0] == "hk   2   2 of 3   2027-01-22"


@pytest.mark.parametrize(
    "text",
    ["a long line that is not at its end yet", "\rprogress of something that takes long: 10 %\n", "\x1b[2J\x1b[1;1H" + "word " * 20 + "\n"],
)
def test_what_has_no_end_or_moves_the_cursor_is_passed_on(text):
    assert wrapped(text) == text


@pytest.mark.parametrize("code", ["\x1b[2J\x1b[1;1H", "\a", "\x1b[2J\x1b[1;1H\a"])
def test_after_a_cleared_screen_lines_are_wrapped(code):
    stream = io.StringIO()
    out = Wrapped(stream, 30)
    out.write(code)
    out.write("gate-07  OFFICER: face_mismatch, NOBODY HAS TAKEN IT\n")
    assert stream.getvalue() == f"{code}gate-07  OFFICER:\n    face_mismatch, NOBODY HAS\n    TAKEN IT\n"


def test_a_number_keeps_its_unit():
    assert wrapped("restricted in 1 d 1 h, then 12 h\n", 28) == "restricted in 1 d 1 h, then\n    12 h\n"
    assert wrapped("expires 2027-01-22, left 364 d\n", 28) == "expires 2027-01-22, left\n    364 d\n"


def test_a_line_that_was_begun_is_not_broken():
    stream = io.StringIO()
    out = Wrapped(stream, 20)
    out.write("proceed? ")
    out.write("with a long rest of the line that was begun\n")
    out.write("and a new one that is long\n")
    assert stream.getvalue() == "proceed? with a long rest of the line that was begun\nand a new one that\n    is long\n"


def test_all_else_is_the_streams_own():
    stream = io.StringIO()
    assert Wrapped(stream, 60).isatty() is False
    with pytest.raises(TypeError):
        Wrapped(stream, 60).write(b"bytes")


@pytest.mark.parametrize(
    ("arguments", "may"),
    [
        ([], True),
        (["status"], True),
        (["status", "--json"], False),
        (["--version"], True),
        (["journal", "tail"], True),
        (["journal", "checkpoint"], False),
        (["install", "devices"], False),
        (["camera", "preview", "qr"], False),
        (["completion", "bash"], False),
    ],
)
def test_what_is_to_be_copied_or_read_by_a_program_is_left(arguments, may):
    assert wraps(arguments) is may


def test_a_pipe_is_not_wrapped_unless_its_width_is_told(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    stream = io.StringIO()
    assert fitted(stream, ["status"]) is stream
    monkeypatch.setenv("COLUMNS", "60")
    assert isinstance(fitted(stream, ["status"]), Wrapped)
    assert fitted(stream, ["status"], told=False) is stream, "an error's line is a record"
    stream.isatty = lambda: True
    assert isinstance(fitted(stream, ["status"], told=False), Wrapped)
    monkeypatch.delenv("COLUMNS")
    assert isinstance(fitted(stream, ["status"]), Wrapped)
