"""A Django app that keeps the journal in the site's own database, and shows it in the admin.

Add ``"decart.integrations.django"`` to ``INSTALLED_APPS``, run ``manage.py migrate``, and pass
``decart.integrations.django.journal.DjangoJournal()`` to the client.
"""
