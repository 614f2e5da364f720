"""A person with a phone: dials, answers, texts, reads, and types a PIN when asked."""

from __future__ import annotations

from sim.africastalking import AfricasTalking, Sms, Texted, UssdSession
from sim.daraja import Daraja
from sim.mobile_money import MobileMoney, NoPrompt, Outcome, Prompt


class NoSession(RuntimeError):
    """The person has not dialled anything."""


class Handset:
    """One phone in the town. Reads like a person: `caller.dial(code); caller.answer("1"); caller.type_pin("1234")`."""

    def __init__(
        self,
        msisdn: str,
        network_code: str,
        africastalking: AfricasTalking,
        money: MobileMoney,
        daraja: Daraja | None = None,
    ) -> None:
        self.msisdn = msisdn
        self.network_code = network_code
        self.session: UssdSession | None = None
        self._africastalking = africastalking
        self._money = money
        self._daraja = daraja
        africastalking.network.know(msisdn, network_code)

    # ── menus ──

    def dial(self, code: str) -> str:
        """Dial a code; what the screen shows then."""
        self.session = self._africastalking.dial(self.msisdn, code, self.network_code)
        return self.session.screen

    def answer(self, digits: str) -> str:
        """Answer the menu; what the screen shows then."""
        return self._session().answer(digits)

    def hang_up(self) -> None:
        """Leave the menu."""
        self._session().hang_up()

    @property
    def screen(self) -> str:
        """What the screen shows: the prompt if there is one, else the last menu."""
        prompt = self.pending_prompt
        if prompt is not None:
            return prompt.text
        return self.session.screen if self.session else ""

    # ── messages ──

    def text(self, short_code: str, text: str, copies: int = 1) -> Texted:
        """Send an SMS to a short code (the service hears of it `copies` times)."""
        return self._africastalking.text_in(self.msisdn, short_code, text, copies)

    @property
    def sms_inbox(self) -> list[Sms]:
        """All messages, oldest first."""
        return self._africastalking.inbox(self.msisdn)

    def wait_for_sms(self, contains: str = "", timeout_seconds: float = 10.0) -> Sms:
        """The newest message with these words; waits for it, `NoSms` if it does not come."""
        return self._africastalking.wait_for_sms(self.msisdn, contains, timeout_seconds)

    # ── money ──

    @property
    def pending_prompt(self) -> Prompt | None:
        """The payment prompt on the screen now."""
        return self._money.pending(self.msisdn)

    def wait_for_prompt(self, timeout_seconds: float = 10.0) -> Prompt:
        """Wait until a payment prompt is on the screen; `NoPrompt` if none comes."""
        return self._money.wait_for_prompt(self.msisdn, timeout_seconds)

    def type_pin(self, pin: str) -> Outcome:
        """Answer the prompt on the screen with a PIN."""
        return self._money.approve(self._prompt(), pin)

    def cancel_prompt(self) -> Outcome:
        """Press Cancel on the prompt."""
        return self._money.cancel(self._prompt())

    def ignore_prompt(self) -> Outcome:
        """Look away until the prompt is gone."""
        return self._money.ignore(self._prompt())

    def pay_by_hand(self, short_code: str, account: str, amount_minor: int) -> str:
        """Pay to a Paybill or till from the mobile-money menu; the receipt number."""
        if self._daraja is None:
            raise LookupError("this phone knows no company to pay through")
        return self._daraja.paybill(self.msisdn, short_code, account, amount_minor)

    def _session(self) -> UssdSession:
        if self.session is None:
            raise NoSession("dial first")
        return self.session

    def _prompt(self) -> Prompt:
        prompt = self.pending_prompt
        if prompt is None:
            raise NoPrompt("there is no prompt on the screen")
        return prompt
