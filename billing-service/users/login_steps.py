"""What a log-in of staff can need after the right password. Loads no model."""

from uuid import UUID


class SecondFactorRequired(Exception):
    """The user has a second factor; `challenge` is sent to auth-service with a code."""

    def __init__(self, challenge: str) -> None:
        super().__init__()
        self.challenge = challenge


class EnrolmentRequired(Exception):
    """Staff need a second factor, and this user has none. It is set up under this epoch only."""

    def __init__(self, user_id: UUID, *, auth_epoch: int) -> None:
        super().__init__()
        self.user_id = user_id
        self.auth_epoch = auth_epoch
