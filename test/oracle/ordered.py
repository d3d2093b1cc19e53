"""Mode `ordered`: the join record by record, in the order of fetching (SEMANTICS.md sections 1, 3, 4, 7).

Owns: watermarks, pending and remembered views, undecided engagements, the ledger.
Invariants:
1. A record first moves the clock; then everything due at the new watermark is decided; then the record
   is taken in at that watermark. Quarantined and refused records move nothing.
2. In one advance: engagements are decided, then views sealed, then sealed views forgotten.
3. The ledger balances after every record; what is pending or undecided is counted in the heaps
   themselves, not in a counter.
4. A heap entry stands for exactly one live thing: nothing is removed from the middle of a heap.
Fails: AssertionError when the ledger does not balance; ValueError for an event that cannot be.
"""

import heapq
from bisect import bisect_left, insort

from rules import (INFINITY, Engagement, View, clock_time, counts_for_any, is_quarantined,
                   make_sample, utf8)

VIEW_COUNTS = ("in", "samples", "duplicates", "conflicts", "quarantined")
ENGAGEMENT_COUNTS = ("in", "bound", "unused", "outside", "late", "orphan", "duplicates", "quarantined")


class User:
    """The views of one user that are known (pending or remembered), and the engagements that a copy can meet."""

    def __init__(self):
        self.views = {}           # identity -> View
        self.by_item = {}         # item -> sorted [(time, identity bytes, View)]
        self.engagements = set()  # identities, undecided or bound to a pending view

    def add(self, view):
        self.views[view.identity] = view
        insort(self.by_item.setdefault(view.item, []), (view.time, view.order, view))

    def forget(self, view):
        del self.views[view.identity]
        self.by_item[view.item].remove((view.time, view.order, view))

    def owner(self, engagement, tolerance_ms):
        """The known view that the engagement belongs to; one later than its time + tolerance is none."""
        latest = engagement.time + tolerance_ms
        if engagement.view_id is not None:
            view = self.views.get(engagement.view_id)
            return view if view is not None and view.time <= latest else None
        views = self.by_item.get(engagement.item, [])
        index = bisect_left(views, (latest + 1,))  # the first that is too late; ties end with the greater identity
        return views[index - 1][2] if index > 0 else None


