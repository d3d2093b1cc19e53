"""The oracle: expected samples and ledger from raw events, written from SEMANTICS.md alone.

Owns: the command line. rules.py has what counts, ordered.py the join record by record, sets.py the
join as a function of the set of events.

    python3 oracle.py --config CONFIG.json [--mode ordered|set] [--ledger FILE] [--side FILE]
                      < events.jsonl > samples.jsonl

Invariants:
1. Shares no code with the product; standard library only.
2. An input without one event fails: a check that saw nothing has checked nothing.
Fails: exit code 2 for wrong use or a bad configuration, 1 for anything wrong with the events.
"""

import argparse
import contextlib
import json
import sys

from ordered import Ordered
from rules import Config
from sets import samples_of_set


def run_ordered(events, config):
    """-> (samples, ledger, side outputs), all in the order in which they came about."""
    samples, side = [], []
    join = Ordered(config, samples.append, side.append)
    for event in events:
        join.take(event)
    return samples, join.ledger(), side


def read_events(stream):
    """JSON lines as bytes -> events; blank lines are skipped, an empty input is an error."""
    number = 0
    for number, line in enumerate(stream, 1):
        if line.strip():
            try:
                yield json.loads(line.decode("utf-8"))
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
    if number == 0:
        raise ValueError("no events")


def write_line(file, value):
    file.write(json.dumps(value, separators=(",", ":")) + "\n")


def stream_ordered(events, config, args):
    with contextlib.ExitStack() as files:
        side = files.enter_context(open(args.side, "w")) if args.side else None
        aside = (lambda event: write_line(side, event)) if side else (lambda event: None)
        join = Ordered(config, lambda sample: write_line(sys.stdout, sample), aside)
        for event in events:
            join.take(event)
    if args.ledger:
        with open(args.ledger, "w") as file:
            json.dump(join.ledger(), file, indent=2)
            file.write("\n")


def arguments():
    parser = argparse.ArgumentParser(description="expected samples and ledger from raw events")
    parser.add_argument("--config", required=True)
    parser.add_argument("--mode", choices=("ordered", "set"), default="ordered")
    parser.add_argument("--ledger", help="write the ledger's sums here (mode ordered)")
    parser.add_argument("--side", help="write the side outputs here (mode ordered)")
    args = parser.parse_args()
    if args.mode == "set" and (args.ledger or args.side):
        parser.error("--ledger and --side need --mode ordered: a set has no lateness")
    return parser, args


def main():
    parser, args = arguments()
    try:
        with open(args.config, encoding="utf-8") as file:
            config = Config(json.load(file))
    except (OSError, ValueError, KeyError) as error:
        parser.error(f"{args.config}: {error!r}")
    try:
        events = read_events(sys.stdin.buffer)
        if args.mode == "ordered":
            stream_ordered(events, config, args)
        else:
            for sample in samples_of_set(list(events), config):
                write_line(sys.stdout, sample)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        sys.exit(f"oracle: {error!r}")


if __name__ == "__main__":
    main()
