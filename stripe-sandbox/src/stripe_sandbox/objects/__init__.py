"""The fields of Stripe's main objects, as the store keeps them.

Another object is stored by its id; an answer shows it whole where a caller
expands it. A test compares every class with the pinned SDK's.
"""