class Partition:
    """One partition: its clocks, its users, and what is due when."""

    def __init__(self, config, emit, aside):
        self.config = config
        self.emit = emit
        self.aside = aside
        self.highest = [None] * len(config.sources)
        self.watermark = -INFINITY
        self.users = {}
        self.undecided = []   # heap: (engagement deadline, identity, user bytes, Engagement)
        self.pending = []     # heap: (view deadline, identity bytes, user bytes, View)
        self.remembered = []  # heap: (last watermark at which it is known, sequence, View)
        self.sequence = 0
        self.views = dict.fromkeys(VIEW_COUNTS, 0)
        self.engagements = dict.fromkeys(ENGAGEMENT_COUNTS, 0)
        self.records = 0
        self.refused = 0

    # --- records ---

    def refuse(self):
        self.records += 1
        self.refused += 1

    def take(self, raw):
        self.records += 1
        is_view = raw["source"] == 0
        kind = self.views if is_view else self.engagements
        kind["in"] += 1
        if is_quarantined(raw, self.config):
            kind["quarantined"] += 1
            return
        self.move_clock(raw["source"], clock_time(raw, self.config))
        if is_view:
            self.take_view(View(raw, self.config))
        else:
            self.take_engagement(Engagement(raw))
        self.settle()  # what came past its own deadline is due at once

    def take_view(self, view):
        user = self.user(view.user)
        first = user.views.get(view.identity)
        if first is not None:
            self.views["duplicates"] += 1
            self.views["conflicts"] += first.content != view.content
            return
        view.late = self.watermark > view.time + self.config.lateness_ms
        user.add(view)
        heapq.heappush(self.pending, (view.deadline, view.order, utf8(view.user), view))

    def take_engagement(self, engagement):
        user = self.user(engagement.user)
        if engagement.identity in user.engagements:
            self.engagements["duplicates"] += 1
            return
        user.engagements.add(engagement.identity)
        deadline = self.config.engagement_deadline(engagement.time)
        heapq.heappush(self.undecided, (deadline, engagement.identity, utf8(engagement.user), engagement))

    def user(self, name):
        if name not in self.users:
            self.users[name] = User()
        return self.users[name]

    # --- the clock ---

    def move_clock(self, source, time):
        if self.highest[source] is None or time > self.highest[source]:
            self.highest[source] = time
            self.advance(self.least_clock())

    def least_clock(self):
        seen = [time for time in self.highest if time is not None]
        if self.config.unseen == "hold" and len(seen) < len(self.highest):
            return -INFINITY
        return min(seen) - self.config.bound_ms

    def advance(self, watermark):
        if watermark > self.watermark:
            self.watermark = watermark
            self.settle()

    def settle(self):
        """Everything that is due at the watermark, in the order of invariant 2."""
        while self.undecided and self.watermark > self.undecided[0][0]:
            self.decide(heapq.heappop(self.undecided)[-1])
        while self.pending and self.watermark > self.pending[0][0]:
            self.seal(heapq.heappop(self.pending)[-1])
        while self.remembered and self.watermark > self.remembered[0][0]:
            view = heapq.heappop(self.remembered)[-1]
            self.users[view.user].forget(view)

    # --- what is due ---

    def decide(self, engagement):
        user = self.users[engagement.user]
        owner = user.owner(engagement, self.config.tolerance_ms)
        bucket = self.bucket(engagement, owner)
        self.engagements[bucket] += 1
        if bucket == "bound":
            owner.bound.append(engagement)
            return
        user.engagements.remove(engagement.identity)
        if bucket != "unused":
            self.aside({"reason": bucket, "source": engagement.source,
                        "partition": engagement.partition, "offset": engagement.offset})

    def bucket(self, engagement, owner):
        if engagement.type not in self.config.types:
            return "unused"
        if owner is None:
            return "orphan"
        if not counts_for_any(engagement, owner, self.config):
            return "outside"
        return "bound" if owner.sealed_at is None else "late"

    def seal(self, view):
        view.sealed_at = self.watermark
        self.views["samples"] += 1
        self.emit(make_sample(view, view.bound, self.config))
        self.users[view.user].engagements.difference_update(e.identity for e in view.bound)
        view.bound = []
        self.sequence += 1
        known_from = view.sealed_at if view.late else view.deadline
        heapq.heappush(self.remembered, (known_from + self.config.remember_ms, self.sequence, view))

    # --- the ledger ---

    def assert_balance(self):
        views, engagements = self.views, self.engagements
        assert self.records == views["in"] + engagements["in"] + self.refused
        assert views["in"] == (views["samples"] + len(self.pending) + views["duplicates"]
                               + views["quarantined"]), (views, len(self.pending))
        assert views["conflicts"] <= views["duplicates"]
        assert engagements["in"] == len(self.undecided) + sum(
            engagements[bucket] for bucket in ENGAGEMENT_COUNTS[1:]), (engagements, len(self.undecided))

    def ledger(self):
        return {"views": {**self.views, "pending": len(self.pending)},
                "engagements": {**self.engagements, "undecided": len(self.undecided)},
                "refused": self.refused}


class Ordered:
    """All partitions. `emit` gets each sample, `aside` each side output, as they happen."""

    def __init__(self, config, emit, aside=lambda event: None):
        self.config = config
        self.emit = emit
        self.aside = aside
        self.partitions = {}
        for number in range(config.partitions or 0):
            self.partition(number)

    def partition(self, number):
        if number not in self.partitions:
            if self.config.partitions is not None and not 0 <= number < self.config.partitions:
                raise ValueError(f"partition {number} of {self.config.partitions}")
            self.partitions[number] = Partition(self.config, self.emit, self.aside)
        return self.partitions[number]

    def take(self, raw):
        """One line of the input."""
        if raw.get("end"):
            return self.end()
        partition = self.partition(raw.get("partition", 0))
        if "watermark" in raw:
            partition.advance(raw["watermark"])
        elif raw.get("refused"):
            partition.refuse()
        else:
            partition.take(raw)
        partition.assert_balance()

    def end(self):
        for number in sorted(self.partitions):
            self.partitions[number].advance(INFINITY)
            self.partitions[number].assert_balance()

    def ledger(self):
        each = {str(n): self.partitions[n].ledger() for n in sorted(self.partitions)}
        return {"partitions": each, "total": add_ledgers(list(each.values()))}


def add_ledgers(ledgers):
    return {
        "views": {key: sum(l["views"][key] for l in ledgers) for key in (*VIEW_COUNTS, "pending")},
        "engagements": {key: sum(l["engagements"][key] for l in ledgers)
                        for key in (*ENGAGEMENT_COUNTS, "undecided")},
        "refused": sum(l["refused"] for l in ledgers),
    }
