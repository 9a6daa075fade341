"""The dashboard and the pages that Stripe hosts for customers: plain HTML, no script."""
