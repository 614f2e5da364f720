"""Who is a customer of the pretend Africa's Talking, with which codes, senders and addresses."""

from __future__ import annotations

from dataclasses import dataclass, field

DEFAULT_SENDER = "AFRICASTKNG"


@dataclass(frozen=True)
class Inbound:
    """One SMS that somebody sent to a short code."""

    number: int
    msisdn: str
    short_code: str
    text: str
    date: str
    link_id: str


@dataclass
class ShortCode:
    """A number people can text to, and where Africa's Talking tells its owner about it."""

    code: str
    username: str
    sms_url: str | None = None
    delivery_url: str | None = None
    opt_out_url: str | None = None
    inbound: list[Inbound] = field(default_factory=list)


@dataclass(frozen=True)
class ServiceCode:
    """A USSD code like *384*35711# and its two callback addresses."""

    code: str
    ussd_url: str
    ended_url: str | None


@dataclass
class Account:
    """One tenant's account. The balance is in cents of a shilling."""

    username: str
    api_key: str
    balance_minor: int
    delivery_url: str | None = None
    opt_out_url: str | None = None
    senders: set[str] = field(default_factory=lambda: {DEFAULT_SENDER})
    short_codes: dict[str, ShortCode] = field(default_factory=dict)

    def owns(self, sender: str) -> bool:
        """Whether messages may carry this sender."""
        return sender in self.senders or sender in self.short_codes

    def delivery_url_for(self, sender: str) -> str | None:
        """Where reports about messages from this sender go."""
        code = self.short_codes.get(sender)
        return (code.delivery_url if code else None) or self.delivery_url or self._first("delivery_url")

    def opt_out_url_for(self, sender: str) -> str | None:
        """Where opt-outs from this sender go."""
        code = self.short_codes.get(sender)
        return (code.opt_out_url if code else None) or self.opt_out_url or self._first("opt_out_url")

    def _first(self, which: str) -> str | None:
        urls = (
            code.delivery_url if which == "delivery_url" else code.opt_out_url for code in self.short_codes.values()
        )
        return next((url for url in urls if url), None)


def kes(amount_minor: int) -> str:
    """Money as Africa's Talking writes it: `KES 0.8000`."""
    return f"KES {amount_minor // 100}.{amount_minor % 100:02d}00"
