"""Routes of the pages. docs/routes.md tells each; a test holds that page to this file."""

from __future__ import annotations

from allauth.account import views as account
from django.urls import path, re_path
from django.urls.resolvers import URLPattern

from gas.web.views import account as own_account
from gas.web.views import (
    annotate,
    billing,
    files,
    findings,
    health,
    home,
    jobs,
    logs,
    metrics,
    parts,
    profile,
    subscribe,
)
from gas.wiring import PARTS_PATH

# Those of allauth's that GAS has pages for, under the names that allauth asks for.
_ACCOUNTS: list[URLPattern] = [
    path("accounts/login/", account.login, name="account_login"),
    path("accounts/logout/", account.logout, name="account_logout"),
    path("accounts/signup/", account.signup, name="account_signup"),
    path("accounts/inactive/", account.account_inactive, name="account_inactive"),
    path("accounts/password/change/", account.password_change, name="account_change_password"),
    path("accounts/password/reset/", account.password_reset, name="account_reset_password"),
    path(
        "accounts/password/reset/done/",
        account.password_reset_done,
        name="account_reset_password_done",
    ),
    re_path(
        r"^accounts/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "accounts/password/reset/key/done/",
        account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
]

urlpatterns: list[URLPattern] = [
    path("", home.home, name="home"),
    path("favicon.ico", home.favicon, name="favicon"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    *_ACCOUNTS,
    path("profile/", profile.profile, name="profile"),
    path("profile/tokens/", profile.token_create, name="token-create"),
    path("profile/tokens/<int:token_id>/revoke/", profile.token_revoke, name="token-revoke"),
    path("profile/export/", own_account.account_export, name="account-export"),
    path("profile/close/", own_account.account_close, name="account-close"),
    path("profile/closed/", own_account.account_closed, name="account-closed"),
    path("subscribe/", subscribe.subscribe, name="subscribe"),
    path("subscribe/start", subscribe.start, name="subscribe-start"),
    path("subscribe/portal", subscribe.portal, name="subscribe-portal"),
    path("subscribe/done/", subscribe.done, name="subscribe-done"),
    path("subscribe/done/status/", subscribe.done_status, name="subscribe-status"),
    path("subscribe/test/", billing.test_page, name="subscribe-test"),
    path("billing/webhook", billing.webhook, name="billing-webhook"),
    path("annotate/", annotate.annotate, name="annotate"),
    path(PARTS_PATH.lstrip("/"), parts.receive_part, name="upload-part"),
    path("jobs/", jobs.job_list, name="job-list"),
    path("jobs/<uuid:job_id>/", jobs.job_detail, name="job-detail"),
    path("jobs/<uuid:job_id>/status/", jobs.job_status, name="job-status"),
    path("jobs/<uuid:job_id>/cancel/", jobs.job_cancel, name="job-cancel"),
    path("jobs/<uuid:job_id>/delete/", jobs.job_delete, name="job-delete"),
    path("jobs/<uuid:job_id>/log/", logs.job_log, name="job-log"),
    path("jobs/<uuid:job_id>/log.txt", logs.job_log_text, name="job-log-text"),
    path("jobs/<uuid:job_id>/findings/", findings.job_findings, name="job-findings"),
    path("jobs/<uuid:job_id>/input", files.job_input, name="job-input"),
    path("jobs/<uuid:job_id>/files/<str:name>", files.job_file, name="job-file"),
]
