"""The commands of `auth-service`, one module each."""
