"""Table account_profile."""

from homeserver.accounts.profile import Profile
from homeserver.protocol.identifiers import UserID
from homeserver.protocol.json import decode_json, encode_json
from homeserver.storage.engine import Transaction

_SELECT = """
    SELECT p.displayname, p.avatar_url, p.fields
    FROM account_profile p JOIN known_user u ON u.nid = p.user_nid
    WHERE u.user_id = %(user_id)s
"""


def profile_of(txn: Transaction, user_id: UserID) -> Profile | None:
    """None where there is no such local user."""
    row = txn.row(_SELECT, user_id=user_id)
    if row is None:
        return None
    displayname, avatar_url, fields = row
    return Profile(displayname, avatar_url, decode_json(fields))


def put_profile(txn: Transaction, user_nid: int, profile: Profile) -> None:
    txn.execute(
        """
        INSERT INTO account_profile (user_nid, displayname, avatar_url, fields)
        VALUES (%(user_nid)s, %(displayname)s, %(avatar_url)s, %(fields)s)
        ON CONFLICT (user_nid) DO UPDATE
            SET displayname = excluded.displayname, avatar_url = excluded.avatar_url, fields = excluded.fields
        """,
        user_nid=user_nid,
        displayname=profile.displayname,
        avatar_url=profile.avatar_url,
        fields=encode_json(profile.fields),
    )
