from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "gas.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"
