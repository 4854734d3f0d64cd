"""What a person is asked at sign-up, and may change later."""

from __future__ import annotations

from typing import Any, ClassVar

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
        fields: ClassVar[list[str]] = ["name", "institution", "mail_before_archive"]
        help_texts: ClassVar[dict[str, str]] = {
            "mail_before_archive": "When a third of its time at hand is left; for jobs that are "
            "completed from now on."
        }

    def save(self, commit: bool = True) -> User:
        """Writes what the form asks for and nothing else: the plan, say, may change meanwhile."""
        user: User = super().save(commit=False)
        if commit:
            user.save(update_fields=self._meta.fields)
        return user


class CloseForm(forms.Form):
    """The password again: an open session is not enough to close an account."""

    password = forms.CharField(
        label="Your password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, user: User, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self._user = user

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if not self._user.check_password(password):
            raise forms.ValidationError("This is not your password.")
        return password


class TokenForm(forms.Form):
    name = forms.CharField(
        max_length=100, label="Name", help_text="What it is for, so that you know it again."
    )
