#!/usr/bin/env bash
# Builds the Dockerfile's image for linux/amd64 and linux/arm64, each into one file that
# `docker load` reads: images.sh VERSION DIR. What the engine cannot build is named, with
# its reason, and the exit code is then 1 if nothing at all was built.
#
# The image needs no emulation: its program is cross-compiled, and nothing runs in the
# last stage. Needed is BuildKit: Docker's buildx, or, without it, Docker Compose, which
# brings a client of its own to the BuildKit that is in the engine.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1 dir=$2

if docker buildx version >/dev/null 2>&1; then
	by=buildx
elif docker compose version >/dev/null 2>&1; then
	by=compose
else
	printf 'left out: images for linux/amd64 and linux/arm64: neither docker buildx nor docker compose is there, and the Dockerfile needs BuildKit\n' >&2
	exit 1
fi

# build PLATFORM TAG builds one image into the engine.
build() {
	if [[ $by == buildx ]]; then
		docker buildx build --platform "$1" --build-arg VERSION="$version" --load --tag "$2" .
	else
		docker compose --project-directory . -f - build image <<-YAML
			name: levada-release
			services:
			  image:
			    image: $2
			    build: { context: ., platforms: [$1], args: { VERSION: "$version" } }
		YAML
	fi
}

mkdir -p "$dir"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
made=0
for arch in amd64 arm64; do
	tag=levada:$version-$arch file=$dir/levada-$version-image-linux-$arch.tar.gz
	if ! build "linux/$arch" "$tag" >"$log" 2>&1; then
		printf 'left out: image for linux/%s: %s does not build it:\n%s\n' "$arch" "$by" "$(tail -5 "$log")" >&2
		continue
	fi
	got=$(docker image inspect --format '{{.Os}}/{{.Architecture}}' "$tag")
	if [[ $got != "linux/$arch" ]]; then
		printf 'left out: image for linux/%s: the engine made one for %s\n' "$arch" "$got" >&2
		continue
	fi
	docker save "$tag" | gzip -n >"$file"
	printf 'made %s\n' "$file"
	made=$((made + 1))
done
((made > 0))
