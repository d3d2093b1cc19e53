"""Random event streams in the oracle's format, with a configuration to go with them.

Owns: what is random. Everything follows from the seed.

    python3 generate.py --seed N --config CONFIG.json [--views V] [--users U] [--items I] [--partitions P]
                        [--sources S] [--copies RATE] [--beyond RATE] [--out events.jsonl]

Invariants:
1. Without `--beyond`, every first arrival is within the bound of its source: no event is more than
   outOfOrdernessMs below an earlier one of its source and partition, so nothing is late.
2. Copies come up to rememberSealedMs / 4 later than their originals; the latest is still remembered.
   Copies of views may differ in `bytes` only; copies of engagements differ in nothing.
3. A user's partition is Kafka's: murmur2 of the id's UTF-8 bytes, modulo the partitions.
4. Offsets count up per source and partition in the order of fetching; the last line is `end`.
5. Different events never share an identity, save views of one user, item and time without view ids.
"""

import argparse
import json
import random
import sys

ODD_NAMES = ["u:1", "50%", "%3A", "\uff5e", "\U0001f600", "a:b:1", "ü"]
TYPES = ["click", "watch", "like", "nobody-wants-this"]
FOLDS = ["any", "first", "last", "max", "sum", "count"]


# --- configuration ---


def make_config(rng, partitions=1, sources=2, bound_ms=None):
    """Every fold at least once, windows of different lengths, types with several labels."""
    folds = FOLDS + rng.choices(FOLDS, k=2)
    longest_ms = rng.choice([5000, 20000, 120000])
    labels = [make_label(rng, number, fold, longest_ms) for number, fold in enumerate(folds)]
    return {
        "partitions": partitions,
        "sources": ["views"] + [f"engagements{n}" for n in range(1, sources)],
        "basis": "event",
        "outOfOrdernessMs": rng.choice([0, 1000, 5000, 30000]) if bound_ms is None else bound_ms,
        "allowedLatenessMs": rng.choice([0, 0, 1500, 15000]),
        "clockSkewToleranceMs": rng.choice([0, 0, 1000, 2500]),
        "rememberSealedMs": 3_600_000,
        "maxClockSkewMs": None,
        "unseen": "hold",
        "labels": labels,
    }


def make_label(rng, number, fold, longest_ms):
    return {"name": f"{fold}_{number}", "on": rng.choice(TYPES[:3]),
            "withinMs": longest_ms // rng.choice([1, 2, 5]), "fold": fold,
            "default": rng.choice([0, 0, None, -1])}


# --- events ---


def make_events(rng, config, views=100, users=5, items=4):
    """-> the distinct events, without offsets and in no order."""
    people = (ODD_NAMES + [f"user{n}" for n in range(users)])[:users]
    things = (ODD_NAMES[:2] + [f"item{n}" for n in range(items)])[:items]
    events, now = [], 1_000_000
    for number in range(views):
        now += rng.choice([0, 0, 1, 500, 1000, rng.randrange(8000)])
        view = make_view(rng, number, now, rng.choice(people), rng.choice(things))
        events.append(view)
        for sequence in range(rng.choice([0, 0, 1, 1, 2, 5])):
            events.append(make_engagement(rng, config, view, f"{number}.{sequence}", things))
    return [dict(e, partition=partition_of(e["user"], config["partitions"])) for e in events]


def make_view(rng, number, time, user, item):
    view = {"source": 0, "user": user, "item": item, "time": time, "bytes": "original"}
    if rng.random() < 0.5:
        view["viewId"] = rng.choice(["v", "", "\uff5e", "\U0001f600", "9-"]) + str(number)
    return view


def make_engagement(rng, config, view, name, things):
    engagement = {
        "source": rng.randrange(1, len(config["sources"])), "user": view["user"],
        "item": view["item"] if rng.random() < 0.9 else rng.choice(things),
        "time": view["time"] + make_delay(rng, config), "type": rng.choice(TYPES),
        "value": rng.choice([None, 0, 1, 9, 10, -3, -7.5, 0.1, 1e21, rng.uniform(-100, 100)]),
    }
    chance = rng.random()
    if chance < 0.4 and "viewId" in view:
        engagement["viewId"] = view["viewId"]
    elif 0.4 <= chance < 0.45:
        engagement["viewId"] = "unknown"
    if rng.random() < 0.4:
        engagement["engagementId"] = rng.choice(["e", "", "é"]) + name
    return engagement


