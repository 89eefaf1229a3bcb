"""Who does something: by the identity AWS vouches for, or by the login of the machine where there is none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """`arn` is what STS said, "" where nobody was signed in; `login` is `user@host`; `via` the door: cli, slack, daemon."""

    login: str
    arn: str = ""
    via: str = "cli"

    @property
    def name(self) -> str:
        """What is written down: the identity that is vouched for before the one that is only claimed."""
        return self.arn or self.login

    @property
    def short(self) -> str:
        """For people: the session of an assumed role, the name of a user, or the login."""
        return self.arn.rsplit("/", 1)[-1] if self.arn else self.login


def differ(requester: Actor, approver: Actor) -> str:
    """Why these may be one person, "" if they are two.

    Whoever signs out of AWS between the two is no second person: an identity that is vouched for is only matched by
    another one that is, and where one of them is not, the logins must differ too.
    """
    if requester.arn and approver.arn:
        return "" if requester.arn != approver.arn else f"{approver.short} asked for it"
    if requester.arn:
        return "it was asked for by an AWS identity, so it takes an AWS identity to approve it: sign in first"
    return "" if requester.login != approver.login else f"{approver.login} asked for it"
