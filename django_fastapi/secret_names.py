"""Which names are those of secrets: passwords, tokens, keys, cookies."""

import re
from typing import Final

# In words, and not anywhere in a name as Django's own pattern for settings: "author" and "keyboard" are no secrets.
_SECRET: Final = re.compile(
    r"passw|passphrase|passcode|secret|token|credential|api_?key|private_?key|cookie|session_?id|authoriz"
    r"|(?<![a-z])(auth|pass|pwd|pin|otp|jwt|csrf|key|signature|cvv|cvc)(?![a-z])"
)
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def names_secret(name: object) -> bool:
    """Return whether what goes by a name is a password, a token or the like."""
    if isinstance(name, bytes):
        name = name.decode("latin-1")
    return isinstance(name, str) and _SECRET.search(_HUMP.sub("_", name).lower().replace("-", "_")) is not None
