"""The folder of leases and tickets. Several users of a machine may share it (docs/how-to/share-gpus.md)."""

import os
import stat
from errno import EACCES, ELOOP, EPERM, EROFS
from pathlib import Path

from everswin_trainer.system.users import current_user, group_name, must_log_in_again, user_name

# Group of docs/how-to/share-gpus.md, for a folder without write permission for a group of its own.
DEFAULT_GROUP = "gpu-users"


class LeaseFolderUnusable(OSError):
    """Raised when this user cannot use the folder or a file in it.

    The text begins as that of any OSError, by which configs/failures.json classifies it.
    """

    def __init__(self, error: OSError, folder: Path) -> None:
        super().__init__(error.errno, error.strerror, error.filename or str(folder))
        self.remedy = _remedy(error, Path(self.filename), folder)

    def __str__(self) -> str:
        return f"{super().__str__()}. {self.remedy}"


def prepare_lease_folder(folder: Path) -> None:
    """Creates the folder if it is missing. Raises LeaseFolderUnusable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in (folder, folder / "queue"):
            if path.exists() and not os.access(path, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
                raise PermissionError(EACCES, os.strerror(EACCES), str(path))
        for path in (folder / "guard", *folder.glob("*.lock")):
            if os.path.lexists(path):
                os.close(os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC))
    except OSError as error:
        raise LeaseFolderUnusable(error, folder) from error


def _remedy(error: OSError, path: Path, folder: Path) -> str:
    if error.errno == EROFS:
        return f"This process may only read that file system. In a systemd unit, add ReadWritePaths={folder}"
    if error.errno == ELOOP:
        return f"A symbolic link is not followed here. Remove it: rm {path}"
    if error.errno not in (EACCES, EPERM):
        return f"Move it away, or set EVERSWIN_GPU_FOLDER to another folder than {folder}"
    # Without search permission for a folder, what it contains cannot be inspected.
    shown = next(one for one in (path, *path.parents) if os.access(one.parent, os.X_OK) and one.exists())
    owner, user = shown.stat(), current_user()
    mode = stat.S_IMODE(owner.st_mode)
    found = f"{shown} belongs to {user_name(owner.st_uid)}:{group_name(owner.st_gid)} with mode {mode:04o}"
    if must_log_in_again(owner.st_gid):
        again = f"{user} joined that group later than this process started: log in again and restart the worker"
        return f"{found}, and {again}"
    is_shared = shown == folder and mode & stat.S_IWGRP and owner.st_gid != 0
    group = group_name(owner.st_gid) if is_shared else DEFAULT_GROUP
    share = (
        f"install -d -m 2770 -g {group} {folder} {folder}/queue && chgrp -R {group} {folder} && chmod -R g+rwX {folder}"
    )
    return (
        f"{found}, and this worker runs as {user}. To share the folder, run as root: "
        f"groupadd -f {group} && usermod -aG {group} {user} && {share}. Then log in again and restart the worker"
    )