def make_delay(rng, config):
    """Often exactly at, or one beyond, an end of a window."""
    tolerance = config["clockSkewToleranceMs"]
    window = rng.choice(config["labels"])["withinMs"]
    edges = [0, 1, -1, -tolerance, -tolerance - 1, window, window + 1, 1000]
    return rng.choice([*edges, rng.randint(0, window), rng.randint(-tolerance - 2000, 2 * window)])


# --- order of fetching ---


def arrange(rng, config, events, copies=0.0, beyond=0.0):
    """-> the events (and copies of some) in a random order of fetching, with offsets and `end`."""
    queues = {}
    for event in events:
        for key, arrival in arrivals(rng, config, event, copies, beyond):
            queues.setdefault((event["source"], event["partition"]), []).append((key, rng.random(), arrival))
    for queue in queues.values():
        queue.sort(key=lambda entry: entry[:2])
    return [*with_offsets(interleave(rng, queues)), {"end": True}]


def arrivals(rng, config, event, copies, beyond):
    """The event and its copies, each with its place in its source.

    A place of time + [0, bound] keeps invariant 1: before it are only events with a lower place, so at
    most `bound` later in time. A copy's place is after that of the original, so it never moves the clock
    first.
    """
    place = event["time"] + rng.randint(0, config["outOfOrdernessMs"])
    if rng.random() < beyond:
        place += rng.randrange(300_000)
    yield place, event
    while rng.random() < copies:
        later = rng.choice([0, 1, 1000, config["rememberSealedMs"] // 4])
        conflict = event["source"] == 0 and rng.random() < 0.3
        yield place + later, dict(event, bytes="other") if conflict else event


def interleave(rng, queues):
    """Merges the sources in bursts: sources may be far ahead of one another."""
    queues = {key: list(reversed(queue)) for key, queue in queues.items()}
    while queues:
        key = rng.choice(sorted(queues))
        for _ in range(rng.choice([1, 1, 2, 5, 50])):
            if queues[key]:
                yield queues[key].pop()[-1]
        if not queues[key]:
            del queues[key]


def with_offsets(events):
    following = {}
    for event in events:
        key = (event["source"], event["partition"])
        offset = following.get(key, 0)
        following[key] = offset + 1
        yield dict(event, offset=offset)


# --- Kafka's partitioner ---


def partition_of(user, partitions):
    return (murmur2(user.encode("utf-8")) & 0x7FFFFFFF) % partitions


def murmur2(data):
    """As org.apache.kafka.common.utils.Utils.murmur2, unsigned."""
    mask, multiplier = 0xFFFFFFFF, 0x5BD1E995
    result = (0x9747B28C ^ len(data)) & mask
    whole = len(data) // 4 * 4
    for index in range(0, whole, 4):
        word = int.from_bytes(data[index:index + 4], "little") * multiplier & mask
        word = (word ^ word >> 24) * multiplier & mask
        result = (result * multiplier & mask) ^ word
    if len(data) > whole:
        result = (result ^ int.from_bytes(data[whole:], "little")) * multiplier & mask
    result = (result ^ result >> 13) * multiplier & mask
    return result ^ result >> 15


# --- command line ---


def main():
    parser = argparse.ArgumentParser(description="random event streams for the oracle")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--config", required=True, help="where to write the configuration")
    parser.add_argument("--out", help="where to write the events (default: stdout)")
    parser.add_argument("--views", type=int, default=1000)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--items", type=int, default=6)
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--sources", type=int, default=2, help="views and the rest engagements")
    parser.add_argument("--copies", type=float, default=0.1, help="the chance of a (further) copy of an event")
    parser.add_argument("--beyond", type=float, default=0.0, help="the chance that an event is beyond the bound")
    args = parser.parse_args()
    if args.sources < 2:
        parser.error("--sources: views and at least one of engagements")
    rng = random.Random(args.seed)
    config = make_config(rng, args.partitions, args.sources)
    events = make_events(rng, config, args.views, args.users, args.items)
    with open(args.config, "w") as file:
        json.dump(config, file, indent=2)
        file.write("\n")
    out = open(args.out, "w") if args.out else sys.stdout
    for event in arrange(rng, config, events, args.copies, args.beyond):
        out.write(json.dumps(event, separators=(",", ":")) + "\n")
    out.flush()


if __name__ == "__main__":
    main()
