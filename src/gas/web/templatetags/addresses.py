"""The tag ``{% url %}`` as Django has it, but quick for what stands on every page.

Named in ``TEMPLATES`` as a builtin, so every template has it. An address without arguments never
changes while the process runs; one of a thing with a UUID changes in the UUID alone. All others are
made by Django's own tag, each time.
"""

from __future__ import annotations

import uuid
from functools import cache

from django import template
from django.template.base import FilterExpression, Node, Parser, Token
from django.template.context import Context
from django.template.defaulttags import URLNode
from django.template.defaulttags import url as django_url
from django.urls import reverse

register = template.Library()

_SOME = uuid.UUID(int=0)


@register.tag
def url(parser: Parser, token: Token) -> Node:
    node: URLNode = django_url(parser, token)
    name, args = node.view_name.var, node.args
    # Which of several sites a namespaced name means depends on the page.
    if not isinstance(name, str) or ":" in name or node.kwargs or node.asvar or len(args) > 1:
        return node
    return _OfOne(node, name, args[0]) if args else _Fixed(name)


class _Fixed(Node):
    def __init__(self, name: str) -> None:
        self._name = name

    def render(self, context: Context) -> str:
        return _fixed(self._name)


class _OfOne(Node):
    def __init__(self, node: URLNode, name: str, argument: FilterExpression) -> None:
        self._node, self._name, self._argument = node, name, argument

    def render(self, context: Context) -> str:
        value = self._argument.resolve(context)
        if not isinstance(value, uuid.UUID):
            return str(self._node.render(context))
        before, after = _around(self._name)
        return f"{before}{value}{after}"


@cache
def _fixed(name: str) -> str:
    return reverse(name)


@cache
def _around(name: str) -> tuple[str, str]:
    """What stands before and after the UUID."""
    before, _, after = reverse(name, args=[_SOME]).partition(str(_SOME))
    return before, after
