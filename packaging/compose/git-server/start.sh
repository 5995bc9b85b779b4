#!/bin/sh
# Creates the repository at the first start, and serves it.
set -eu

repository=/srv/git/data.git
if [ ! -d "$repository" ]; then
  git init --quiet --bare --initial-branch=main "$repository"
  git -C "$repository" config http.receivepack true
fi
install -m 0755 /usr/local/lib/git-server/post-receive "$repository/hooks/post-receive"
exec lighttpd -D -f /etc/lighttpd/git.conf
