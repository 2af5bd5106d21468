"""Other taps of the same services beside ours: rows, values, calls, seconds.

The peers are unmodified; a launcher points each at the sandbox. Each row of
theirs is held against ours by rule (compare.py), and both counts against the
sandbox's truth. usage: python3 -m peers PROGRAM FOLDER.

singer-io's tap-zoho-crm is not on PyPI: with TAP_ZOHO_CRM=FOLDER, a checkout
of it, it runs too.
"""

from __future__ import annotations

import json
import os
import re
import sys
from datetime import datetime
from pathlib import Path

from rig.install import Environments
from rig.programs import Failed
from rig.sandbox import Row, Sandbox

from .compare import instant
from .peer import Pair, Result, Run, select, syncing

RECORDS = 300
# Before any row, so that the truth is all there is.
START = "2018-01-01T00:00:00Z"

# What has no place in a run, and why.
NOT_RUN = (
    ("tap-exact (PyPI)", "0.7.1", "exact_online", "does not install: it requires Python < 3.11"),
    (
        "tap-exact (TicketSwap)",
        "2470ed5",
        "exact_online",
        "not on PyPI; keeps its tokens in S3 only and reads Atom XML, of which the sandbox has an empty feed. By its source: "
        "6 streams, divisions named by hand, two lists with Modified read whole (assets, gl_classifications)",
    ),
)

# Where the tables of tap-saasoptics 1.1.1 are not ours, and why.
NEWER = {"deleted_customers", "deleted_payments", "payments"}  # of the API, since that version
READ_WHOLE = {"sales_orders"}  # by theirs; ours takes what was created since


def saasoptics(tap: Path, python: Path, sandbox: Sandbox) -> Result:
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
    for stream in ended:  # it has no rows of it then
        last.output.schemas[stream] = {}
        last.output.keys[stream] = mine.output.keys[stream]
    beside(result, pair, last, mine, properties(gone))
    bookmarks(result, last.output.state, mine.output.state)
    goes_on(result, pair, last.output.state, own, sorted(set(last.output.schemas) - set(ended)))
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


def beside(result: Result, pair: Pair, theirs: Run, ours: Run, skip: dict[str, set[str]]) -> None:
    """Rows by key and values by rule, over the streams that the peer has."""
    result.calls, result.seconds = (theirs.calls, ours.calls), (theirs.seconds, ours.seconds)
    catalog = json.loads(pair.read("ours-discover"))
    cursors = {entry["stream"]: entry.get("replication_key") for entry in catalog["streams"]}
    for stream in theirs.output.schemas:
        left, right = theirs.output.by_key(stream), ours.output.by_key(stream)
        truth = len(pair.sandbox.truth(pair.source, stream))
        result.truth += truth
        result.theirs += len(left)
        result.ours += len(right)
        if len(right) != truth:
            result.findings.append(f"{stream}: ours has {len(right)} rows, the sandbox {truth}")
        if len(left) != truth:
            bare = sum(1 for key in right.keys() - left.keys() if right[key].get(cursors.get(stream, "")) is None)
            result.lacking.append(f"{stream} {truth - len(left):,} of {truth:,} ({bare:,} without a replication value)")
        for key in left.keys() & right.keys():
            result.differ(stream, right[key], left[key], skip.get(stream, set()))
        if strange := left.keys() - right.keys():
            result.findings.append(f"{stream}: only theirs: {sorted(strange)[:5]}")


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


def goes_on(result: Result, pair: Pair, state: Row, catalog: Row, streams: list[str]) -> None:
    """Ours goes on from the peer's state: what changed since, and ties, no more."""
    cursors = {entry["stream"]: entry.get("replication_key") for entry in catalog["streams"]}
    touched: dict[str, set[str]] = {}
    for stream in state["bookmarks"]:
        try:
            reports = pair.sandbox.change(pair.source, stream=stream, rows=5, insert=2)
        except Failed as error:
            if "does not change" in str(error):  # a list of deletions
                continue
            raise
        for report in reports:
            if report["stream"] == stream:
                touched[stream] = {str(identity) for identity in report["touched"] + report["inserted"]}
    path = pair.write("their-state.json", state)
    run = pair.ours("continued", "--state", path, *(f"--select={stream}" for stream in streams))
    if run.code != 0:
        result.findings.append(f"from their state ours exits {run.code}: {run.log[-300:]}")
    newer = 0
    for stream, value in state["bookmarks"].items():
        rows = run.output.records.get(stream, [])
        newer += len(rows)
        if missing := touched.get(stream, set()) - {str(row["id"]) for row in rows}:
            result.findings.append(f"from their state ours lacks {stream} {sorted(missing)[:5]}")
        bound = moment(value)
        if older := [row["id"] for row in rows if row[cursors[stream]] and moment(row[cursors[stream]]) < bound]:
            result.findings.append(f"from their state ours reads older rows of {stream}: {older[:5]}")
    again = pair.theirs("continued", "--catalog", pair.folder / "catalog.json", "--state", path)
    repeated = sum(len(again.output.records.get(stream, [])) for stream in state["bookmarks"])
    changed = sum(map(len, touched.values()))
    result.notes.append(
        f"{changed} rows changed: from its state ours reads {newer} (calls {run.calls}), it reads {repeated} (calls {again.calls})"
    )


def moment(value: str) -> datetime:
    found = instant(value)
    assert found is not None, value
    return found


