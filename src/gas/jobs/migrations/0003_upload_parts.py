from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0002_fair_shares")]

    operations = [
        migrations.AddField("upload", "parts_id", models.TextField(blank=True, default=""), preserve_default=False),
        migrations.AddField("upload", "part_bytes", models.BigIntegerField(default=0)),
    ]
