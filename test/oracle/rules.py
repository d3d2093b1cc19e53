"""The timeless rules: identity, what counts for a label, folds (SEMANTICS.md sections 1 and 2).

Owns: the configuration, the events as values, and the pure functions over them.
Invariants:
1. Nothing here knows a watermark, an order of arrival or any mutable state but `View.bound`.
2. Texts are ordered by their UTF-8 bytes; numbers become text as JavaScript writes them.
3. All times are milliseconds.
Fails: ValueError with the offending event or key.
"""

import math
import sys
from decimal import Decimal

FOLDS = ("any", "first", "last", "max", "sum", "count")
INFINITY = math.inf


class Label:
    """One output: `on` is the engagement type, `within_ms` the attribution window."""

    def __init__(self, raw):
        self.name = raw["name"]
        self.on = raw["on"]
        self.within_ms = raw["withinMs"]
        self.fold = raw.get("fold", "any")
        self.default = raw.get("default", 0)
        if self.fold not in FOLDS:
            raise ValueError(f"labels.{self.name}.fold: {self.fold!r}")


class Config:
    """CONFIG.json; what is missing has the value that changes least."""

    def __init__(self, raw):
        self.partitions = raw.get("partitions")
        self.sources = list(raw["sources"])
        self.basis = one_of(raw, "basis", ("event", "arrival"))
        self.unseen = one_of(raw, "unseen", ("hold", "skip"))
        self.bound_ms = raw.get("outOfOrdernessMs", 0)
        self.lateness_ms = raw.get("allowedLatenessMs", 0)
        self.tolerance_ms = raw.get("clockSkewToleranceMs", 0)
        self.remember_ms = raw.get("rememberSealedMs", 0)
        self.max_skew_ms = raw.get("maxClockSkewMs")
        self.labels = [Label(label) for label in raw["labels"]]
        self.types = {label.on for label in self.labels}
        self.longest_ms = max(label.within_ms for label in self.labels)

    def view_deadline(self, view_time):
        """A view is sealed when the watermark is beyond this."""
        return view_time + self.longest_ms + self.lateness_ms + self.tolerance_ms

    def engagement_deadline(self, engagement_time):
        """An engagement is decided when the watermark is beyond this."""
        return engagement_time + self.lateness_ms + self.tolerance_ms


def one_of(raw, key, choices):
    value = raw.get(key, choices[0])
    if value not in choices:
        raise ValueError(f"{key}: {value!r} is none of {choices}")
    return value


# --- text -----------------------------------------------------------------------------------


def utf8(text):
    return text.encode("utf-8", "surrogatepass")


def percent(text):
    """Only what would make `user:item:ms` ambiguous is encoded; `%` first."""
    return text.replace("%", "%25").replace(":", "%3A")


def number_text(value):
    """A number as JavaScript's String() gives it, so 12, 12.0 and 1.2e1 are one text."""
    if isinstance(value, int):
        return str(value)
    if value == 0:
        return "0"
    _, digits, exponent = Decimal(repr(abs(value))).as_tuple()
    text = "".join(map(str, digits))
    exponent += len(text) - len(text.rstrip("0"))
    text = text.rstrip("0")
    return ("-" if value < 0 else "") + place_point(text, len(text) + exponent)


def place_point(digits, point):
    """ECMAScript Number::toString, steps 6 to 10: `digits` with the point after `point` of them."""
    if len(digits) <= point <= 21:
        return digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{mantissa}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def nullable(text):
    """A sort key in which null comes before every text."""
    return (0,) if text is None else (1, utf8(text))


# --- events ---------------------------------------------------------------------------------


class View:
    """A view; `bound` holds the engagements that were given to it."""

    __slots__ = ("user", "item", "time", "identity", "order", "content", "partition", "offset",
                 "deadline", "late", "sealed_at", "bound")

    def __init__(self, raw, config):
        self.user = raw["user"]
        self.item = raw["item"]
        self.time = raw["time"]
        self.identity = view_identity(raw)
        self.order = utf8(self.identity)
        self.content = (raw["item"], raw.get("viewId"), raw["time"], raw.get("bytes"))
        self.partition = raw.get("partition", 0)
        self.offset = raw["offset"]
        self.deadline = config.view_deadline(self.time)
        self.late = False
        self.sealed_at = None
        self.bound = []


