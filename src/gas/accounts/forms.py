"""What a person is asked at sign-up, and may change later."""

from __future__ import annotations

from typing import ClassVar

from django import forms
from django.http import HttpRequest

from gas.accounts.models import User


class SignupForm(forms.Form):
    """Added to allauth's e-mail and password fields."""

    name = forms.CharField(max_length=200, label="Name")
    institution = forms.CharField(max_length=200, required=False, label="Institution (optional)")
    field_order = ["name", "email", "institution", "password1", "password2"]

    def signup(self, request: HttpRequest, user: User) -> None:
        user.name = self.cleaned_data["name"]
        user.institution = self.cleaned_data["institution"]
        user.save(update_fields=["name", "institution"])


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields: ClassVar[list[str]] = ["name", "institution"]


class TokenForm(forms.Form):
    name = forms.CharField(
        max_length=100, label="Name", help_text="What it is for, so that you know it again."
    )
