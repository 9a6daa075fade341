"""Makes the sandbox misbehave on request: slow, refusing, silent, or bad at webhooks."""
