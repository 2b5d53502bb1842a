#!/usr/bin/env bash
# Provides, on a bare Debian machine, what `make compose` takes for granted: a Docker
# engine, the Compose tool, and the base images.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! docker info >/dev/null 2>&1; then
	mkdir -p .cache
	dockerd >.cache/dockerd.log 2>&1 &
	for ((i = 0; ; i++)); do
		docker info >/dev/null 2>&1 && break
		if ((i == 60)); then
			tail -20 .cache/dockerd.log
			exit 1
		fi
		sleep 1
	done
fi

if ! docker compose version >/dev/null 2>&1; then
	plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins
	mkdir -p "$plugins"
	CGO_ENABLED=0 go build -modfile=deployments/ci/compose.mod -o "$plugins/docker-compose" github.com/docker/compose/v2/cmd
fi
docker compose version

bash deployments/ci/images.sh
