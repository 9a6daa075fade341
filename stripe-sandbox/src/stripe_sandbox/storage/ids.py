"""Makes the identifiers and secrets of new objects."""

import hashlib
import secrets
import string

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_AS_LETTERS = bytes(ord(_ALPHABET[byte % 62]) for byte in range(256))


class Identifiers:
    """Random text, or in a deterministic sandbox text that only a counter decides.

    The counter is stored with the data, so a restart goes on where it stopped.
    """

    def __init__(self, *, deterministic: bool, counter: int = 0) -> None:
        self.deterministic = deterministic
        self.counter = counter

    def text(self, length: int) -> str:
        """Base-62 text that was not handed out before."""
        if not self.deterministic:
            return _random_text(length)
        self.counter += 1
        digest = hashlib.sha512(f"stripe-sandbox {self.counter}".encode()).digest()
        return digest[:length].translate(_AS_LETTERS).decode()

    def digits(self, length: int) -> str:
        """Decimal text, as banks hand it out."""
        return "".join(str(ord(letter) % 10) for letter in self.text(length))

    def new(self, prefix: str) -> str:
        """An object id such as `cus_…`, in the length Stripe uses for that prefix."""
        return prefix + self.text(14 if prefix in _SHORT else 24)

    def account(self) -> str:
        """The id of a new data file's account; it leaves the counter alone."""
        return "acct_1StripeSandbox000" if self.deterministic else f"acct_{_random_text(16)}"


_SHORT = {"cus_", "prod_", "si_"}


def new_request_id() -> str:
    """The id of a request, never one of an earlier process.

    Always random: reads and retries differ from run to run, and would move the
    counter that equal object ids come from.
    """
    return f"req_{_random_text(14)}"


def _random_text(length: int) -> str:
    return secrets.token_bytes(length).translate(_AS_LETTERS).decode()
