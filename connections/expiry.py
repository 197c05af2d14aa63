"""When keys end by themselves: in working hours, and told of in time. Pure.

Days are those of the portal's time zone.
"""

from datetime import date, datetime, time, timedelta

from django.utils import timezone

HOUR = time(10)  # somebody is there to enter new keys
TOLD_AT = timedelta(hours=7)  # nobody is written to in the night
NOTICE_DAYS = (0, 1, 7, 30)  # before the end, the last one first
SATURDAY = 5


def working_day(day: date) -> date:
    """`day`, or the Monday after it when it lies in a weekend."""
    return day + timedelta(days=max(0, 7 - day.weekday())) if day.weekday() >= SATURDAY else day


def moment_of(day: date, *, exactly=False) -> datetime:
    """When keys end that are to end on `day`: at ten on that day, or on the working day after it.

    `exactly` keeps the day, be it in a weekend.
    """
    return timezone.make_aware(datetime.combine(day if exactly else working_day(day), HOUR))


def told_until(days: int, now: datetime | None = None) -> datetime:
    """Keys that end before this are due for the notice of `days` days: seven in the morning is the hour."""
    today = timezone.localdate((now or timezone.now()) - TOLD_AT)
    return timezone.make_aware(datetime.combine(today + timedelta(days=days + 1), time()))


def past_notices(ends_at: datetime) -> list[int]:
    """The notices whose time is over when somebody chooses `ends_at` now: that person knows."""
    return [days for days in NOTICE_DAYS if ends_at < told_until(days)]
