"""Settings of the site. Secrets, and what differs between machines, come from the environment."""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
MIB = 1024 * 1024

# The service: by default the real one.
DECART_API_KEY = os.environ.get("DECART_API_KEY")
DECART_BASE_URL = os.environ.get("DECART_BASE_URL")

# How often the queue looks after the jobs, in seconds: see celery.py. The site runs without Celery, too.
CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL", "redis://127.0.0.1:6379/0")
CELERY_TASK_IGNORE_RESULT = True
SWEEP_EVERY = float(os.environ.get("DJANGO_SWEEP_EVERY", "10"))

# The model, and the largest upload.
VIDEOS_MODEL = "lucy-restyle-2"
VIDEOS_MAX_BYTES = 100 * MIB
FILE_UPLOAD_MAX_MEMORY_SIZE = 1 * MIB  # a larger file is kept on disk
DATA_UPLOAD_MAX_MEMORY_SIZE = 128 * 1024  # a request without its files

# Secure unless DJANGO_DEBUG is set.
DEBUG = os.environ.get("DJANGO_DEBUG") == "1"
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "django-insecure-for-development-only" if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured("Set DJANGO_SECRET_KEY; or DJANGO_DEBUG=1 to try the site on your own machine.")
ALLOWED_HOSTS = os.environ.get("DJANGO_ALLOWED_HOSTS", "").split()
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = not DEBUG
SECURE_HSTS_SECONDS = 0 if DEBUG else 3600
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
if os.environ.get("DJANGO_BEHIND_TLS_PROXY") == "1":  # the proxy overwrites this header
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

INSTALLED_APPS = [
    "videos",
    "decart.integrations.django",  # the journal
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "videos.middleware.limit_uploads",  # before the CSRF middleware, which reads the form
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "mysite.urls"
WSGI_APPLICATION = "mysite.wsgi.application"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DJANGO_SQLITE", BASE_DIR / "db.sqlite3"),
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = LOGOUT_REDIRECT_URL = "login"
LOGIN_REDIRECT_URL = "videos:index"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "static"  # for `collectstatic`

# Where videos are stored: in a bucket (django-storages; boto3 finds the credentials), or in a folder that no web server
# shows, since a video is for its owner only.
MEDIA_ROOT = os.environ.get("DJANGO_MEDIA", BASE_DIR / "media")
BUCKET = os.environ.get("DJANGO_S3_BUCKET")
STORAGES = {
    "default": {
        "BACKEND": "storages.backends.s3.S3Storage",
        # a link to it downloads it; a player plays it nevertheless
        "OPTIONS": {"bucket_name": BUCKET, "object_parameters": {"ContentDisposition": "attachment"}},
    }
    if BUCKET
    else {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

# At INFO the log has the id of each accepted job, in case the database fails just then.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"]},  # a Celery worker puts its own handler here
    "loggers": {name: {"level": "INFO"} for name in ("decart", "django", "videos")},
}
