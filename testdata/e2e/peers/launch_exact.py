"""Runs tap-exact. Its sign-in file names the base URL, and its library asks by https only.

Runs in the environment of that tap.
"""

from exactonline import http
from tap_exact.tap import TapExactOnline

http.opt_secure.protocols = ("http", "https")
TapExactOnline.cli()
