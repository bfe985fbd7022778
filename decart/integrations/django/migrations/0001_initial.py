"""The table of the journal."""

from django.db import migrations, models

import decart.integrations.django.models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Job",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("label", decart.integrations.django.models.ExactCharField(max_length=255)),
                ("generation", models.PositiveIntegerField()),
                ("revision", models.PositiveIntegerField()),
                ("state", models.CharField(max_length=20)),
                ("model", models.CharField(max_length=255)),
                ("job_id", decart.integrations.django.models.ExactCharField(max_length=255, null=True)),
                ("created_at", models.FloatField()),
                ("updated_at", models.FloatField()),
                ("details", models.TextField()),
            ],
            options={
                "ordering": ["-created_at", "-pk"],
                "indexes": [
                    models.Index(fields=["job_id"], name="decart_jobs_job_id"),
                    models.Index(fields=["created_at", "label", "generation"], name="decart_jobs_age"),
                    models.Index(fields=["state", "created_at"], name="decart_jobs_state_age"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("label", "generation"), name="decart_jobs_label_generation")
                ],
            },
        ),
    ]
