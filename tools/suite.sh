#!/bin/sh
# Runs the whole suite as three parts side by side: most of its time is waiting for servers, kills and clocks. What the
# second and third say comes after what the first one says. Fails where one of them does.
#
# tools/suite.sh PYTHON
set -u
python=$1
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
"$python" -m pytest tests/faults tests/bridges tests/fuzz tests/store tests/wire >"$logs/second" 2>&1 &
second=$!
"$python" -m pytest tests/channels tests/exchange tests/demo >"$logs/third" 2>&1 &
third=$!
trap 'kill "$second" "$third" 2>/dev/null; rm -rf "$logs"; exit 130' INT TERM
"$python" -m pytest --ignore=tests/faults --ignore=tests/bridges --ignore=tests/fuzz --ignore=tests/store \
  --ignore=tests/wire --ignore=tests/channels --ignore=tests/exchange --ignore=tests/demo
one=$?
wait "$second"
two=$?
wait "$third"
three=$?
cat "$logs/second" "$logs/third"
[ "$one" = 0 ] && [ "$two" = 0 ] && [ "$three" = 0 ]
