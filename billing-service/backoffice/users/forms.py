"""The forms of users: what they accept is written to auth-service first, then saved here."""

import hashlib
import hmac
import json
import uuid
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError
from django.utils.text import capfirst

from errors import BillingError
from users.auth_client import Actor, AuthRefused, AuthUnavailable, UserDocument, auth_client
from users.models import User

SHARED_FIELDS = ("username", "email", "is_active", "is_staff", "is_superuser")
NOTHING_SAVED = "auth-service cannot be reached right now: nothing was saved. Try again."


class StaffLoginForm(AdminAuthenticationForm):
    """The admin's login form; it says so when auth-service cannot be reached or limits attempts."""

    def clean(self) -> dict[str, Any]:
        """Check the credentials at auth-service."""
        try:
            return super().clean()
        except BillingError as refusal:
            raise ValidationError(refusal.detail, code=refusal.code) from None


class _WrittenToAuthService(forms.ModelForm[User]):
    """Sends valid fields to auth-service, whose refusals become form errors.

    `actor` is set by the admin. `document` is auth-service's answer, or None when nothing that
    it owns was changed.
    """

    actor: Actor
    document: UserDocument | None = None

    class Meta:
        model = User
        fields: ClassVar[list[str]] = []

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # the stubs leave this hook out
        if self.errors:
            return
        try:
            self.document = self.write()
        except AuthUnavailable:
            self.add_error(None, NOTHING_SAVED)
        except AuthRefused as refusal:
            _show(refusal, self)

    def validate_unique(self) -> None:
        """Leave it to auth-service: our row of a name may be older than the name's new owner."""

    def write(self) -> UserDocument | None:
        """Send the form's content.

        Raises:
            AuthRefused: Its sentences are shown beside their fields.
            AuthUnavailable: Nothing was saved.
        """
        raise NotImplementedError


class UserAddForm(_WrittenToAuthService):
    """A new user, with a password that only auth-service receives."""

    password1 = forms.CharField(
        label="Password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    password2 = forms.CharField(
        label="Password again",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    # Generated when the form is shown, so that submitting it twice creates one user.
    submission = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def clean_password2(self) -> str:
        """Catch typing errors."""
        return _same_twice(self.cleaned_data)

    def write(self) -> UserDocument:
        """Create the user at auth-service."""
        fields = {name: self.cleaned_data[name] for name in SHARED_FIELDS if name in self.fields}
        fields["password"] = self.cleaned_data["password1"]
        document = auth_client().create_user(fields, key=self._key(fields), actor=self.actor)
        self.instance.id = uuid.UUID(document["id"])
        return document

    def _key(self, fields: dict[str, Any]) -> str:
        # The content belongs to the key, so that a corrected form is a new request.
        content = json.dumps([str(self.cleaned_data["submission"]), fields], sort_keys=True)
        secret = settings.SECRET_KEY.encode()
        return hmac.new(secret, content.encode(), hashlib.sha256).hexdigest()


class UserChangeForm(_WrittenToAuthService):
    """An existing user; groups and permissions are ours, the rest is auth-service's."""

    # The version shown in the form: auth-service refuses if there is a newer one.
    known_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if "known_version" in self.fields:
            self.fields["known_version"].initial = self.instance.version

    def write(self) -> UserDocument | None:
        """Send what was changed to auth-service."""
        changed = [name for name in SHARED_FIELDS if name in self.changed_data]
        if not changed:
            return None
        version = self.cleaned_data.get("known_version")
        return auth_client().change_user(
            self.instance.id,
            {name: self.cleaned_data[name] for name in changed},
            version=self.instance.version if version is None else version,
            actor=self.actor,
        )


class PasswordForm(forms.Form):
    """A new password for another user, which only auth-service receives."""

    password1 = forms.CharField(
        label="New password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "autofocus": True}),
    )
    password2 = forms.CharField(
        label="New password again",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *arguments: Any, user_id: uuid.UUID, actor: Actor, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._user_id = user_id
        self._actor = actor
        self.document: UserDocument | None = None

    def clean_password2(self) -> str:
        """Catch typing errors."""
        return _same_twice(self.cleaned_data)

    def _post_clean(self) -> None:
        if self.errors:
            return
        try:
            self.document = auth_client().set_password(
                self._user_id,
                self.cleaned_data["password1"],
                actor=self._actor,
                current_password=self.cleaned_data.get("current_password"),
            )
        except AuthUnavailable:
            self.add_error(None, NOTHING_SAVED)
        except AuthRefused as refusal:
            _show(refusal, self)


class OwnPasswordForm(PasswordForm):
    """A new password of one's own, for which auth-service checks the current one."""

    current_password = forms.CharField(
        label="Current password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )
    field_order = ("current_password", "password1", "password2")


def _same_twice(cleaned_data: dict[str, Any]) -> str:
    password = str(cleaned_data["password2"])
    if "password1" in cleaned_data and cleaned_data["password1"] != password:
        raise ValidationError("The two passwords are not the same.", code="password_mismatch")
    return password


def _show(refusal: AuthRefused, form: forms.BaseForm) -> None:
    if refusal.reason == "username_taken":
        form.add_error("username", "A user with that username already exists.")
    elif refusal.reason == "version_conflict":
        form.add_error(None, "This user was changed by someone else. Reload the page.")
    elif refusal.reason == "wrong_password":
        form.add_error("current_password", refusal.detail)
    elif refusal.errors:
        for name, sentences in refusal.errors.items():
            _show_beside(name, sentences, form)
    else:
        form.add_error(None, refusal.detail)


def _show_beside(name: str, sentences: list[str], form: forms.BaseForm) -> None:
    field = {"password": "password1"}.get(name, name)
    known = field in form.fields
    shown = sentences if known else [f"{capfirst(name)}: {line}" for line in sentences]
    form.add_error(field if known else None, [ValidationError(line) for line in shown])
