"""Runs singer-io's tap-zoho-crm against another base URL (PEER_BASE_URL).

It knows one accounts host and one API host, both fixed. With PEER_HELP=1 a
module whose fields may not be read (403) is skipped as if it had none, where
the tap as it is ends. Runs in the environment of that tap.
"""

import os

import tap_zoho_crm
from tap_zoho_crm import client, schema
from tap_zoho_crm.exceptions import ZohoCRMForbiddenError

base = os.environ["PEER_BASE_URL"]
client.REFRESH_URL = f"{base}/oauth/v2/token"
made = client.Client.__init__
described = schema.get_dynamic_metadata


def init(self, config):
    made(self, config)
    self.base_url = f"{base}/crm/v8"


def describe(asked, module=None):
    try:
        return described(asked, module)
    except ZohoCRMForbiddenError:
        return {}


client.Client.__init__ = init
if os.environ.get("PEER_HELP"):
    schema.get_dynamic_metadata = describe
tap_zoho_crm.main()
