"""Events: how they are recorded, signed and delivered to webhook endpoints."""
