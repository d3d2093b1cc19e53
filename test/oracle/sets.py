"""Mode `set`: the samples as a function of the set of events, as if all came within the bound.

Owns: the second, timeless way to the same samples; it shares with mode `ordered` only rules.py.
Invariants:
1. The order of the lines does not matter: of copies, the one with the lowest (source, offset) stands.
2. No watermark, no lateness, no memory: forced watermarks and `end` are ignored, `late_view` is false.
3. Owners are found by scanning all views of the user's item, not by a search.
"""

from collections import defaultdict

from rules import Engagement, View, counts_for_any, is_quarantined, make_sample, utf8


def samples_of_set(events, config):
    """Samples ordered by partition, deadline, identity, user: within a partition the order of sealing."""
    real = [e for e in events if "time" in e and not e.get("refused") and not is_quarantined(e, config)]
    real.sort(key=lambda e: (e.get("partition", 0), e["source"], e["offset"]))
    views = first_of_each(View(e, config) for e in real if e["source"] == 0)
    engagements = first_of_each(Engagement(e) for e in real if e["source"] != 0)
    owned = give_to_owners(views, engagements, config)
    views.sort(key=lambda v: (v.partition, v.deadline, v.order, utf8(v.user)))
    return [make_sample(view, owned[id(view)], config) for view in views]


def first_of_each(things):
    first = {}
    for thing in things:
        first.setdefault((thing.partition, thing.user, thing.identity), thing)
    return list(first.values())


def give_to_owners(views, engagements, config):
    by_id = {(v.partition, v.user, v.identity): v for v in views}
    by_item = defaultdict(list)
    for view in views:
        by_item[view.partition, view.user, view.item].append(view)
    owned = defaultdict(list)
    for engagement in engagements:
        owner = owner_of(engagement, by_id, by_item, config)
        if owner is not None and counts_for_any(engagement, owner, config):
            owned[id(owner)].append(engagement)
    return owned


def owner_of(engagement, by_id, by_item, config):
    where = (engagement.partition, engagement.user)
    if engagement.view_id is not None:
        named = by_id.get((*where, engagement.view_id))
        candidates = [named] if named is not None else []
    else:
        candidates = by_item.get((*where, engagement.item), [])
    early_enough = [v for v in candidates if v.time <= engagement.time + config.tolerance_ms]
    return max(early_enough, key=lambda v: (v.time, v.order), default=None)
