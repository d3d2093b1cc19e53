"""Tests of the oracle: examples reasoned by hand, random streams, and seeded bugs that must be seen.

Owns: the checks that the checker is not blind. Run: python3 test/oracle/test_oracle.py
Invariants:
1. Every random stream follows from a seed, which a failure names.
2. A check that compared nothing fails.
Environment: ORACLE_SEEDS, how many random streams (default 150).
"""

import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import ordered  # noqa: E402
import rules  # noqa: E402
from generate import arrange, make_config, make_events, murmur2  # noqa: E402
from oracle import run_ordered  # noqa: E402
from rules import Config, number_text  # noqa: E402
from sets import samples_of_set  # noqa: E402

EXAMPLES = json.loads((HERE / "examples.json").read_text(encoding="utf-8"))
SEEDS = int(os.environ.get("ORACLE_SEEDS", "150"))


def differences(example):
    """What the oracle gives otherwise than the example expects."""
    samples, ledger, side = run_ordered(example["events"], Config(example["config"]))
    keys = ("sample_id", "labels", "delays_ms", "late_view")
    found = []
    if [{key: sample[key] for key in keys} for sample in samples] != example["samples"]:
        found.append(("samples", samples, example["samples"]))
    if not includes(ledger["total"], example["ledger"]):
        found.append(("ledger", ledger["total"], example["ledger"]))
    if side != example["side"]:
        found.append(("side", side, example["side"]))
    return found


def fails(example):
    try:
        return bool(differences(example))
    except (AssertionError, KeyError, TypeError):
        return True


def includes(actual, expected):
    if isinstance(expected, dict):
        return all(includes(actual[key], value) for key, value in expected.items())
    return actual == expected


def stream(seed, copies=0.0, beyond=0.0, views=60):
    """-> (rng, config as JSON, distinct events, one order of fetching)."""
    rng = random.Random(seed)
    raw = make_config(rng, partitions=rng.choice([1, 1, 3]), sources=rng.choice([2, 2, 3]))
    events = make_events(rng, raw, views, users=rng.choice([1, 3, 12]), items=rng.choice([1, 3]))
    return rng, raw, events, arrange(rng, raw, events, copies, beyond)


def by_partition(samples):
    """Samples per partition in order, without the offset, which is the order of fetching itself."""
    parted = {}
    for sample in samples:
        parted.setdefault(sample["partition"], []).append({**sample, "offset": None})
    return parted


class Examples(unittest.TestCase):
    def test_every_example_gives_what_was_reasoned_by_hand(self):
        self.assertGreaterEqual(len(EXAMPLES), 24)
        for example in EXAMPLES:
            with self.subTest(example["name"]):
                self.assertEqual(differences(example), [])

    def test_names_are_unique_and_configurations_complete(self):
        self.assertEqual(len({example["name"] for example in EXAMPLES}), len(EXAMPLES))
        keys = set(make_config(random.Random(0)))
        for example in EXAMPLES:
            self.assertEqual(set(example["config"]), keys, example["name"])

    def test_mode_set_gives_the_same_where_nothing_is_late(self):
        compared = 0
        for example in EXAMPLES:
            if not is_within_bound(example):
                continue
            compared += 1
            samples = samples_of_set(example["events"], Config(example["config"]))
            self.assertEqual([s["labels"] for s in samples], [s["labels"] for s in example["samples"]],
                             example["name"])
        self.assertGreater(compared, 15)


def is_within_bound(example):
    """Ends with `end`, and no event came when W was beyond its time."""
    if example["events"][-1] != {"end": True}:
        return False
    join = ordered.Ordered(Config(example["config"]), lambda sample: None)
    for event in example["events"]:
        join.take(event)
        if "time" in event and join.partition(event["partition"]).watermark > event["time"]:
            return False
    return True


