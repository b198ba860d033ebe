"""Adds, lists and changes accounts, in the database itself: it works whether or not the server runs.

A running server may go by what it knew before for up to five minutes."""

import argparse
import sys
from datetime import UTC, datetime
from getpass import getpass
from typing import Any

from twisted.internet import reactor as _reactor

from config import Config
from homeserver.accounts.accounts import Accounts
from homeserver.accounts.devices import NobodyListens
from homeserver.accounts.domains import LocalDomains
from homeserver.accounts.passwords import PasswordHasher, check_new_password
from homeserver.accounts.profiles import Profiles
from homeserver.accounts.registration_tokens import RegistrationTokens
from homeserver.accounts.store.accounts import Account
from homeserver.accounts.token_cache import TokenCache
from homeserver.cli.database import at_once, opened
from homeserver.cli.installation import prepare
from homeserver.cli.settings import declare_settings, load_settings
from homeserver.protocol.identifiers import ServerName, UserID, localpart_of, new_user_id
from homeserver.runtime.clock import Clock
from homeserver.runtime.randomness import Randomness
from homeserver.runtime.refusal import Refusal
from homeserver.runtime.threads import InlineThreads
from homeserver.storage.database import Database

_PAGE = 500
_DAY_MS = 24 * 3600 * 1000
# Tells the time here. Its type is an interface of Zope's, which says nothing to mypy.
reactor: Any = _reactor


def declare(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "examples:\n"
        "  folkmoot user add alice --admin\n"
        '  echo "$PASSWORD" | folkmoot user add bot --password-stdin\n'
        "  folkmoot user list\n"
        "  folkmoot user admin bob --revoke\n"
        "  folkmoot user lock bob\n"
        "  folkmoot user token --uses 1 --days 7"
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True, parser_class=argparse.ArgumentParser)
    add = actions.add_parser("add", help="make an account; the first one is an administrator")
    add.add_argument("--admin", action="store_true", help="make it an administrator of the server")
    add.add_argument("--display-name", metavar="NAME", help="what others see")
    password = actions.add_parser("password", help="set a new password and end all sessions")
    admin = actions.add_parser("admin", help="make somebody an administrator of the server")
    admin.add_argument("--revoke", action="store_true", help="make them an ordinary user again")
    deactivate = actions.add_parser("deactivate", help="end an account and its sessions for good")
    deactivate.add_argument("--erase", action="store_true", help="empty the profile too")
    lock = actions.add_parser("lock", help="let somebody do nothing but log out")
    suspend = actions.add_parser("suspend", help="let somebody read, but tell others nothing")
    for action in (lock, suspend):
        action.add_argument("--undo", action="store_true", help="let them go on as before")
    listing = actions.add_parser("list", help="print all accounts")
    token = actions.add_parser("token", help="make a registration token, which lets strangers register")
    token.add_argument("--uses", type=_positive, metavar="N", help="how many accounts; unlimited by default")
    token.add_argument("--days", type=_positive, metavar="N", help="how long it is good; for ever by default")
    for action in (add, password):
        action.add_argument("--password-stdin", action="store_true", help="read it from standard input")
    for action in (add, password, admin, deactivate, lock, suspend):
        action.add_argument("user", metavar="USER", help="localpart or full user ID")
    for action, act in (
        (add, Desk.add),
        (password, Desk.set_password),
        (admin, Desk.set_admin),
        (deactivate, Desk.deactivate),
        (lock, Desk.set_locked),
        (suspend, Desk.set_suspended),
        (listing, Desk.print_all),
        (token, Desk.make_token),
    ):
        declare_settings(action)
        action.set_defaults(act=act)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def run(arguments: argparse.Namespace) -> int:
    config = load_settings(arguments).config
    engine, _ = prepare(config)
    with opened(engine) as db:
        at_once(arguments.act(Desk(config, db), arguments))
    return 0


