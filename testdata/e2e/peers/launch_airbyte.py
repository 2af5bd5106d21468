"""Runs Airbyte's source-zoho-crm against another base URL (PEER_BASE_URL).

Its hosts are fixed by region. Runs in the environment of that source.
"""

import os

from source_zoho_crm.api import ZohoAPI
from source_zoho_crm.run import run

ZohoAPI._DC_REGION_TO_ACCESS_URL = {"US": os.environ["PEER_BASE_URL"]}
ZohoAPI.api_url = os.environ["PEER_BASE_URL"]
run()
