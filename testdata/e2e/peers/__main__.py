"""Other taps of the same services beside ours: rows, values, calls, seconds.

The peers are unmodified; a launcher points each at the sandbox. Each row of
theirs is held against ours by rule (compare.py), and both counts against the
sandbox's truth. usage: python3 -m peers PROGRAM FOLDER.

singer-io's tap-zoho-crm is not on PyPI: with TAP_ZOHO_CRM=FOLDER, a checkout
of it, it runs too.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path

from rig.install import Environments
from rig.sandbox import Sandbox

from . import exact_online, saasoptics, zoho_crm
from .peer import START, Result

RECORDS = 300
NAMED = 8
Peer = Callable[[Path, Path, Sandbox], Result]

# What has no place in a run, and why.
NOT_RUN = {
    "tap-exact (TicketSwap) 2470ed5": "not on PyPI; keeps its tokens in S3 only and reads Atom XML, which the sandbox "
    "does not send. By its source: 6 streams, divisions named by hand, two lists with Modified read whole "
    "(assets, gl_classifications)",
}


def print_tables(results: list[Result], not_run: dict[str, str]) -> None:
    """The tables of the README."""
    print_row(
        "peer",
        "version",
        "streams theirs / ours",
        "rows truth / theirs / ours",
        "values compared",
        "differ",
        "calls",
        "seconds",
    )
    print_row(*["---"] * 8)
    for r in results:
        if r.theirs or r.ours:
            calls, seconds = f"{r.calls[0]:,} / {r.calls[1]:,}", f"{r.seconds[0]:.1f} / {r.seconds[1]:.1f}"
            rows, streams = f"{r.truth:,} / {r.theirs:,} / {r.ours:,}", f"{r.streams[0]} / {r.streams[1]}"
            print_row(r.peer, r.version, streams, rows, f"{r.compared:,}", f"{sum(r.rules.values()):,}", calls, seconds)
    print()
    print_row("peer", "what happens")
    print_row(*["---"] * 2)
    for r in results:
        lacking = [f"rows it lacks: {', '.join(r.lacking)}"] if r.lacking else []
        if r.absent:
            most = sorted(r.absent, key=r.absent.__getitem__, reverse=True)[:NAMED]
            named = ", ".join(f"{name} {r.absent[name]:,}" for name in most)
            total = sum(r.absent.values())
            lacking.append(f"streams it does not have: {len(r.absent)} with {total:,} rows (most in {named})")
        print_row(f"{r.peer} {r.version}".strip(), "; ".join([*r.notes, *lacking]))
    for peer, why in not_run.items():
        print_row(peer, why)
    print()
    print_row("peer", "difference", "values", "for example")
    print_row(*["---"] * 4)
    for r in results:
        for rule, count in r.rules.most_common():
            print_row(r.peer, rule, f"{count:,}", r.examples[rule])


def print_row(*cells: str) -> None:
    print(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")


def main(tap: Path, folder: Path) -> int:
    """Run all; 1 on any difference that no rule explains."""
    work, environments = folder / "peers", Environments(folder / "venvs")
    not_run = {}
    peers: list[tuple[str, str, Peer]] = [("saasoptics", "tap-saasoptics", saasoptics.tap_saasoptics)]
    if checkout := os.environ.get("TAP_ZOHO_CRM"):
        singer_io = functools.partial(zoho_crm.singer_io, checkout=Path(checkout).resolve())
        peers.append(("zoho_crm", "tap-zoho-crm", singer_io))
    else:
        not_run["tap-zoho-crm (singer-io)"] = "not on PyPI; runs with TAP_ZOHO_CRM=FOLDER of a checkout"
    peers.append(("zoho_crm", "airbyte-source-zoho-crm", zoho_crm.airbyte))
    peers.append(("exact_online", "tap-exact", exact_online.tap_exact))
    results = []
    for source, environment, peer in peers:
        # Each has a sandbox of its own, for each changes rows.
        with Sandbox(tap, work / environment, RECORDS, (source,)) as sandbox:
            sandbox.configure(source, start_date=START, token_store=str(work / environment / "tokens.json"))
            results.append(peer(tap, environments.program(environment, "python"), sandbox))

    print_tables(results, not_run | NOT_RUN)
    findings = [f"{r.peer}: {what}" for r in results for what in r.findings]
    for what in findings:
        print(f"FOUND {what}", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
