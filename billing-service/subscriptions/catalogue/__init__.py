"""Products and prices on sale, and how they are made at Stripe."""
