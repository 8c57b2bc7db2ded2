#!/bin/sh
# Runs the whole suite in parts, four at a time, the longest first: most of its time is waiting for servers, kills and
# clocks. Each part is told whole when it ends. Fails where one of them does.
#
# tools/suite.sh PYTHON
set -u
python=$1
logs=$(mktemp -d)
export python logs
trap 'rm -rf "$logs"' EXIT
trap 'exit 130' INT TERM
cat >"$logs/parts" <<'END'
tests/faults/test_bridges_killed.py tests/bridges
tests/channels/sftp
tests/cli
tests/faults/test_crash_points.py tests/faults/test_simulation.py tests/faults/test_two_nodes.py
tests/app --ignore=tests/app/packs --ignore=tests/app/backup --ignore=tests/app/rotation
tests/channels --ignore=tests/channels/sftp --ignore=tests/channels/as2 --ignore=tests/channels/http
tests/channels/as2 tests/channels/http
tests/faults --ignore=tests/faults/test_bridges_killed.py --ignore=tests/faults/test_crash_points.py --ignore=tests/faults/test_simulation.py --ignore=tests/faults/test_two_nodes.py
tests/app/packs tests/app/backup tests/app/rotation
tests/exchange tests/demo
tests/verify tests/evidence
tests/store tests/fuzz tests/wire
END
# What is in no part above is one more.
named=$(tr ' ' '\n' <"$logs/parts" | grep -oE '^tests/[a-z]+' | sort -u | sed 's/^/--ignore=/' | tr '\n' ' ')
echo "tests $named" >>"$logs/parts"
xargs -P 4 -I '{}' sh -c '
  log=$(mktemp "$logs/part.XXXXXX")
  "$python" -m pytest {} >"$log" 2>&1
  ended=$?
  flock "$logs/parts" sh -c "echo \"== {}\"; cat $log"
  exit "$ended"
' <"$logs/parts"
