"""Walks the product's demo through the gateway, showing every request and its answer."""
