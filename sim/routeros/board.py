"""The box: what a model has in it, and what its factory firmware forbids (reference routeros.md §3.1, §3.4, §5)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Board:
    """One model. `wifi` names the driver its radios use (`wireless`, `wifi`, or None without radios).

    With `flash` only files below `flash/` survive a reboot; everything else lies in memory.
    """

    name: str
    architecture: str
    ethernets: int
    wifi: str | None
    radios: int
    flash: bool
    memory_bytes: int
    disk_bytes: int
    majors: tuple[int, ...] = (6, 7)
    is_virtual: bool = False

    def file_path(self, path: str) -> str:
        """Where a file must lie to be there after a reboot."""
        return f"flash/{path}" if self.flash else path


MEGABYTE = 1 << 20
_ALL = (
    Board("hAP ac^2", "arm", 5, "wireless", 2, True, 128 * MEGABYTE, 16 * MEGABYTE),
    Board("hAP ax^2", "arm64", 5, "wifi", 2, False, 1024 * MEGABYTE, 128 * MEGABYTE, majors=(7,)),
    Board("hAP lite", "smips", 4, "wireless", 1, True, 32 * MEGABYTE, 16 * MEGABYTE),
    Board("RB951Ui-2HnD", "mipsbe", 5, "wireless", 1, False, 128 * MEGABYTE, 128 * MEGABYTE),
    Board("hEX", "mmips", 5, None, 0, True, 256 * MEGABYTE, 16 * MEGABYTE),
    Board("CHR", "x86_64", 2, None, 0, False, 1024 * MEGABYTE, 128 * MEGABYTE, is_virtual=True),
)
BOARDS = {board.name: board for board in _ALL}
BOARD_DEFAULT = "hAP ac^2"


DEVICE_MODE_FEATURES = (
    "scheduler", "socks", "fetch", "pptp", "l2tp", "bandwidth-test", "traffic-gen", "sniffer", "ipsec", "romon", "proxy",
    "hotspot", "smb", "email", "zerotier", "container", "install-any-version", "partitions", "routerboard",
    "flagging-enabled",
)  # fmt: skip
FORBIDDEN_IN = {
    "advanced": frozenset({"container", "traffic-gen", "partitions", "routerboard", "install-any-version"}),
    "enterprise": frozenset[str](),
    "basic": frozenset({"hotspot", "socks", "bandwidth-test", "traffic-gen", "proxy", "zerotier", "container"}),
    "home": frozenset({"hotspot", "scheduler", "fetch", "email", "socks", "bandwidth-test", "traffic-gen", "sniffer"})
    | {"romon", "proxy", "zerotier", "container", "install-any-version", "partitions", "routerboard"},
}
"""Device mode → what it forbids. Only somebody at the box can change it."""


def device_mode_values(mode: str) -> dict[str, str]:
    """What `/system/device-mode` says in a mode. Raises ValueError for a mode there is not."""
    if mode not in FORBIDDEN_IN:
        raise ValueError(f"no device mode {mode!r}; there are {', '.join(FORBIDDEN_IN)}")
    forbidden = FORBIDDEN_IN[mode]
    return {"mode": mode, **{word: "false" if word in forbidden else "true" for word in DEVICE_MODE_FEATURES}}
