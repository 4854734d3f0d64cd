"""The database refuses to change or remove a line of the audit log."""

from __future__ import annotations

from django.db import migrations

_FORBID = """
CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit_auditline
    FOR EACH ROW EXECUTE FUNCTION audit_append_only();
"""
_ALLOW = """
DROP TRIGGER audit_append_only ON audit_auditline;
DROP FUNCTION audit_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [migrations.RunSQL(_FORBID, _ALLOW)]
