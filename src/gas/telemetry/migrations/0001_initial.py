
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('jobs', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='JobTrace',
            fields=[
                ('job', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='trace', serialize=False, to='jobs.job')),
                ('traceparent', models.CharField(max_length=55)),
            ],
        ),
        migrations.CreateModel(
            name='Sample',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=60)),
                ('label', models.CharField(max_length=60)),
                ('bucket', models.PositiveSmallIntegerField()),
                ('value', models.FloatField()),
            ],
        ),
        migrations.CreateModel(
            name='Reading',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=60)),
                ('label', models.CharField(max_length=60)),
                ('value', models.FloatField()),
                ('at', models.DateTimeField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('name', 'label'), name='reading_once')],
            },
        ),
        migrations.CreateModel(
            name='Total',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=60)),
                ('label', models.CharField(max_length=60)),
                ('bucket', models.PositiveSmallIntegerField()),
                ('count', models.BigIntegerField()),
                ('sum', models.FloatField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('name', 'label', 'bucket'), name='total_once')],
            },
        ),
    ]
