"""Single use: a row of the database says which tokens were used, to all processes and machines."""

import hashlib
from datetime import datetime

from django.db import IntegrityError, router, transaction

from .models import UsedToken


def use(token_id: str, expires_at: datetime) -> bool:
    """Return whether this is the first use of a token; of several at once it is so for one.

    If the transaction around it is rolled back, the token was not used.

    Args:
        token_id: What only this token has.
        expires_at: When it would not be taken any more anyway, and the row can go.
    """
    alias = router.db_for_write(UsedToken)
    digest = hashlib.sha256(token_id.encode()).hexdigest()
    try:
        with transaction.atomic(using=alias):
            UsedToken.objects.using(alias).create(digest=digest, expires_at=expires_at)
    except IntegrityError:
        return False
    return True
