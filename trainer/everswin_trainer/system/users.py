"""Names of the users and groups of this machine."""

import grp
import os
import pwd


def user_name(uid: int) -> str:
    """Returns the name of an account; `uid N` if it was deleted or belongs to another container."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"gid {gid}"


def current_user() -> str:
    return user_name(os.geteuid())


def must_log_in_again(gid: int) -> bool:
    """Returns whether the account joined a group after this process had started: processes keep their groups."""
    try:
        members = grp.getgrgid(gid).gr_mem
    except KeyError:
        return False
    return current_user() in members and gid not in (os.getegid(), *os.getgroups())
