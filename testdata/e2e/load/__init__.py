"""Loads what the tap writes with real loaders and looks at what became of it.

It owns the part of `make e2e` that needs tables: sandbox, tap, loader, and the
comparison of every value in the loader's store with the sandbox's own truth.
The part "runner" takes that comparison for the tables that Meltano makes.
It must never ask the tap what a record should be: see truth.py.
"""
