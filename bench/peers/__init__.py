"""A Django project that runs the released peers as their own guides tune them."""
