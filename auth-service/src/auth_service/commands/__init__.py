"""The commands of `auth-service`, one module for each group.

Exit codes: 0 done, 1 refused or not all well, 2 wrong usage or settings.
"""
