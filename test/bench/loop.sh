#!/bin/sh
# Repeats attempts until one succeeds, with a pause of PAUSE seconds.
until sh "$(dirname "$0")/resume-newest.sh" "$@"; do
  [ "$PAUSE" = 0 ] || sleep "$PAUSE"
done
