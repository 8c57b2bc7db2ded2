#!/bin/sh
# Runs the whole suite as two halves side by side: most of its time is waiting for servers, kills and clocks. What the
# second half says comes after what the first one says. Fails where either does.
#
# tools/suite.sh PYTHON
set -u
python=$1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$python" -m pytest tests/faults tests/bridges tests/fuzz tests/store tests/wire >"$log" 2>&1 &
half=$!
trap 'kill "$half" 2>/dev/null; rm -f "$log"; exit 130' INT TERM
"$python" -m pytest --ignore=tests/faults --ignore=tests/bridges --ignore=tests/fuzz --ignore=tests/store --ignore=tests/wire
one=$?
wait "$half"
two=$?
cat "$log"
[ "$one" = 0 ] && [ "$two" = 0 ]
