#!/bin/sh
# Makes the keys of one deployment in $1 at first start, and never again: the broker's users (one a plane, refused by the
# broker on the other's subjects), a service token and an admin token. Nothing is printed but that it was done.
set -eu

dir=${1:?usage: make-keys.sh DIR}
umask 027
mkdir -p "$dir"

if [ -e "$dir/done" ]; then
  echo "keys: there already"
  exit 0
fi

secret() {
  head -c 36 /dev/urandom | base64 -w0 | tr '+/' '-_'
}

password() { # NAME: a broker user's password in its own file
  secret >"$dir/$1.password"
}

for user in lifecycled runner sessiond controller; do
  password "$user"
done

token() { # NAME ROLE: a secret in NAME.token, its hash in the token file
  secret >"$dir/$1.token"
  printf '{"sha256":"%s","role":"%s","sub":"%s"}\n' \
    "$(sha256sum <"$dir/$1.token" | cut -d' ' -f1)" "$2" "$1" >>"$dir/tokens.jsonl"
}

: >"$dir/tokens.jsonl"
token runner service
token admin admin

for user in lifecycled runner sessiond controller; do
  printf '%s_PASSWORD: "%s"\n' "$(echo "$user" | tr '[:lower:]' '[:upper:]')" "$(cat "$dir/$user.password")"
done >"$dir/nats-passwords.conf"
: >"$dir/done"
echo "keys: made"