class Desk:
    """Does what the operator asks about accounts, and says so."""

    def __init__(self, config: Config, db: Database) -> None:
        hasher = PasswordHasher(InlineThreads(), config.passwords)
        self._accounts = Accounts(
            db, hasher, Profiles(db, budget=0), TokenCache(), NobodyListens(), Clock(reactor)
        )
        self._tokens = RegistrationTokens(db, Clock(reactor), Randomness())
        self._policy = config.passwords.policy
        self._domains = LocalDomains(ServerName(config.server.server_name))

    async def add(self, arguments: argparse.Namespace) -> None:
        localpart = localpart_of(self._named(arguments)).lower()
        user_id = new_user_id(localpart, self._domains.default)
        password = self._new_password(arguments)
        is_first = not await self._accounts.list(limit=1)
        is_admin = arguments.admin or is_first
        await self._accounts.create(user_id, password, displayname=arguments.display_name, is_admin=is_admin)
        print(f"Added {user_id}{', an administrator' if is_admin else ''}.")

    async def set_password(self, arguments: argparse.Namespace) -> None:
        user_id = self._named(arguments)
        await self._accounts.set_password(user_id, self._new_password(arguments))
        print(f"{user_id} has a new password and no sessions.")

    async def set_admin(self, arguments: argparse.Namespace) -> None:
        user_id = self._named(arguments)
        await self._accounts.set_admin(user_id, not arguments.revoke)
        print(f"{user_id} is {'no longer' if arguments.revoke else 'now'} an administrator.")

    async def deactivate(self, arguments: argparse.Namespace) -> None:
        user_id = self._named(arguments)
        await self._accounts.deactivate(user_id, erase=arguments.erase)
        print(f"{user_id} is deactivated.")

    async def set_locked(self, arguments: argparse.Namespace) -> None:
        user_id = self._named(arguments)
        await self._accounts.set_locked(user_id, not arguments.undo)
        print(f"{user_id} is {'no longer' if arguments.undo else 'now'} locked.")

    async def set_suspended(self, arguments: argparse.Namespace) -> None:
        user_id = self._named(arguments)
        await self._accounts.set_suspended(user_id, not arguments.undo)
        print(f"{user_id} is {'no longer' if arguments.undo else 'now'} suspended.")

    async def make_token(self, arguments: argparse.Namespace) -> None:
        now = Clock(reactor).now_ms()
        expires_at = None if arguments.days is None else now + arguments.days * _DAY_MS
        made = await self._tokens.create(uses_allowed=arguments.uses, expires_at=expires_at)
        print(made.token)

    async def print_all(self, _: argparse.Namespace) -> None:
        after = 0
        while page := await self._accounts.list(after, _PAGE):
            for account in page:
                print(_line(account))
            after = page[-1].user_nid

    def _named(self, arguments: argparse.Namespace) -> UserID:
        user_id = self._domains.full_user_id(arguments.user)
        if not self._domains.is_local(user_id):
            raise Refusal(f"{user_id} is no user of this server, which is {self._domains.default}.")
        return user_id

    def _new_password(self, arguments: argparse.Namespace) -> str:
        password = sys.stdin.readline().rstrip("\n") if arguments.password_stdin else _asked_twice()
        check_new_password(password, self._policy)
        return password


def _asked_twice() -> str:
    password = getpass("New password: ")
    if getpass("The same again: ") != password:
        raise Refusal("The two passwords differ. Try again.")
    return password


def _line(account: Account) -> str:
    made = datetime.fromtimestamp(account.created_at / 1000, UTC).date()
    marks = {
        "deactivated": account.deactivated_at is not None,
        "administrator": account.is_admin,
        "guest": account.is_guest,
        "locked": account.locked_at is not None,
        "suspended": account.suspended_at is not None,
    }
    told = ", ".join(mark for mark, is_set in marks.items() if is_set)
    return f"{made} {account.user_id}{f' ({told})' if told else ''}"
