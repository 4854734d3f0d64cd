from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "gas.web"
    label = "web"