class RandomStreams(unittest.TestCase):
    def test_any_order_within_the_bound_gives_the_samples_of_the_set(self):
        samples_seen = sealed_before_end = engaged = 0
        for seed in range(SEEDS):
            rng, raw, events, _ = stream(seed)
            config = Config(raw)
            for _ in range(3):
                fetched = arrange(rng, raw, events)
                samples, ledger, _ = run_ordered(fetched, config)
                expected = samples_of_set(fetched, config)
                self.assertEqual(by_partition(samples), by_partition(expected), f"seed {seed}")
                self.assertFalse(any(sample["late_view"] for sample in samples), f"seed {seed}")
                self.assertEqual(ledger["total"]["engagements"]["late"], 0, f"seed {seed}")
                samples_seen += len(samples)
                sealed_before_end += len(run_ordered(fetched[:-1], config)[0])
                engaged += ledger["total"]["engagements"]["bound"]
        self.assertGreater(samples_seen, SEEDS * 100)
        self.assertGreater(sealed_before_end, SEEDS * 30)
        self.assertGreater(engaged, SEEDS * 50)

    def test_copies_change_no_sample(self):
        copies = 0
        for seed in range(SEEDS):
            _, raw, events, fetched = stream(seed, copies=0.3)
            config = Config(raw)
            samples, ledger, _ = run_ordered(fetched, config)
            expected = samples_of_set(list(with_first_offsets(events)), config)
            self.assertEqual(by_partition(samples), by_partition(expected), f"seed {seed}")
            copies += ledger["total"]["views"]["duplicates"]
        self.assertGreater(copies, SEEDS)

    def test_mode_set_knows_no_order(self):
        for seed in range(SEEDS // 3):
            rng, raw, _, fetched = stream(seed, copies=0.3)
            shuffled = rng.sample(fetched, len(fetched))
            self.assertEqual(samples_of_set(fetched, Config(raw)), samples_of_set(shuffled, Config(raw)),
                             f"seed {seed}")

    def test_beyond_the_bound_the_ledger_balances_and_every_view_gives_one_sample(self):
        """Balance itself is asserted by the oracle after every record."""
        buckets = dict.fromkeys(("late", "orphan", "outside", "unused", "duplicates"), 0)
        for seed in range(SEEDS):
            _, raw, events, fetched = stream(seed, copies=0.2, beyond=0.2, views=200)
            samples, ledger, side = run_ordered(fetched, Config(raw))
            self.assert_one_sample_each(events, samples, f"seed {seed}")
            total = ledger["total"]
            self.assertEqual((total["views"]["pending"], total["engagements"]["undecided"]), (0, 0))
            self.assertEqual(total["views"]["in"] + total["engagements"]["in"], len(fetched) - 1)
            given_up = sum(total["engagements"][key] for key in ("late", "orphan", "outside"))
            self.assertEqual(given_up, len(side), f"seed {seed}")
            for bucket in buckets:
                buckets[bucket] += total["engagements"][bucket]
        self.assertTrue(all(buckets.values()), buckets)

    def assert_one_sample_each(self, events, samples, message):
        views = {(e["user"], rules.view_identity(e)) for e in events if e["source"] == 0}
        ids = [(sample["user_id"], sample["sample_id"]) for sample in samples]
        self.assertEqual(len(ids), len(set(ids)), message)
        self.assertEqual(set(ids), views, message)


def with_first_offsets(events):
    return (dict(event, offset=index) for index, event in enumerate(events))


class Balance(unittest.TestCase):
    def test_a_count_too_many_is_noticed_at_once(self):
        example = EXAMPLES[0]
        join = ordered.Ordered(Config(example["config"]), lambda sample: None)
        join.take(example["events"][0])
        join.partition(0).views["in"] += 1
        with self.assertRaises(AssertionError):
            join.take(example["events"][1])


class SeededBugs(unittest.TestCase):
    """Each bug is one line of the rules done wrong; the examples must see every one."""

    def assert_seen(self, patches):
        with contextlib.ExitStack() as stack:
            for patch in patches:
                stack.enter_context(patch)
            self.assertTrue(any(map(fails, EXAMPLES)), "no example sees this bug")

    def patch_source(self, module, name, old, new):
        """The function or class `name` of the module, with `old` in its source replaced."""
        source = Path(module.__file__).read_text(encoding="utf-8")
        self.assertEqual(source.count(old), 1, f"{old!r} is not once in {module.__name__}")
        changed = {"__name__": module.__name__}
        exec(compile(source.replace(old, new), module.__file__, "exec"), changed)
        return mock.patch.object(module, name, changed[name])

    def test_every_bug_is_seen(self):
        for module, name, old, new in BUGS:
            with self.subTest(f"{old}  ->  {new}"):
                patch = self.patch_source(module, name, old, new)
                self.assert_seen(spread(patch, module, name))


def spread(patch, module, name):
    """ordered.py imported names of rules.py: the bug has to be where they are used, too."""
    yield patch
    if module is rules and hasattr(ordered, name):
        yield mock.patch.object(ordered, name, patch.new)


BUGS = [
    (rules, "counts", "-config.tolerance_ms <= engagement.time", "-config.tolerance_ms < engagement.time"),
    (rules, "counts", "<= label.within_ms", "< label.within_ms"),
    (rules, "counts", "<= label.within_ms", "<= label.within_ms + config.tolerance_ms"),
    (rules, "counts", 'label.fold not in ("any", "count")', 'label.fold not in ("any",)'),
    (rules, "counts", 'label.fold not in ("any", "count")', 'label.fold not in ("any", "count", "max")'),
    (rules, "FOLD_OF", "min(result + value, sys.float_info.max)", "result + value"),
    (rules, "FOLD_OF", "max(-sys.float_info.max, min(result + value, sys.float_info.max))",
     "min(result + value, sys.float_info.max)"),
    (rules, "make_sample", "max(0, e.time - view.time)", "(e.time - view.time)"),
    (rules, "make_sample", "min((max", "max((max"),
    (rules, "make_sample", "key=lambda engagement: (engagement.time, engagement.identity)", "key=lambda e: e.time"),
    (rules, "view_identity", "percent(raw['item'])", "raw['item']"),
    (rules, "View", "utf8(self.identity)", "self.identity.encode('utf-16-be')"),
    (rules, "Engagement", "= engagement_identity(raw)", "= engagement_identity({**raw, 'engagementId': None})"),
    (rules, "Engagement", "= engagement_identity(raw)", "= engagement_identity({**raw, 'value': None})"),
    (rules, "Engagement", "= engagement_identity(raw)", "= engagement_identity({**raw, 'viewId': None})"),
    (rules, "is_quarantined", "> raw[\"now\"] + config", ">= raw[\"now\"] + config"),
    (rules, "clock_time", '== "arrival"', '== "event"'),
    (ordered, "User", "latest = engagement.time + tolerance_ms", "latest = engagement.time"),
    (ordered, "User", "return view if view is not None and view.time <= latest else None", "return view"),
    (ordered, "User", "(latest + 1,)", "(latest,)"),
    (ordered, "User", "views[index - 1][2]", "views[0][2]"),
    (ordered, "User", "if engagement.view_id is not None:", "if False:"),
    (ordered, "Partition", "self.watermark > view.time + self.config.lateness_ms", "self.watermark > view.time"),
    (ordered, "Partition", "self.watermark > view.time + self", "self.watermark >= view.time + self"),
    (ordered, "Partition", "self.watermark > self.undecided[0][0]", "self.watermark >= self.undecided[0][0]"),
    (ordered, "Partition", "self.watermark > self.pending[0][0]", "self.watermark >= self.pending[0][0]"),
    (ordered, "Partition", "self.watermark > self.remembered[0][0]", "self.watermark >= self.remembered[0][0]"),
    (ordered, "Partition", "view.sealed_at if view.late else view.deadline", "view.deadline"),
    (ordered, "Partition", "if watermark > self.watermark:", "if True:"),
    (ordered, "Partition", "min(seen) - self", "max(seen) - self"),
    (ordered, "Partition", "min(seen) - self.config.bound_ms", "min(seen)"),
    (ordered, "Partition", 'unseen == "hold"', 'unseen == "skip"'),
    (ordered, "Partition", "user.engagements.remove(engagement.identity)", "pass"),
    (ordered, "Partition", "engagements.difference_update", "engagements.intersection"),
    (ordered, "Partition", "user.engagements.add(engagement.identity)", "pass"),
    (ordered, "Partition", "first.content != view.content", "0"),
    (ordered, "Partition", 'if engagement.type not in self.config.types:', "if False:"),
    (ordered, "Partition", '"bound" if owner.sealed_at is None else "late"', '"bound"'),
    (ordered, "Partition", "deadline = self.config.engagement_deadline(engagement.time)", "deadline = engagement.time"),
]


class Texts(unittest.TestCase):
    def test_numbers_are_written_as_javascript_writes_them(self):
        cases = {12: "12", 12.0: "12", 0.0: "0", -0.0: "0", -7.5: "-7.5", 1e20: "100000000000000000000",
                 1e21: "1e+21", 1.5e300: "1.5e+300", 1e-6: "0.000001", 1e-7: "1e-7", -1.25e-9: "-1.25e-9",
                 123456.789: "123456.789", 100.0: "100", 5e-324: "5e-324", 0.1: "0.1"}
        for value, text in cases.items():
            self.assertEqual(number_text(value), text)

    def test_murmur2_is_kafkas(self):
        for text, signed in {"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
                             "a-little-bit-longer-string": -1486304829}.items():
            self.assertEqual(murmur2(text.encode()), signed & 0xFFFFFFFF)


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = Path(self.folder.name)

    def run_program(self, program, *args, text=""):
        return subprocess.run([sys.executable, HERE / program, *map(str, args)], input=text.encode("utf-8"),
                              capture_output=True)

    def generate(self, views, *more):
        result = self.run_program("generate.py", "--seed", 7, "--views", views, "--config", self.path / "c.json", *more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.decode("utf-8")

    def oracle(self, text, *more):
        return self.run_program("oracle.py", "--config", self.path / "c.json", *more, text=text)

    def test_both_modes_agree_and_the_files_are_written(self):
        events = self.generate(500, "--partitions", 3)
        one = self.oracle(events, "--ledger", self.path / "l.json", "--side", self.path / "s.jsonl")
        other = self.oracle(events, "--mode", "set")
        self.assertEqual((one.returncode, other.returncode), (0, 0), one.stderr + other.stderr)
        parse = lambda out: by_partition(map(json.loads, out.splitlines()))  # noqa: E731
        self.assertEqual(parse(one.stdout), parse(other.stdout))
        total = json.loads((self.path / "l.json").read_text())["total"]
        self.assertEqual(total["views"]["samples"], len(one.stdout.splitlines()))
        side = (self.path / "s.jsonl").read_text().splitlines()
        self.assertEqual(len(side), sum(total["engagements"][key] for key in ("late", "orphan", "outside")))

    def test_an_empty_or_broken_input_fails(self):
        self.generate(1)
        for text in ("", "{not json}\n", '{"source":0}\n'):
            self.assertEqual(self.oracle(text).returncode, 1, text)

    def test_wrong_use_is_exit_code_2(self):
        self.assertEqual(self.run_program("oracle.py").returncode, 2)
        self.assertEqual(self.run_program("oracle.py", "--config", "/nowhere").returncode, 2)

    def test_half_a_million_events_take_under_a_minute(self):
        events = self.generate(210_000, "--users", 2000, "--items", 50, "--partitions", 4)
        self.assertGreater(events.count("\n"), 500_000)
        began = time.monotonic()
        self.assertEqual(self.oracle(events).returncode, 0)
        self.assertLess(time.monotonic() - began, 60)


if __name__ == "__main__":
    unittest.main()
