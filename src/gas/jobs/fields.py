"""A model field for values whose order a person sees."""

from __future__ import annotations

import json
from typing import Any

from django.db import models


class OrderedJSON(models.TextField):  # type: ignore[type-arg]
    """JSON as text: keys keep their order, which PostgreSQL's own type (jsonb) does not."""

    def from_db_value(self, value: str | None, _expression: Any, _connection: Any) -> Any:
        return None if value is None else json.loads(value)

    def to_python(self, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else json.dumps(value)

    def value_to_string(self, obj: models.Model) -> str:
        return json.dumps(self.value_from_object(obj))
