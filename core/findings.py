"""What one may learn of a router by asking it: how it is, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RouterHealth:
    """What a router told about itself. `clock_skew_seconds` is router minus us, None when not readable.

    `active_count` are sessions of hotspot and PPP. Not `thorough`: problems were not looked for.
    """

    identity: str
    version: str
    board: str
    uptime_seconds: int
    clock_skew_seconds: int | None
    active_count: int
    problems: list[str] = field(default_factory=list)
    thorough: bool = True
    cpu_percent: int | None = None
    serial: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a router that a person should know, and what to do about it. `blocks`: it cannot be kept so.

    `code`: name · unreachable · closed · tls · silence · foreign · broken · certificate · login · old · rights · device_mode ·
    clock · set_up, or one of what routers say.
    """

    code: str
    text: str
    advice: str
    blocks: bool


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of trying a router. `health` None: it did not get so far. `certificate_sha256` is what it showed, may be empty."""

    findings: tuple[Finding, ...] = ()
    health: RouterHealth | None = None
    certificate_sha256: str = ""

    @property
    def blocked(self) -> bool:
        return any(finding.blocks for finding in self.findings)
