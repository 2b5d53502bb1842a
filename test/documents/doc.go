// Package documents types what documents say to type where that takes more than levada:
// jq, b3sum and sha256sum on a manifest, NATS's own tools on a live server and on a backup,
// and make -n on what is too long for every change. Its tests take the commands from the
// documents through internal/documents, which keeps the account of all of them, and fail
// for one that they do not know. They need those programs: `make documents` builds the one
// of NATS from deployments/ci/nats.mod.
package documents
