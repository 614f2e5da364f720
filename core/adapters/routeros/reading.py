"""A router as it was found in one visit: every menu is read at most once until something in it is written."""

from __future__ import annotations

from collections.abc import Sequence

from core.adapters.routeros.lines import Talk
from core.adapters.routeros.menus import ACCOUNTS, PROPERTIES, SINGLE
from core.adapters.routeros.sayings import meaning
from core.adapters.routeros.values import Row
from core.adapters.routeros.wire import Trap
from core.ports import RouterAddress


class Reading:
    """What the router shows. A menu this version or board does not have is empty."""

    def __init__(self, talk: Talk, files: Sequence[str] = ()) -> None:
        """`files` are the paths we look at, besides the directory that tells a board with flash."""
        self.talk = talk
        self.denied: set[str] = set()
        """Menus our account may not look at: nothing can be said of them."""
        self._files = ("flash", *files)
        self._seen: dict[str, list[Row]] = {}

    @property
    def router(self) -> RouterAddress:
        """Whose it is."""
        return self.talk.router

    def rows(self, menu: str) -> list[Row]:
        """The rows of a menu, in their order, with the properties we ever look at."""
        if menu not in self._seen:
            self._seen[menu] = self._read(menu)
        return self._seen[menu]

    def one(self, menu: str) -> Row:
        """The values of a menu that is one set of them."""
        rows = self.rows(menu)
        return rows[0] if rows else {}

    def forget(self, menu: str) -> None:
        """Something was written there: the next look is a new one."""
        self._seen.pop(menu, None)

    def _read(self, menu: str) -> list[Row]:
        try:
            if menu in SINGLE:
                return [self.talk.one(menu)]
            if menu == "/file":
                either = ["?#" + "|" * (len(self._files) - 1)] if len(self._files) > 1 else []
                return self.talk.rows(menu, ".id,name,contents", *(f"?name={path}" for path in self._files), *either)
            return self.talk.rows(menu, f".id,{PROPERTIES[menu]}")
        except Trap as trap:
            code = meaning(trap).code
            if code == "rights" and menu in ACCOUNTS:
                self.denied.add(menu)
            elif code != "version":
                raise
            return []
