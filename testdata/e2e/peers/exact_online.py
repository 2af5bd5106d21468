"""tap-exact (PyPI) beside ours."""

from __future__ import annotations

import json
from configparser import ConfigParser
from pathlib import Path

from rig.sandbox import Sandbox

from .peer import START, Pair, Result, beside, change, reason

SOURCE = "exact_online"
# Its streams by our names.
NAMES = {
    "sales_invoices": "salesinvoice_sales_invoices",
    "purchase_invoices": "purchase_purchase_invoices",
    "general_ledger_accounts": "financial_gl_accounts",
    "crm_accounts": "crm_accounts",
    "cashflow_payment_conditions": "cashflow_payment_conditions",
    "cashflow_payments": "cashflow_payments",
    "cashflow_receivables": "cashflow_receivables",
    "transaction_lines": "financialtransaction_transaction_lines",
    "quotations": "crm_quotations",
    "sales_orders": "salesorder_sales_orders",
}


def tap_exact(tap: Path, python: Path, sandbox: Sandbox) -> Result:
    """tap-exact, which reads one division, named by hand."""
    result = Result("tap-exact", "0.7.1", SOURCE)
    division = sandbox.truth(SOURCE, "sync_crm_accounts")[0]["_division"]
    sandbox.configure(SOURCE, divisions=str(division))
    sign_in = sandbox.folder / "tap-exact.ini"
    write_sign_in(sign_in, sandbox, division)
    config = {"start_date": START[:10], "config_file_location": str(sign_in)}
    pair = Pair(tap, python, "launch_exact.py", sandbox, SOURCE, config, TZ="UTC")

    found = json.loads(pair.theirs("discover", "--discover").path.read_text())
    own = json.loads(pair.ours("discover", "--discover").path.read_text())
    result.streams = (len(found["streams"]), len(own["streams"]))
    if unknown := {entry["stream"] for entry in found["streams"]} ^ set(NAMES):
        result.findings.append(f"streams are not those that are known: {sorted(unknown)}")
    theirs = pair.theirs("whole")
    mine = pair.ours("whole", *(f"--select={name}" for name in NAMES.values()))
    if theirs.code != 0 or mine.code != 0:
        result.findings.append(f"exit codes: theirs {theirs.code}, ours {mine.code}: {reason(theirs)}")
    result.cost(theirs, mine)
    output = theirs.output.renamed(NAMES)
    beside(result, pair, output, mine.output, NAMES.values(), part=lambda row: row["_division"] == division)
    elsewhere = sum(len(sandbox.truth(SOURCE, name)) for name in NAMES.values()) - result.truth
    result.notes.append(
        f"one division a run, named by hand: {elsewhere:,} rows of these streams in the other one need a second config"
    )

    keys = {name: output.keys[name][0] for name in NAMES.values()}
    touched = change(pair, keys)
    for name in touched:  # the service changes rows of every division
        touched[name] &= {str(row[keys[name]]) for row in sandbox.truth(SOURCE, name) if row["_division"] == division}
    state = pair.write("their-state.json", theirs.output.state)
    again = pair.theirs("again", "--state", state)
    result.goes_on(touched, again, again.output.renamed(NAMES), keys.__getitem__)
    return result


def write_sign_in(path: Path, sandbox: Sandbox, division: int) -> None:
    """Writes the file in which the library of this tap keeps its tokens."""
    ours, ini = sandbox.config(SOURCE), ConfigParser()
    url = f"{ours['api_url']}/api"
    ini["server"] = {"auth_url": f"{url}/oauth2/auth", "rest_url": url, "token_url": f"{url}/oauth2/token"}
    ini["application"] = {"base_url": ours["redirect_uri"]} | {k: ours[k] for k in ("client_id", "client_secret")}
    ini["transient"] = {"refresh_token": ours["refresh_token"], "access_token": "none", "division": str(division)}
    with path.open("w") as file:
        ini.write(file)
