"""Mail as files, for a service without a mail server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.filebased import EmailBackend as FileBackend

from gas.notify.mailer import NotSent


class EmlFileBackend(FileBackend):
    """Writes each mail as ``<its Message-ID>.eml``, which every mail program opens."""

    def open(self) -> bool:
        return False  # nothing to open: each mail is a file of its own

    def close(self) -> None:
        pass

    def send_messages(self, email_messages: Any) -> int:
        for message in email_messages:
            self._write_eml(message)
        return len(email_messages)

    def _write_eml(self, message: EmailMessage) -> None:
        parsed = message.message()
        name = re.sub(r"[^A-Za-z0-9.-]", "_", str(parsed["Message-ID"]).strip("<>"))
        target = Path(self.file_path) / f"{name.partition('_')[0]}.eml"
        part = target.with_suffix(".part")
        try:
            part.write_bytes(parsed.as_bytes())
            part.replace(target)
        except OSError as error:  # of a disk, unlike of a line, one knows: nothing was sent
            part.unlink(missing_ok=True)
            raise NotSent(f"The mail cannot be written: {error.strerror}.") from error
