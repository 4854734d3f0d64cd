from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0003_job_rates")]

    operations = [
        migrations.AddField("upload", "parts_id", models.TextField(blank=True, default=""), preserve_default=False),
        migrations.AddField("upload", "part_bytes", models.BigIntegerField(default=0)),
    ]
