"""What the parts of the test share: the sandbox, PostgreSQL, environments, programs.

It installs, starts and stops; it never looks at what the tap writes.
"""