class Engagement:
    """An engagement; `identity` is its sort key and what tells copies."""

    __slots__ = ("user", "item", "view_id", "type", "time", "value", "identity", "source",
                 "partition", "offset")

    def __init__(self, raw):
        self.user = raw["user"]
        self.item = raw.get("item")
        self.view_id = raw.get("viewId")
        self.type = raw["type"]
        self.time = raw["time"]
        self.value = raw.get("value")
        self.identity = engagement_identity(raw)
        self.source = raw["source"]
        self.partition = raw.get("partition", 0)
        self.offset = raw["offset"]
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"a value that is not finite should have been refused: {raw}")


def view_identity(raw):
    if raw.get("viewId") is not None:
        return raw["viewId"]
    return f"{percent(raw['user'])}:{percent(raw['item'])}:{raw['time']}"


def engagement_identity(raw):
    """Compared part by part as text, null first; those with an engagement id before the others."""
    time = utf8(str(raw["time"]))
    if raw.get("engagementId") is not None:
        return (0, utf8(raw["engagementId"]), time)
    value = raw.get("value")
    return (1, nullable(raw.get("viewId")), nullable(raw.get("item")), nullable(raw["type"]), time,
            nullable(None if value is None else number_text(value)))


def is_quarantined(raw, config):
    """Stamped too far ahead of the machine's clock, in its own time or in the time that moves the clock."""
    if config.max_skew_ms is None or raw.get("now") is None:
        return False
    return max(raw["time"], clock_time(raw, config)) > raw["now"] + config.max_skew_ms


def clock_time(raw, config):
    """The time with which a record moves its source's clock."""
    return raw.get("stamp", raw["time"]) if config.basis == "arrival" else raw["time"]


# --- what counts ----------------------------------------------------------------------------


def counts(engagement, view, label, config):
    """Whether the engagement, owned by the view, counts for the label."""
    if engagement.type != label.on:
        return False
    if engagement.value is None and label.fold not in ("any", "count"):
        return False
    return -config.tolerance_ms <= engagement.time - view.time <= label.within_ms


def counts_for_any(engagement, view, config):
    return any(counts(engagement, view, label, config) for label in config.labels)


def fold(label, counted):
    """The label's value over the engagements that counted, already in fold order."""
    if not counted:
        return label.default
    if label.fold == "any":
        return 1
    if label.fold == "count":
        return len(counted)
    values = [float(engagement.value) for engagement in counted]
    return plain(FOLD_OF[label.fold](values))


def total(values):
    """Left to right from the first value on: the order of a sum of floats is part of its value.
    A sum beyond the largest double is that double, at every step."""
    result = values[0]
    for value in values[1:]:
        result = max(-sys.float_info.max, min(result + value, sys.float_info.max))
    return result


FOLD_OF = {"first": lambda v: v[0], "last": lambda v: v[-1], "max": max, "sum": total}


def plain(number):
    """3.0 is written as 3, as JavaScript writes it."""
    return int(number) if abs(number) < 2**53 and number == int(number) else number


def make_sample(view, owned, config):
    """The sample of a view, given the engagements that it owns."""
    ordered = sorted(owned, key=lambda engagement: (engagement.time, engagement.identity))
    labels, delays = {}, {}
    for label in config.labels:
        counted = [e for e in ordered if counts(e, view, label, config)]
        labels[label.name] = fold(label, counted)
        delays[label.name] = min((max(0, e.time - view.time) for e in counted), default=None)
    return {"sample_id": view.identity, "user_id": view.user, "item_id": view.item,
            "view_time": view.time, "labels": labels, "delays_ms": delays, "late_view": view.late,
            "partition": view.partition, "offset": view.offset}
