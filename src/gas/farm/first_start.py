"""What the first start of a data folder makes: private folders, secrets, the operator."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from gas.config import Settings
from gas.errors import GasError

OPERATOR = "operator@localhost"


class NoDataFolder(GasError):
    """The data folder cannot be used."""

    code = "data-folder"


def prepare_folders(settings: Settings) -> None:
    """Make the data folder. All below ``service`` is for the service's user alone (0700).

    Raises NoDataFolder."""
    try:
        _prepare_folders(settings)
    except OSError as error:
        raise NoDataFolder(
            f"{settings.data_dir} cannot be the data folder: {error.filename}: {error.strerror}.",
            hint="Choose a data folder that this user can write to (--data, GAS_DATA_DIR).",
        ) from None


def _prepare_folders(settings: Settings) -> None:
    settings.data_dir.parent.mkdir(parents=True, exist_ok=True)
    _make(settings.data_dir, 0o711)
    _make(settings.references_dir, 0o755)
    settings.service_dir.mkdir(mode=0o700, exist_ok=True)
    settings.service_dir.chmod(0o700)
    for folder in (
        settings.secrets_dir,
        settings.objects_dir,
        settings.mail_dir,
        settings.logs_dir,
        settings.run_dir,
        settings.scratch_dir,
    ):
        folder.mkdir(mode=0o700, exist_ok=True)


def clear_run_folder(settings: Settings) -> None:
    """Remove what processes of an earlier run told each other. Only while no other runs here."""
    for path in settings.run_dir.iterdir():
        if path != settings.instance_lock:
            path.unlink()


def ensure_secrets(settings: Settings) -> None:
    """Make the secrets that are missing; those that are there stay."""
    for name in ("secret_key", "postgres_password"):
        _write_once(settings.secrets_dir / name, secrets.token_urlsafe(48))


def ensure_operator() -> str | None:
    """Make the operator's account where there is none; its password, to be shown this one time."""
    from gas.accounts.models import User

    if User.objects.filter(is_superuser=True).exists():
        return None
    password = secrets.token_urlsafe(12)
    User.objects.create_superuser(OPERATOR, password, name="Operator", plan="premium")
    return password


def _make(folder: Path, mode: int) -> None:
    """With ``mode``, whatever the umask of whoever starts GAS: root's PostgreSQL has to get in. A
    folder that is there keeps its own."""
    if not folder.is_dir():
        folder.mkdir(mode=mode)
        folder.chmod(mode)


def _write_once(path: Path, value: str) -> None:
    # Whole or not at all: a start that is cut off here leaves no empty secret behind.
    part = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(value + "\n")
            file.flush()
            os.fsync(handle)
        os.link(part, path)
    except FileExistsError:
        pass
    finally:
        part.unlink(missing_ok=True)
