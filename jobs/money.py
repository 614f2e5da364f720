"""Jobs about money: ask for it, understand what a company says, ask the company when it says nothing; renew from wallets; redeem."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core import inbox, payments, purchases, tenants, vouchers
from core.errors import GatewayDown, GatewayRefused, OutcomeUnknown
from core.ports import ConfirmedByQuery, NotPaid, Outcome, Paid, Prompt, Prompted, StillOpen, UnreadableCallback, World
from core.tasks import CheckPayment, Digest, PromptPayment, RedeemClaim, Renew
from core.uow import UnitOfWork
from jobs.job import Decision, Job, Verdict

COMPANY = "daraja"


@dataclass(frozen=True, slots=True)
class Asking:
    """One prompt for one company."""

    company: str
    prompt: Prompt


class AskForMoney(Job[PromptPayment, Asking, Prompted]):
    """Ask the payer's phone: at most once per payment. The mark is taken before, the check finds out after a silence."""

    task = PromptPayment

    def read(self, uow: UnitOfWork, task: PromptPayment) -> Asking | None:
        prompt = payments.begin_prompt(uow, task.payment_id)
        return None if prompt is None else Asking(COMPANY, prompt)

    def act(self, world: World, plan: Asking) -> Prompted:
        gateway = world.payments.get(plan.company)
        if gateway is None:
            raise GatewayRefused(f"{plan.company} is not set up", code="configuration")
        url = f"{world.callback_urls[plan.company]}?p={plan.prompt.reference}"
        return gateway.prompt(replace(plan.prompt, callback_url=url))

    def record(self, uow: UnitOfWork, task: PromptPayment, plan: Asking, result: Prompted) -> None:
        payments.prompted(uow, task.payment_id, result)

    def down(self, uow: UnitOfWork, task: PromptPayment, plan: Asking, error: GatewayDown) -> Decision:
        """Surely not asked: without taking the mark back the customer would never be."""
        payments.unprompt(uow, task.payment_id)
        return super().down(uow, task, plan, error)

    def refused(self, uow: UnitOfWork, task: PromptPayment, plan: Asking, error: GatewayRefused) -> Decision:
        purchases.prompt_refused(uow, task.payment_id, error.code, str(error))
        return Verdict.DONE

    def unsure(self, uow: UnitOfWork, task: PromptPayment, plan: Asking, error: OutcomeUnknown) -> Decision:
        """Perhaps the phone is showing the prompt now. The check that was promised with the mark finds out."""
        return Verdict.DONE


@dataclass(frozen=True, slots=True)
class Letter:
    """Something a company sent, not yet understood."""

    company: str
    body: bytes
    code: str


class Understand(Job[Digest, Letter, Outcome | UnreadableCallback]):
    """Turn stored bytes into money in the books. Reading needs the tenant's account, not the network."""

    task = Digest
    reads_only = True

    def read(self, uow: UnitOfWork, task: Digest) -> Letter | None:
        inbound = inbox.read(uow, task.inbound_id, lock=False)
        return None if inbound is None else Letter(inbound.source, inbound.body, inbound.context)

    def act(self, world: World, plan: Letter) -> Outcome | UnreadableCallback:
        gateway = world.payments.get(plan.company)
        if gateway is None:
            raise GatewayRefused(f"{plan.company} is not set up", code="configuration")
        try:
            return gateway.read_callback(plan.body)
        except UnreadableCallback as error:
            return error

    def record(self, uow: UnitOfWork, task: Digest, plan: Letter, result: Outcome | UnreadableCallback) -> None:
        inbound = inbox.read(uow, task.inbound_id)
        if inbound is None:
            return
        inbox.digested(uow, inbound, self._verdict(uow, plan, result))

    def _verdict(self, uow: UnitOfWork, plan: Letter, result: Outcome | UnreadableCallback) -> str:
        if isinstance(result, UnreadableCallback):
            uow.record("callback.unreadable", company=plan.company, why=str(result)[:200])
            return f"unreadable: {result}"[:200]
        if isinstance(result, Paid):
            return purchases.money_arrived(uow, plan.company, result, code=plan.code).verdict
        if isinstance(result, NotPaid):
            told = purchases.not_paid(uow, plan.company, result, code=plan.code)
            return f"not paid: {result.why}" if told else f"not paid: {result.why}; nothing of ours is waiting for it"
        return "nothing decided"


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt we know nothing about yet. `request_id` is None when we died before hearing it."""

    company: str
    request_id: str | None


class ChaseMoney(Job[CheckPayment, Question, Outcome]):
    """No callback in time: ask the company. Only a yes decides; a no is a hint, and further looks are promised."""

    task = CheckPayment

    def read(self, uow: UnitOfWork, task: CheckPayment) -> Question | None:
        payment = payments.to_check(uow, task.payment_id)
        if payment is None or payment.prompted_at is None:
            return None
        if payment.request_id is None:
            purchases.ask_again(uow, payment)
            return None
        return Question(payment.company, payment.request_id)

    def act(self, world: World, plan: Question) -> Outcome:
        assert plan.request_id is not None
        gateway = world.payments.get(plan.company)
        if gateway is None:
            raise GatewayRefused(f"{plan.company} is not set up", code="configuration")
        return gateway.status(plan.request_id)

    def record(self, uow: UnitOfWork, task: CheckPayment, plan: Question, result: Outcome) -> None:
        payment = payments.to_check(uow, task.payment_id)
        if payment is None:
            return
        if isinstance(result, ConfirmedByQuery):
            paid = Paid(receipt_no=None, amount=payment.amount, request_id=plan.request_id)
            purchases.money_arrived(uow, plan.company, paid)
        elif isinstance(result, NotPaid | StillOpen):
            payments.checked(uow, payment, task.round, result if isinstance(result, NotPaid) else None)

    def refused(self, uow: UnitOfWork, task: CheckPayment, plan: Question, error: GatewayRefused) -> Decision:
        """They do not want to tell: look again at the next round, the callback may still come."""
        payment = payments.to_check(uow, task.payment_id)
        if payment is not None:
            payments.checked(uow, payment, task.round, None)
        uow.record("payment.check_refused", tenants.current(uow), payment=task.payment_id, why=str(error)[:200])
        return Verdict.DONE


class BuyAgain(Job[Renew, None, None]):
    """Renewal from the wallet: nothing to ask of the world, all of it is one transaction of ours."""

    task = Renew

    def read(self, uow: UnitOfWork, task: Renew) -> None:
        purchases.renew(uow, task.subscription_id)


class Redeem(Job[RedeemClaim, None, None]):
    """A voucher that RADIUS has claimed for a device: the same, all of it one transaction of ours."""

    task = RedeemClaim

    def read(self, uow: UnitOfWork, task: RedeemClaim) -> None:
        vouchers.redeem_claim(uow, task.voucher_id)


ALL = (AskForMoney(), Understand(), ChaseMoney(), BuyAgain(), Redeem())
