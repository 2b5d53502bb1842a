#!/usr/bin/env bash
# Makes stand-ins for the base images that the Dockerfile and docker-compose.yml name,
# for a machine with Docker and without a registry: the same programs in the same places,
# from Go modules and Debian's busybox. Images that were pulled stay as they are.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A stand-in says what it was made from, and is made again when that has changed.
label=levada.stand-in
made_from=$(cat go.sum tools.sum "$0" <(go version) | sha256sum | cut -c1-16)

# wanted TAG reports that there is no such image, or an old stand-in for it.
wanted() {
	local found
	found=$(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "$1" 2>/dev/null) || return 0
	[[ -n $found && $found != "$made_from" ]]
}

# base DIR makes a root file system with busybox and certificates, as alpine has them.
base() {
	mkdir -p "$1"/{bin,etc/ssl/certs,tmp,usr/local/bin}
	chmod 1777 "$1/tmp"
	cp "$(command -v busybox)" "$1/bin/busybox"
	local applet
	for applet in $("$1/bin/busybox" --list); do
		[[ $applet == busybox ]] || ln -s busybox "$1/bin/$applet"
	done
	cp -L /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"
	printf 'root:x:0:0:root:/root:/bin/sh\n' >"$1/etc/passwd"
}

# import DIR TAG [CHANGE...] makes an image of a root file system.
import() {
	local dir=$1 tag=$2 changes=(--change "LABEL $label=$made_from")
	shift 2
	for change; do changes+=(--change "$change"); done
	tar --numeric-owner --owner=0 --group=0 -C "$dir" -c . | docker import "${changes[@]}" - "$tag" >/dev/null
	printf 'made %s\n' "$tag"
}

# image NAME prints the image, with its tag, that a file of ours names.
image() { grep -hE '^FROM |image: ' Dockerfile docker-compose.yml | grep -oE "\<$1:[A-Za-z0-9._-]+" | sort -u; }

export CGO_ENABLED=0

tag=$(image golang)
if wanted "$tag"; then
	base "$work/golang"
	mkdir -p "$work/golang/usr/local/go" "$work/golang/go"
	tar -C "$(go env GOROOT)" --exclude=./test --exclude=./doc --exclude=./api -c . | tar -C "$work/golang/usr/local/go" -x
	import "$work/golang" "$tag" 'ENV PATH=/go/bin:/usr/local/go/bin:/bin GOPATH=/go GOTOOLCHAIN=local' 'CMD ["sh"]'
fi

tag=$(image nats)
if wanted "$tag"; then
	base "$work/nats"
	go build -o "$work/nats/usr/local/bin/nats-server" github.com/nats-io/nats-server/v2
	import "$work/nats" "$tag" 'ENV PATH=/usr/local/bin:/bin' 'ENTRYPOINT ["nats-server"]'
fi

tag=$(image versity/versitygw)
if wanted "$tag"; then
	base "$work/versitygw"
	cp "$(go tool -modfile=tools.mod -n versitygw)" "$work/versitygw/usr/local/bin/versitygw"
	import "$work/versitygw" "$tag" 'ENV PATH=/usr/local/bin:/bin'
fi
