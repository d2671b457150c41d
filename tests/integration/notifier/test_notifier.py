"""From events to mails, on real parts."""

from __future__ import annotations

from integration.notifier.conftest import Events, Start


async def test_a_credential_and_its_recipient_become_one_mail(start: Start, events: Events) -> None:
    notifier = await start()
    for _ in range(3):
        await notifier.publish(events.issued(), events.recipient())
    (mail,) = await notifier.mails()
    assert mail["Subject"] == "Your credential: Course welding"
