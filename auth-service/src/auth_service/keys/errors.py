"""The errors of the key directory. Each message is a sentence that an operator can act on."""


class KeysError(Exception):
    """An operator has to correct something about the signing keys.

    The message names the file or key and what to do.
    """


class KeyFileRefused(KeysError):
    """Other users of the machine could read, write or replace a file or directory."""


class ManifestInvalid(KeysError):
    """The manifest cannot be read, or contradicts itself."""


class KeysBusy(KeysError):
    """Another process held the lock of the key directory for too long."""


class RotationRefused(KeysError):
    """The current state of the keys does not allow the change."""
