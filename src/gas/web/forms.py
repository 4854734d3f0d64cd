"""The form that uploads, and the one that chooses among jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from gas.annotate.pack import Pack
from gas.jobs.states import ResultState, Status
from gas.wiring import Services


class AnnotateForm(forms.Form):
    """A file, and what to annotate it with. A choice of one is no choice: it is not shown."""

    file: forms.Field = forms.FileField(
        label="VCF file",
        allow_empty_file=True,  # the use case says it better
        error_messages={"required": "Choose a VCF file first."},
        widget=forms.FileInput(attrs={"accept": ".vcf,.gz,.bgz"}),
    )

    #: Names one display of the form: sent twice, it makes one job.
    once: forms.Field = forms.UUIDField(required=False, widget=forms.HiddenInput)

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

    @property
    def chosen_file(self) -> UploadedFile[bytes]:
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        return file

    @property
    def once_key(self) -> str | None:
        """Names this display of the form with this file: a browser that goes back may show the
        same form again, for another file."""
        once, file = self.cleaned_data.get("once"), self.chosen_file
        return f"form-{once}-{file.size}-{file.name}"[:200] if once else None

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
