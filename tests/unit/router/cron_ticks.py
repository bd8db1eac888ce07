#!/usr/bin/python3
"""The ticks of cron expressions, by brute force: every second (or minute) of a stretch is looked at
with Python's zoneinfo. Shares no idea with router/cron.c, and no code.

    cron_ticks.py > cron_ticks.h      makes the table of test_cron.c anew
"""
import datetime
import zoneinfo

UTC = datetime.timezone.utc
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
WEEKDAYS = "sun mon tue wed thu fri sat".split()


def values(field, low, high, names=()):
    found = set()
    for part in field.lower().split(","):
        part, _, step = part.partition("/")
        if part in "*?":
            first, last = low, high
        else:
            ends = [names.index(w) + low if w in names else int(w) for w in part.split("-")]
            first, last = ends[0], ends[-1] if len(ends) > 1 or not step else high
            if last < first and names and names[0] == "sun" and last == 0:
                last = 7
        found |= set(range(first, last + 1, int(step or 1)))
    return found


class Cron:
    def __init__(self, text):
        words = text.split()
        self.seconds = len(words) == 6
        words = words if self.seconds else ["0"] + words
        self.rhythm = words[2][0] == "*"
        self.either = words[3][0] not in "*?" and words[5][0] not in "*?"
        self.sets = [values(words[0], 0, 59), values(words[1], 0, 59), values(words[2], 0, 23),
                     values(words[3], 1, 31), values(words[4], 1, 12, MONTHS),
                     {v % 7 for v in values(words[5], 0, 6, WEEKDAYS)}]

    def fits(self, wall):
        second, minute, hour, day, month, weekday = self.sets
        if wall.second not in second or wall.minute not in minute or wall.hour not in hour or wall.month not in month:
            return False
        by_day, by_weekday = wall.day in day, wall.isoweekday() % 7 in weekday
        return by_day or by_weekday if self.either else by_day and by_weekday

    def ticks(self, zone, begin, end):
        """All in (begin, end], unix seconds."""
        tz = zoneinfo.ZoneInfo(zone)
        step = 1 if self.seconds else 60
        found = []
        last = datetime.datetime.fromtimestamp(begin, tz).replace(tzinfo=None)
        # Offsets of whole minutes only, which all have had for decades.
        for moment in range(begin - begin % step + step, end + 1, step):
            local = datetime.datetime.fromtimestamp(moment, tz)
            wall = local.replace(tzinfo=None, fold=0)
            fits = self.fits(wall) and (self.rhythm or not local.fold)
            left_out = last + datetime.timedelta(seconds=step)
            while not fits and not self.rhythm and left_out < wall:
                fits = self.fits(left_out)
                left_out += datetime.timedelta(seconds=step)
            if fits:
                found.append(moment)
            last = wall
        return found


def at(text):
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


# expression, zone, from (UTC), days to look at
CASES = [
    ("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00", 4),         # left out on the 29th
    ("30 2 * * *", "Europe/Berlin", "2026-10-23T12:00", 4),         # twice on the 25th
    ("30 * * * *", "Europe/Berlin", "2026-03-28T23:00", 0.3),
    ("30 * * * *", "Europe/Berlin", "2026-10-24T22:00", 0.3),
    ("0 */2 * * *", "Europe/Berlin", "2026-03-28T20:00", 0.7),
    ("*/20 2 * * *", "Europe/Berlin", "2026-03-28T12:00", 2),
    ("*/20 2 * * *", "Europe/Berlin", "2026-10-24T12:00", 2),
    ("*/20 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00", 1),
    ("15 2 * * sun", "America/New_York", "2026-03-01T00:00", 20),
    ("15 1 * * sun", "America/New_York", "2026-10-25T00:00", 20),
    ("0 0 * * *", "America/Sao_Paulo", "2018-11-02T12:00", 4),      # clocks jump at midnight
    ("0 0 * * *", "America/Havana", "2026-03-06T12:00", 4),
    ("0 12 * * *", "Pacific/Apia", "2011-12-28T00:00", 5),          # the 30th was left out whole
    ("10 2 * * *", "Australia/Lord_Howe", "2026-10-02T00:00", 4),   # half an hour
    ("45 1 * * *", "Australia/Lord_Howe", "2026-04-03T00:00", 4),
    ("30 2 * * *", "Antarctica/Troll", "2026-03-27T00:00", 4),      # two hours
    ("0 9 * * mon-fri", "Asia/Kathmandu", "2026-01-01T00:00", 7),
    ("0 9 29 2 *", "Europe/Dublin", "2027-12-30T00:00", 61),
    ("30 1 * * *", "Europe/Dublin", "2060-03-26T00:00", 4),         # by the rule behind the table
    ("30 2 * * *", "America/New_York", "2060-11-05T00:00", 4),
    ("0 0 13 * fri", "UTC", "2026-02-01T00:00", 50),                # either
    ("0 0 */2 * fri", "UTC", "2026-02-01T00:00", 30),               # both
    ("0 0 1,15 * *", "Pacific/Chatham", "2026-03-20T00:00", 60),
    ("*/7 * * * * *", "Asia/Tehran", "2026-05-05T05:05", 0.0006),
    ("30 59 1 * * *", "Europe/Berlin", "2026-03-28T00:00", 2),
    ("0 30 2 * * *", "Europe/Berlin", "2026-10-24T23:00", 0.2),
    ("5/20 22-23,0-1 * * *", "Africa/Casablanca", "2026-03-20T20:00", 0.4),
    ("0 6 * jan,JUL fri-sun", "Asia/Tokyo", "2026-06-28T00:00", 12),
    ("0 6 ? * 5-7", "Asia/Tokyo", "2026-06-28T00:00", 12),
]


def main():
    print("/* Made by cron_ticks.py. */")
    for text, zone, start, days in CASES:
        begin = at(start)
        ticks = Cron(text).ticks(zone, begin, begin + int(days * 86400))
        print(f'{{"{text}", "{zone}", {begin}, {begin + int(days * 86400)},\n {{{", ".join(map(str, ticks[:31])) or 0}}}, {len(ticks[:31])}}},')


if __name__ == "__main__":
    main()
