#!/bin/sh
# Make videos with cron: no process waits for a job. See docs/task-queues.md.
#
# Run:      sh queue_cron.sh order-1 "Anime style" media/input.mp4       submits a job
# crontab:  * * * * *  DECART_API_KEY=... /srv/videos/queue_cron.sh      checks the jobs that are due; saves the videos
# Needs:    pip install decart-queue into /srv/videos/.venv, if /srv/videos is the folder of this script.
# The jobs are in jobs.db and the videos in the folder videos, beside this script. cron mails what is printed: a line
# for each job that has ended, or that had an error.
# Cost: one job for each label, however often it is submitted.

here="$(dirname "$0")"
PATH="$here/.venv/bin:$PATH"

if [ $# -eq 3 ]; then
    decart submit --journal "$here/jobs.db" --label "$1" -m lucy-restyle-2 -p "$2" -i "$3"
else
    decart jobs sweep --journal "$here/jobs.db" --out "$here/videos"
fi
