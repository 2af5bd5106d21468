"""What each service does that its rows do not tell, in the words of contract.md.

This is all that the oracle knows of a vendor. A line here is a statement of the
contract or of a source's documentation, never of what the tap was seen to do.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Facts:
    """One source."""

    # Zone of values that carry none (contract.md §3, timezone; §4 "read in the source's documented zone").
    zone: dt.tzinfo = dt.UTC
    # Members neither in the schema nor emitted nor rescued, nor are those that hold nothing
    # else (§4); the suffix is of AccountView's <TABLE>_Id.
    ignored: frozenset[str] = frozenset()
    ignored_suffix: str = ""
    # Objects whose members stand in the record as <object>_<member>, in streams that have no property for the whole.
    lifted: frozenset[str] = frozenset()
    # "/Date(ms)/" with the wall clock taken for UTC; at midnight a plain date, but for instants (§4).
    wall_clock: bool = False
    instants: frozenset[str] = frozenset()
    # Text flags of a boolean property, by stream.
    flags: dict[str, frozenset[str]] = field(default_factory=dict)
    # Properties that the tap stamps with the local day it asked for (§5), by stream.
    stamped: dict[str, str] = field(default_factory=dict)
    # The service cuts rich text in lists after so many characters (README, Zoho CRM); 0: never.
    cut: int = 0
    # Columns that repeat another row's values, by their beginning, in streams whose
    # replication key the rows do not show: they change, and no action is told (§5).
    repeated: dict[str, tuple[str, ...]] = field(default_factory=dict)
    # Streams whose fields cannot be named in a request, by their beginning: their rows
    # come with members that the truth, made of the documented fields, does not list.
    unlisted: tuple[str, ...] = ()


FACTS: dict[str, Facts] = {
    "saasoptics": Facts(lifted=frozenset({"auditentry"})),
    "zoho_crm": Facts(cut=500),
    "slascone": Facts(),
    "accountview": Facts(zone=ZoneInfo("Europe/Amsterdam"), ignored=frozenset({"EXT_KEY"}), ignored_suffix="_Id"),
    "exact_online": Facts(
        zone=ZoneInfo("Europe/Amsterdam"),
        ignored=frozenset({"__metadata", "__deferred"}),
        wall_clock=True,
        instants=frozenset({"Created", "Modified", "DeletedDate", "_deleted_at"}),
        unlisted=("read_",),
    ),
    "buchhaltungsbutler": Facts(
        zone=ZoneInfo("Europe/Berlin"),
        flags={"receipts": frozenset({"deleted"}), "postings": frozenset({"fixed"})},
        stamped={"postings": "date_last_action"},
        repeated={"postings": ("receipts_", "transaction_", "transactions_")},
    ),
}

SOURCES = tuple(FACTS)
