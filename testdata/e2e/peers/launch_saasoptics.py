"""Runs tap-saasoptics, unmodified, against another base URL (PEER_BASE_URL).

It has no setting for that: the client's attribute is replaced once it is made.
Runs in the environment of that tap.
"""

import os

import tap_saasoptics
from tap_saasoptics.client import SaaSOpticsClient

made = SaaSOpticsClient.__init__


def init(self, token, account_name, server_subdomain, user_agent=None):
    made(self, token, account_name, server_subdomain, user_agent)
    self.base_url = f"{os.environ['PEER_BASE_URL']}/{account_name}/api/v1.0"


SaaSOpticsClient.__init__ = init
tap_saasoptics.main()
