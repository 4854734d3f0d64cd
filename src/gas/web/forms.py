"""The form that uploads, and the one that chooses among jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.core.files.uploadedfile import UploadedFile

from gas.annotate.pack import Pack
from gas.jobs.states import ResultState, Status
from gas.wiring import Services


class AnnotateForm(forms.Form):
    """A file, and what to annotate it with. A choice of one is no choice: it is not shown."""

    file: forms.Field = forms.FileField(
        label="VCF file",
        required=False,  # the script of the page sends it beforehand: see ``clean``
        allow_empty_file=True,  # the use case says it better
        widget=forms.FileInput(attrs={"accept": ".vcf,.gz,.bgz"}),
    )

    #: Names one display of the form: sent twice, it makes one job.
    once: forms.Field = forms.UUIDField(required=False, widget=forms.HiddenInput)
    #: Names the upload, where the page's script has sent the file by parts.
    upload: forms.Field = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, svc: Services, engines: Sequence[str], packs: Sequence[Pack], **kw: Any):
        super().__init__(**kw)
        settings = svc.settings
        if len(packs) > 1:
            choices = [(p.name, f"{p.name}: {p.assembly}, {p.version}") for p in packs]
            self._offer("reference", "Reference", choices, settings.default_reference)
        if len(engines) > 1:
            self._offer("engine", "Engine", [(e, e) for e in engines], settings.default_engine)

    def _offer(self, name: str, label: str, choices: list[tuple[str, str]], first: str) -> None:
        # Not required: who sends no choice gets the service's default.
        self.fields[name] = forms.ChoiceField(
            label=label, choices=choices, initial=first, required=False
        )

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if not given.get("file") and not given.get("upload") and "file" not in self.errors:
            self.add_error("file", "Choose a VCF file first.")
        return given

    @property
    def chosen_file(self) -> UploadedFile[bytes] | None:
        file: UploadedFile[bytes] | None = self.cleaned_data.get("file")
        return file

    @property
    def upload_id(self) -> UUID | None:
        found: UUID | None = self.cleaned_data.get("upload")
        return found

    @property
    def once_key(self) -> str | None:
        """Names this display of the form with this file: a browser that goes back may show the
        same form again, for another file. None for an upload, of which there is one job anyway."""
        once, file = self.cleaned_data.get("once"), self.chosen_file
        return f"form-{once}-{file.size}-{file.name}"[:200] if once and file else None

    def chosen(self, name: str) -> str | None:
        """The ``reference`` or ``engine`` asked for; None where there was no choice."""
        return self.cleaned_data.get(name) or None


class JobFilter(forms.Form):
    """Which of their jobs a person wants to see. What is no choice counts as none."""

    status = forms.ChoiceField(
        label="Status", required=False, choices=[("", "Any"), *Status.choices]
    )
    result = forms.ChoiceField(
        label="Result",
        required=False,
        choices=[("", "Anywhere"), *((v, t) for v, t in ResultState.choices if v)],
    )

    def chosen(self) -> dict[str, str]:
        """The fields that say something, by the names of the model's."""
        self.is_valid()
        names = {"status": "status", "result": "result_state"}
        given = {names[key]: value for key, value in self.cleaned_data.items()}
        return {name: value for name, value in given.items() if value}
