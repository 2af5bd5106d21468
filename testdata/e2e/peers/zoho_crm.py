"""The taps of Zoho CRM beside ours: singer-io's, and the source of Airbyte."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from rig.sandbox import Row, Sandbox

from . import messages
from .peer import START, Pair, Result, Run, beside, change, defaults, failing_stream, ours_goes_on, reason, select

SOURCE = "zoho_crm"
SIGN_IN = ("client_id", "client_secret", "refresh_token")
AIRBYTE = re.compile(r"incremental_?(\w+)_zoho_crm_stream")


def singer_io(tap: Path, python: Path, sandbox: Sandbox, checkout: Path) -> Result:
    """singer-io's tap-zoho-crm, as far as it runs."""
    result = Result("tap-zoho-crm (singer-io)", "81509aa", SOURCE)
    config = signed_in(sandbox) | {"start_date": START, "user_agent": "peer"}
    folders = os.pathsep.join([str(checkout), os.environ.get("PYTHONPATH", "")])
    alone = Pair(tap, python, "launch_zoho_crm.py", sandbox, SOURCE, config, PYTHONPATH=folders)
    found = alone.theirs("discover", "--discover")
    if found.code != 0:
        result.notes.append(f"as it is, discovery ends with exit {found.code}: {reason(found)}")
    pair = Pair(tap, python, "launch_zoho_crm.py", sandbox, SOURCE, config, PYTHONPATH=folders, PEER_HELP="1")
    if (found := pair.theirs("discover", "--discover")).code != 0:
        result.notes.append("and it does so when helped past that")
        return result
    catalog = json.loads(pair.read("theirs-discover"))
    skipped = re.findall(r"Skipping module (\w+): No primary key", found.log)
    named = [name for name in ("Leads", "Accounts", "Contacts", "Deals", "Campaigns", "Tasks") if name in skipped]
    result.notes.append(
        f"helped past that it leaves out {len(skipped)} modules whose list of fields has no id ({', '.join(named)} among them)"
    )
    select(catalog, None, True)
    first, last, gone = pair.until_it_ends(catalog, failing_stream)
    if gone:
        result.notes.append(f"the run then ends at {reason(first)}; it ends well without the streams {', '.join(gone)}")
    if last.code != 0:
        result.notes.append(f"even so it ends with exit {last.code}: {reason(last)}")
    own = json.loads(pair.ours("discover", "--discover").path.read_text())
    names = against_all(result, pair, own, last, {}, len(catalog["streams"]))
    state = last.output.state
    state["bookmarks"] = {name: mark for name, mark in state["bookmarks"].items() if names.get(name) == name}
    ours_goes_on(result, pair, state, sorted(state["bookmarks"]))
    return result


def airbyte(tap: Path, python: Path, sandbox: Sandbox) -> Result:
    """Airbyte's source, which asks version 2 of the API."""
    result = Result("source-zoho-crm (Airbyte)", "0.3.6", SOURCE)
    config = signed_in(sandbox) | {"dc_region": "US", "environment": "Production", "start_datetime": START}
    pair = Pair(tap, python, "launch_airbyte.py", sandbox, SOURCE, config, messages.read_airbyte)
    found = pair.theirs("discover", "discover")
    streams = next(m["catalog"]["streams"] for m in messages.lines(found.path) if m["type"] == "CATALOG")
    said = [m["log"]["message"] for m in messages.lines(found.path) if m["type"] == "LOG"]
    without = [m[1] for m in map(re.compile(r"Could not retrieve fields Metadata for module (\w+)").match, said) if m]
    result.notes.append(f"leaves out {len(without)} modules with a warning: {', '.join(sorted(without))}")
    catalog = {
        "streams": [
            {"stream": stream, "sync_mode": "incremental", "destination_sync_mode": "append_dedup"}
            for stream in streams
        ]
    }
    configured = pair.write("catalog.json", catalog)
    whole = pair.theirs("whole", "read", "--catalog", configured)
    if whole.code != 0:
        result.findings.append(f"ends with exit {whole.code}: {reason(whole)}")
    own = json.loads(pair.ours("discover", "--discover").path.read_text())
    names = same_names([stream["name"] for stream in streams], [entry["stream"] for entry in own["streams"]])
    names = against_all(result, pair, own, whole, names, len(streams))

    touched = change(pair, names.values())
    state = pair.write("their-state.json", whole.output.state)
    again = pair.theirs("again", "read", "--catalog", configured, "--state", state)
    result.goes_on(touched, again, again.output.renamed(names), lambda _: "id")
    return result


def signed_in(sandbox: Sandbox) -> Row:
    """What every tap of this service needs."""
    ours = sandbox.config(SOURCE)
    return {key: ours[key] for key in SIGN_IN}


def same_names(theirs: list[str], ours: list[str]) -> dict[str, str]:
    """Our names of Airbyte's streams, whose underscores follow rules of their own."""
    bare = {name.replace("_", ""): name for name in ours}
    found = {}
    for name in theirs:
        match = AIRBYTE.fullmatch(name)
        assert match, name
        if mine := bare.get(match[1].replace("_", "")):
            found[name] = mine
    return found


def against_all(result: Result, pair: Pair, own: Row, run: Run, names: dict[str, str], streams: int) -> dict[str, str]:
    """Their rows beside all that ours reads by default, and the same streams for calls and seconds.

    Own is our catalog; names are ours of some of their streams. Gives those of all.
    """
    output = run.output.renamed(names)
    same = {entry["stream"] for entry in own["streams"]} & {*output.records}
    chosen = sorted(same | {*defaults(own)})
    whole = pair.ours("whole", *(f"--select={name}" for name in chosen))
    twins = same_rows(output, whole.output)
    known = sorted(same | {*twins.values()})
    mine = pair.ours("sync", *(f"--select={name}" for name in known))
    if whole.code != 0 or mine.code != 0:
        result.findings.append(f"ours exits {whole.code} and {mine.code}: {reason(whole)}")
    if odd := {*output.records} - same - {*twins}:
        result.findings.append(f"only theirs: {sorted(odd)}")
    result.streams = (streams, len(chosen))
    result.cost(run, mine)
    beside(result, pair, output.renamed(twins), whole.output, chosen)
    return {name: name for name in same} | names | twins


def same_rows(theirs: messages.Output, ours: messages.Output) -> dict[str, str]:
    """Our names of streams that have no stream of their name here.

    Two modules have one name but for upper case, which ours tells apart by their ids.
    """

    def ids(output: messages.Output, stream: str) -> frozenset[str]:
        return frozenset(str(row.get("id")) for row in output.records[stream])

    rows = {ids(ours, name): name for name in ours.records if name not in theirs.records}
    return {
        name: rows[ids(theirs, name)]
        for name in theirs.records
        if name not in ours.records and ids(theirs, name) in rows
    }
