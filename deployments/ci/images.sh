#!/usr/bin/env bash
# Makes stand-ins for the base images that the Dockerfile and docker-compose.yml name,
# for a machine with Docker and without a registry: the same programs in the same places,
# from Go modules and Debian's busybox. With a registry nobody needs this.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

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
	local dir=$1 tag=$2 changes=()
	shift 2
	for change; do changes+=(--change "$change"); done
	tar --numeric-owner --owner=0 --group=0 -C "$dir" -c . | docker import "${changes[@]}" - "$tag" >/dev/null
	printf 'made %s\n' "$tag"
}

# image NAME prints the image, with its tag, that a file of ours names.
image() { grep -hE '^FROM |image: ' Dockerfile docker-compose.yml | grep -oE "\<$1:[A-Za-z0-9._-]+" | sort -u; }

export CGO_ENABLED=0

base "$work/golang"
mkdir -p "$work/golang/usr/local/go" "$work/golang/go"
goroot=$(go env GOROOT)
tar -C "$goroot" --exclude=./test --exclude=./doc --exclude=./api -c . | tar -C "$work/golang/usr/local/go" -x
import "$work/golang" "$(image golang)" 'ENV PATH=/go/bin:/usr/local/go/bin:/bin GOPATH=/go GOTOOLCHAIN=local' 'CMD ["sh"]'

base "$work/nats"
go build -o "$work/nats/usr/local/bin/nats-server" github.com/nats-io/nats-server/v2
import "$work/nats" "$(image nats)" 'ENV PATH=/usr/local/bin:/bin' 'ENTRYPOINT ["nats-server"]'

base "$work/versitygw"
cp "$(go tool -modfile=tools.mod -n versitygw)" "$work/versitygw/usr/local/bin/versitygw"
import "$work/versitygw" "$(image versity/versitygw)" 'ENV PATH=/usr/local/bin:/bin'
