"""The pages that Stripe would host: what a paying customer sees."""
