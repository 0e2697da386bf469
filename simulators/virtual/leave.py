"""Who may go out through the exit (INV-2), and until when. Told by the monitor; judges nothing."""

from __future__ import annotations


class Leave:
    """Leave to go: for one person, or for everybody by an officer's hand or an emergency. It ends with the exit shut behind them."""

    def __init__(self) -> None:
        self._given: dict[str, None] = {}
        self._ending: dict[str, None] = {}
        self._everybody = False

    def give(self, name: str) -> None:
        """This person may go."""
        self._given[name] = None
        self._ending.pop(name, None)

    def give_everybody(self) -> None:
        """Everybody may, until the exit is shut."""
        self._everybody = True

    def has(self, name: str) -> bool:
        """Whether this person may go now."""
        return self._everybody or name in self._given

    def end(self, name: str, *, shut: bool) -> None:
        """This person's crossing is over: with it their leave, or as soon as the exit is shut."""
        if shut:
            self._given.pop(name, None)
        elif name in self._given:
            self._ending[name] = None

    def shut(self) -> None:
        """The exit is shut and not ordered open."""
        self._everybody = False
        for name in self._ending:
            self._given.pop(name, None)
        self._ending = {}
