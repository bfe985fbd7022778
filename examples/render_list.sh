#!/bin/sh
# Generate a video for each line of a list, from a shell or cron. Killed and started again, it pays for nothing twice.
#
# Run: sh examples/render_list.sh [--emulator]      It saves videos/0001.mp4 and 0002.mp4 in the current folder.
# Cost: two edited videos of three seconds; with --emulator nothing, and the videos are placeholders.
# Needs the command: pip install decart-queue, and the key in DECART_API_KEY.

list="$(dirname "$0")/render_list.jsonl"
decart batch "$list" --out videos "$@"
code=$?

case $code in
    0) echo "All videos are in the folder videos." ;;
    3) echo "Some jobs continue at the service: run this again later, and it waits for them." ;;
    4) echo "The key is missing or was refused: decart doctor says more." ;;
    5) echo "Some jobs failed: videos/results.jsonl says why." ;;
    6) echo "A submit may have been billed: decart jobs list --journal videos.db --state unknown" ;;
    *) echo "It ended early: run this again." ;;
esac
exit $code
