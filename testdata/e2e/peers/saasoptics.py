"""tap-saasoptics (singer-io) beside ours."""

from __future__ import annotations

import json
import re
from pathlib import Path

from rig.sandbox import Row, Sandbox

from .compare import instant
from .peer import START, Pair, Result, beside, failing_stream, ours_goes_on, reason, select, syncing

# Where the tables of tap-saasoptics 1.1.1 are not ours, and why.
NEWER = {"deleted_customers", "deleted_payments", "payments"}  # of the API, since that version
READ_WHOLE = {"sales_orders"}  # by theirs; ours takes what was created since


def tap_saasoptics(tap: Path, python: Path, sandbox: Sandbox) -> Result:
    """tap-saasoptics: the same streams, keys and bookmarks; its state goes on in ours."""
    result = Result("tap-saasoptics", "1.1.1", "saasoptics")
    ours = sandbox.config("saasoptics")
    config = {key: ours[key] for key in ("token", "account_name", "server_subdomain")}
    pair = Pair(
        tap,
        python,
        "launch_saasoptics.py",
        sandbox,
        "saasoptics",
        config | {"start_date": START, "user_agent": "peer"},
    )

    pair.theirs("discover", "--discover")
    pair.ours("discover", "--discover")
    catalog, own = json.loads(pair.read("theirs-discover")), json.loads(pair.read("ours-discover"))
    same_tables(result, catalog, own)

    select(catalog, None, True)
    first, last, gone = pair.until_it_ends(catalog, failing_property)
    if first.code != 0:
        result.notes.append(
            f"as it is it ends with exit {first.code} after {first.output.count:,} rows: {reason(first)}"
        )
    ended = [name for name in gone if "." not in name]
    if gone:
        result.notes.append(f"it ends well once {', '.join(gone)} are deselected")
    # The streams that it knows, so that calls and seconds can be compared.
    mine = pair.ours("sync", *(f"--select={entry['stream']}" for entry in catalog["streams"]))
    if last.code != 0 or mine.code != 0:
        result.findings.append(f"exit codes: theirs {last.code}, ours {mine.code}: {reason(last)}")
    result.cost(last, mine)
    streams = [entry["stream"] for entry in catalog["streams"]]
    beside(result, pair, last.output, mine.output, streams, skip=properties(gone))
    bookmarks(result, last.output.state, mine.output.state)
    ours_goes_on(result, pair, last.output.state, sorted(set(streams) - set(ended)))
    return result


def same_tables(result: Result, theirs: Row, ours: Row) -> None:
    """Streams, primary keys and replication keys of two catalogs."""

    def tables(catalog: Row) -> dict[str, tuple[list[str], list[str]]]:
        found = {}
        for entry in catalog["streams"]:
            root = next(item["metadata"] for item in entry["metadata"] if item["breadcrumb"] == [])
            found[entry["stream"]] = (root["table-key-properties"], root.get("valid-replication-keys") or [])
        return found

    left, right = tables(theirs), tables(ours)
    result.streams = (len(left), len(right))
    for name in sorted((set(left) ^ set(right)) - NEWER):
        result.findings.append(f"stream {name}: only {'theirs' if name in left else 'ours'}")
    unknown = ", ".join(sorted(set(right) - set(left)))
    result.notes.append(
        f"streams it does not know: {unknown}; read whole each time: {', '.join(sorted(READ_WHOLE))}; else the same keys"
    )
    for name in sorted(set(left) & set(right) - READ_WHOLE):
        if left[name] != right[name]:
            result.findings.append(f"{name}: keys theirs {left[name]}, ours {right[name]}")


def failing_property(catalog: Row, log: str) -> list[str]:
    """Deselects the properties that a row did not fit, else the stream."""
    stream = syncing(log)
    # A branch of anyOf that is null says so too, and is no reason.
    wrong = re.findall(r"^\t(\w[\w.]*): data does not match (?!\{'type': 'null'\})", log, re.MULTILINE)
    if not wrong:
        return failing_stream(catalog, log)
    names = sorted({path.split(".")[0] for path in wrong})
    for name in names:
        select(catalog, ["properties", name], False, stream)
    return [f"{stream}.{name}" for name in names]


def properties(gone: list[str]) -> dict[str, set[str]]:
    """The deselected properties of each stream."""
    found: dict[str, set[str]] = {}
    for name in gone:
        stream, _, member = name.partition(".")
        found.setdefault(stream, set()).add(member)
    return found


def bookmarks(result: Result, theirs: Row, ours: Row) -> None:
    """The same instants: theirs a bare value, ours by key."""
    equal = 0
    for stream, value in theirs.get("bookmarks", {}).items():
        own = next(iter(ours["bookmarks"].get(stream, {}).values()), None)
        if own is None or instant(str(own)) != instant(str(value)):
            result.findings.append(f"bookmark of {stream}: theirs {value}, ours {own}")
        else:
            equal += 1
    result.notes.append(f"{equal} bookmarks, the same instants as ours")
