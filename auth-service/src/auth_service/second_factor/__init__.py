"""The second factor: codes of an app (TOTP), recovery codes, and log-ins that wait for one."""
