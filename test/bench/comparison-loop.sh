#!/bin/sh
# Repeats a command until it succeeds, with a second in between.
until "$@"; do sleep 1; done
