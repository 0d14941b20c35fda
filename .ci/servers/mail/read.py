"""Reads a mail from a Maildir with readers that have nothing to do with Crieur: its signatures and its calendar entry."""

import email
import email.policy
import pathlib
import sys

import dkim
import icalendar

folder, keys = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
records = dict(line.split(" ", 1) for line in keys.read_text().splitlines())


def txt(name, timeout=5):
    return records[name.decode().rstrip(".")].encode()


mails = sorted(folder.iterdir())
assert len(mails) == 1, f"{len(mails)} mails"
raw = mails[0].read_bytes()
signatures = raw.lower().count(b"\ndkim-signature:")
assert signatures == 2, f"{signatures} signatures"
for i in range(signatures):
    assert dkim.DKIM(raw).verify(idx=i, dnsfunc=txt), f"signature {i} does not verify"

message = email.message_from_bytes(raw, policy=email.policy.default)
assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
assert message["List-Unsubscribe"].startswith("<https://")
assert message["List-Id"].endswith(".example.org>")
for part in ("plain", "html"):
    body = message.get_body((part,)).get_content()
    assert "l’été" in body and "🎉" in body, body
entries = [p for p in message.walk() if p.get_content_type() == "text/calendar"]
assert len(entries) == 2, f"{len(entries)} calendar entries"
for part in entries:
    calendar = icalendar.Calendar.from_ical(part.get_payload(decode=True))
    (event,) = calendar.walk("VEVENT")
    assert str(event["SUMMARY"]) == "Fête de l’été 🎉", event["SUMMARY"]
    start = event["DTSTART"].dt
    assert start.strftime("%Y-%m-%d %H:%M") == "2027-04-14 18:30" and start.utcoffset().total_seconds() == -4 * 3600, start
print("- python3-dkim: both signatures verify; python3-icalendar: the event is on 2027-04-14 at 18:30 -04:00")
