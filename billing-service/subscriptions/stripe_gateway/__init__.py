"""The only way to Stripe: one file per family of Stripe's resources, plain values in and out.

Every POST takes an idempotency key from its caller. Expansions stay within the four levels
that Stripe allows, which rules out `latest_invoice.payments.data.payment.payment_intent`.
"""
