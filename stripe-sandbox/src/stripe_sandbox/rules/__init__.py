"""What Stripe does to objects: payments, invoices, cycles. No request is seen here."""
