"""The refusals of the key directory, each one sentence an operator can act on."""


class KeysError(Exception):
    """Something about the signing keys that a person must put right.

    The message is one complete sentence that names the file or key and what to do about it.
    """


class KeyFileRefused(KeysError):
    """A file or directory that others could have read, written or replaced."""


class ManifestInvalid(KeysError):
    """A manifest that cannot be read or that contradicts itself."""


class KeysBusy(KeysError):
    """Another process held the lock of the key directory for too long."""


class RotationRefused(KeysError):
    """A change of the keys that the present state does not allow."""
