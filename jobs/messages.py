"""Jobs about messages."""

from __future__ import annotations

from core import messaging
from core.errors import GatewayDown, GatewayRefused, OutcomeUnknown
from core.ports import Sms, SmsAccepted, SmsRejected, World
from core.tasks import SendMessage
from core.uow import UnitOfWork
from jobs.job import Decision, Job, Verdict


class Send(Job[SendMessage, Sms | SmsRejected, SmsAccepted | SmsRejected]):
    """Hand one SMS to the gateway. At least once, normally once: an SMS cannot be asked whether it went out."""

    task = SendMessage
    reads_only = repeatable = True

    def read(self, uow: UnitOfWork, task: SendMessage) -> Sms | SmsRejected | None:
        if not messaging.keep_trying(uow, task.message_id):
            return SmsRejected("too_late", final=True)
        return messaging.to_send(uow, task.message_id)

    def act(self, world: World, plan: Sms | SmsRejected) -> SmsAccepted | SmsRejected:
        if isinstance(plan, SmsRejected):
            return plan
        if world.sms is None:
            return SmsRejected("not_set_up", final=True)
        try:
            return world.sms.send(plan)
        except SmsRejected as verdict:
            if not verdict.final:
                raise GatewayDown(str(verdict)) from verdict
            return verdict

    def record(
        self, uow: UnitOfWork, task: SendMessage, plan: Sms | SmsRejected, result: SmsAccepted | SmsRejected
    ) -> None:
        if isinstance(result, SmsRejected):
            messaging.failed(uow, task.message_id, result.reason)
        else:
            messaging.sent(uow, task.message_id, result)

    def refused(self, uow: UnitOfWork, task: SendMessage, plan: Sms | SmsRejected, error: GatewayRefused) -> Decision:
        """The gateway does not like us (key, account): parked where the owner sees it, to be sent when that is mended."""
        return Verdict.PARK

    def unsure(self, uow: UnitOfWork, task: SendMessage, plan: Sms | SmsRejected, error: OutcomeUnknown) -> Decision:
        """Twice is better than never for a receipt."""
        return Verdict.RETRY


ALL = (Send(),)
