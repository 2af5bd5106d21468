"""Runs Airbyte's source-zoho-crm against another base URL (PEER_BASE_URL).

Its hosts are fixed by region, and its paths replace that of a base URL. Runs in
the environment of that source.
"""

import os
from urllib.parse import urlsplit

from source_zoho_crm.api import ZohoAPI
from source_zoho_crm.run import run
from source_zoho_crm.streams import ZohoCrmStream

base = os.environ["PEER_BASE_URL"]
below = ZohoCrmStream.path


def path(self, *words, **more):
    return urlsplit(base).path + below(self, *words, **more)


ZohoAPI._DC_REGION_TO_ACCESS_URL = {"US": base}
ZohoAPI.api_url = base
ZohoCrmStream.path = path
run()
