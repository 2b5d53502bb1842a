#!/usr/bin/env bash
# Makes the schemas beside it, for the kinds that the manifests use: what a cluster would
# refuse is found without one. Needs Go, Python 3 and their package registries.
#
# The kinds of Kubernetes come from the Python package kubernetes-validate, which carries
# the OpenAPI definitions of Kubernetes as JSON schemas, KEDA's from the CRD in its Go
# module. All three are under the Apache License 2.0.
set -euo pipefail
cd "$(dirname "$0")"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check kubernetes-validate==1.37.0
keda=$(go mod download -json github.com/kedacore/keda/v2@v2.21.0 | python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')

# The oldest version of Kubernetes that is promised, and the newest that is known.
rm -rf v*
for version in 1.31.0 1.37.0; do
	"$work/venv/bin/python" make.py "$version" "$keda/config/crd/bases/keda.sh_scaledobjects.yaml" "v$version"
done
