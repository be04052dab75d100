#!/bin/sh
# Attempt after attempt until one finishes, PAUSE seconds apart.
until sh "$(dirname "$0")/resume-newest.sh" "$@"; do
  [ "$PAUSE" = 0 ] || sleep "$PAUSE"
done
