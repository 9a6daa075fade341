"""Mails: written into the outbox in the transaction of what they report, rendered, sent by SMTP."""
