#!/bin/sh
# Puts the foreign programs in place that interop and fault tests talk to: by apt where root and apt are there.
# What can't be installed is skipped by name in the tests, and counted at their end.
set -u
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  wanted=""
  [ -n "$(ls /usr/lib/postgresql/*/bin/postgres 2>/dev/null)" ] || wanted="$wanted postgresql"
  command -v strace >/dev/null 2>&1 || wanted="$wanted strace"
  command -v openssl >/dev/null 2>&1 || wanted="$wanted openssl"
  command -v curl >/dev/null 2>&1 || wanted="$wanted curl"
  command -v sshd >/dev/null 2>&1 || [ -x /usr/sbin/sshd ] || wanted="$wanted openssh-server"
  command -v lftp >/dev/null 2>&1 || wanted="$wanted lftp"
  [ -x /usr/sbin/proftpd ] || wanted="$wanted proftpd-core"
  [ -e /usr/lib/proftpd/mod_tls.so ] || wanted="$wanted proftpd-mod-crypto"
  command -v gpg >/dev/null 2>&1 || wanted="$wanted gnupg"
  command -v pebble >/dev/null 2>&1 || wanted="$wanted pebble"
  command -v pdfsig >/dev/null 2>&1 || wanted="$wanted poppler-utils"
  command -v xmlsec1 >/dev/null 2>&1 || wanted="$wanted xmlsec1"
  command -v softhsm2-util >/dev/null 2>&1 || wanted="$wanted softhsm2"
  # Bouncy Castle reads and writes evidence records; its peer is one source file, which the JDK compiles as it starts.
  java=""
  [ -e /usr/share/java/bcpkix.jar ] || java="$java libbcpkix-java"
  command -v javac >/dev/null 2>&1 || java="$java default-jdk-headless"
  # Apart: a large download that fails takes no other peer with it.
  for some in "$wanted" "$java"; do
    [ -n "$some" ] || continue
    echo "installing test peers:$some"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends $some >/dev/null
  done
  # vsftpd and proftpd can't be installed together: this one is only unpacked.
  if [ ! -x build/peers/vsftpd/usr/sbin/vsftpd ]; then
    echo "unpacking vsftpd"
    package=$(mktemp -d) && chmod 777 "$package" \
      && (cd "$package" && { apt-get download -qq vsftpd || { apt-get update -qq && apt-get download -qq vsftpd; }; }) \
      && mkdir -p build/peers/vsftpd && dpkg -x "$package"/vsftpd_*.deb build/peers/vsftpd
    rm -rf "$package"
  fi
fi
# An S3 server of its own, in an environment of its own: its dependencies are not the product's.
if [ ! -x build/peers/s3/bin/python ] || ! [ build/peers/s3/.ready -nt tests/peers/s3.lock ]; then
  echo "installing the S3 test peer"
  "${PYTHON:-python3.11}" -m venv build/peers/s3 \
    && build/peers/s3/bin/python -m pip install --quiet --require-hashes -r tests/peers/s3.lock \
    && touch build/peers/s3/.ready
fi
# rclone (S3 and WebDAV), WsgiDAV and moto likewise.
if [ ! -x build/peers/stores/bin/python ] || ! [ build/peers/stores/.ready -nt tests/peers/stores.lock ]; then
  echo "installing rclone, WsgiDAV and moto"
  "${PYTHON:-python3.11}" -m venv build/peers/stores \
    && build/peers/stores/bin/python -m pip install --quiet --require-hashes -r tests/peers/stores.lock \
    && touch build/peers/stores/.ready
fi
exit 0
