"""Django's argon2 hasher at the cost auth-service uses, so both pay the same for a log-in."""

from django.contrib.auth.hashers import Argon2PasswordHasher

from bench.setting import ARGON2


class SameCostArgon2PasswordHasher(Argon2PasswordHasher):
    time_cost = ARGON2["time_cost"]
    memory_cost = ARGON2["memory_cost"]
    parallelism = ARGON2["parallelism"]
