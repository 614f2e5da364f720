"""Jobs about messages."""

from __future__ import annotations

from core import messaging
from core.errors import GatewayDown, GatewayRefused, OutcomeUnknown
from core.ports import Sms, SmsAccepted, SmsRejected, World
from core.tasks import SendMessage
from core.uow import UnitOfWork
from jobs.job import Decision, Job, Verdict


class Send(Job[SendMessage, Sms, SmsAccepted | SmsRejected]):
    """Hand one SMS to the gateway. At least once, normally once: an SMS cannot be asked whether it went out."""

    task = SendMessage

    def read(self, uow: UnitOfWork, task: SendMessage) -> Sms | None:
        if not messaging.keep_trying(uow, task.message_id):
            messaging.failed(uow, task.message_id, "too_late")
            return None
        return messaging.to_send(uow, task.message_id)

    def act(self, world: World, plan: Sms) -> SmsAccepted | SmsRejected:
        if world.sms is None:
            return SmsRejected("not_set_up", final=True)
        try:
            return world.sms.send(plan)
        except SmsRejected as verdict:
            if not verdict.final:
                raise GatewayDown(str(verdict)) from verdict
            return verdict

    def record(self, uow: UnitOfWork, task: SendMessage, plan: Sms, result: SmsAccepted | SmsRejected) -> None:
        if isinstance(result, SmsRejected):
            messaging.failed(uow, task.message_id, result.reason)
        else:
            messaging.sent(uow, task.message_id, result)

    def refused(self, uow: UnitOfWork, task: SendMessage, plan: Sms, error: GatewayRefused) -> Decision:
        """The gateway does not like us (key, account): parked where the owner sees it, to be sent when that is mended."""
        return Verdict.PARK

    def unsure(self, uow: UnitOfWork, task: SendMessage, plan: Sms, error: OutcomeUnknown) -> Decision:
        """Twice is better than never for a receipt."""
        return Verdict.RETRY


ALL = (Send(),)
