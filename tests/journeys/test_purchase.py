"""The main job: a dialled code ends with a device online."""

from __future__ import annotations

from tests.journeys.told import assert_served_once
from tests.town import PIN, TV, Town


def test_a_dialled_code_ends_with_a_device_online(town: Town) -> None:
    town.package()
    device = town.plug_in(TV)
    town.work_off()
    assert not device.online
    print(town.caller.dial(town.shop.service_code))
    print(town.caller.answer("1"))
    print(town.caller.answer("1"))
    town.pass_time(3)
    town.caller.type_pin(PIN)
    town.work_off()
    print([s.text for s in town.caller.sms_inbox])
    assert device.online
    assert_served_once(town)