def zoho_crm(tap: Path, python: Path, sandbox: Sandbox, checkout: Path) -> Result:
    """singer-io's tap-zoho-crm, as far as it runs."""
    result = Result("tap-zoho-crm (singer-io)", "81509aa", "zoho_crm")
    ours = sandbox.config("zoho_crm")
    config = {key: ours[key] for key in ("client_id", "client_secret", "refresh_token")} | {
        "start_date": START,
        "user_agent": "peer",
    }
    folders = os.pathsep.join([str(checkout), os.environ.get("PYTHONPATH", "")])
    alone = Pair(tap, python, "launch_zoho_crm.py", sandbox, "zoho_crm", config, PYTHONPATH=folders)
    found = alone.theirs("discover", "--discover")
    if found.code != 0:
        result.notes.append(f"as it is, discovery ends with exit {found.code}: {reason(found)}")
    helped = Pair(tap, python, "launch_zoho_crm.py", sandbox, "zoho_crm", config, PYTHONPATH=folders, PEER_HELP="1")
    if helped.theirs("discover", "--discover").code != 0:
        result.notes.append("and it does so when helped past that")
        return result
    helped.ours("discover", "--discover")
    whole = helped.ours("whole")
    catalog = json.loads(helped.read("theirs-discover"))
    result.streams = (len(catalog["streams"]), len(whole.output.schemas))
    skipped = re.findall(r"Skipping module (\w+): No primary key", (helped.folder / "theirs-discover.log").read_text())
    named = [name for name in ("Leads", "Accounts", "Contacts", "Deals", "Campaigns", "Tasks") if name in skipped]
    result.notes.append(
        f"helped past that it leaves out {len(skipped)} modules whose list of fields has no id ({', '.join(named)} among them)"
    )
    select(catalog, None, True)
    first, last, gone = helped.until_it_ends(catalog, failing_stream)
    if gone:
        result.notes.append(f"the run then ends at {reason(first)}; it ends well without the streams {', '.join(gone)}")
    if last.code != 0:
        result.notes.append(f"even so it ends with exit {last.code}: {reason(last)}")
    known = {name: entry for name, entry in last.output.schemas.items() if name in whole.output.schemas}
    for name in sorted(set(last.output.schemas) - set(known)):
        result.notes.append(
            f"{name}: {len(last.output.records[name])} rows of two modules of one name in lower case, which ours tells apart"
        )
    last.output.schemas = known
    # The same streams for the calls and seconds; whole for what it has no word of.
    mine = helped.ours("sync", *(f"--select={name}" for name in sorted(known)))
    beside(result, helped, last, mine, {})
    cost = f"{whole.output.count:,} ({whole.calls:,} calls, {whole.seconds:.1f} s)"
    result.notes.append(f"rows of ours in all {len(whole.output.schemas)} default streams: {cost}")
    return result


def failing_stream(catalog: Row, log: str) -> list[str]:
    """Deselects the stream that ended the run."""
    stream = syncing(log)
    select(catalog, [], False, stream)
    return [stream]


def airbyte(tap: Path, python: Path, sandbox: Sandbox) -> Result:
    """Airbyte's source: whether it can be connected at all."""
    result = Result("source-zoho-crm (Airbyte)", "0.3.6", "zoho_crm")
    ours = sandbox.config("zoho_crm")
    config = {key: ours[key] for key in ("client_id", "client_secret", "refresh_token")}
    config |= {"dc_region": "US", "environment": "Production", "start_datetime": START}
    pair = Pair(tap, python, "launch_airbyte.py", sandbox, "zoho_crm", config)
    path = pair.config
    sandbox.reset("zoho_crm")
    pair.run("airbyte", [pair.python, pair.launcher, "check", "--config", path])
    asked = [f"{entry['path']} {entry['status']}" for entry in sandbox.requests("zoho_crm")]
    result.notes.append(f"asks for API v2, which the sandbox (v8) does not serve: {'; '.join(asked[-2:])}")
    return result


def reason(run: Run) -> str:
    """The line that says why a run ended."""
    lines = [line.strip() for line in run.log.splitlines() if line.strip()]
    wrong = [
        line
        for line in lines
        if re.match(r"\S*(?:Error|Exception|Mismatch)\b.*|\w[\w.]*: (?:data )?does not match", line)
    ]
    said = wrong[-1] if wrong else (lines[-1] if lines else "no word")
    try:
        where = f"{syncing(run.log)}: "
    except IndexError:
        where = ""
    return where + (said if len(said) <= 140 else said[:137] + "…")


def print_tables(results: list[Result]) -> None:
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
        print_row(f"{r.peer} {r.version}".strip(), "; ".join([*r.notes, *lacking]))
    for peer, version, _, why in NOT_RUN:
        print_row(f"{peer} {version}", why)
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
    results = []
    with Sandbox(tap, work / "sandbox", RECORDS, ("saasoptics", "zoho_crm")) as sandbox:
        for source in ("saasoptics", "zoho_crm"):
            sandbox.configure(source, start_date=START, token_store=str(work / "tokens.json"))
        results.append(saasoptics(tap, environments.program("tap-saasoptics", "python"), sandbox))
        if checkout := os.environ.get("TAP_ZOHO_CRM"):
            python = environments.program("tap-zoho-crm", "python")
            results.append(zoho_crm(tap, python, sandbox, Path(checkout).resolve()))
        else:
            results.append(
                Result(
                    "tap-zoho-crm (singer-io)",
                    "",
                    "zoho_crm",
                    notes=["not on PyPI; runs with TAP_ZOHO_CRM=FOLDER of a checkout"],
                )
            )
        results.append(airbyte(tap, environments.program("airbyte-source-zoho-crm", "python"), sandbox))

    print_tables(results)
    findings = [f"{r.peer}: {what}" for r in results for what in r.findings]
    for what in findings:
        print(f"FOUND {what}", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
