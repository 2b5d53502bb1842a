// Package kubernetes holds deployments/kubernetes against what a cluster, KEDA and the
// binary would say to it, without a cluster: each kustomization is rendered and must match
// the schemas of the kinds it uses, each argument must be one that levada takes, each
// reference must lead somewhere, and the streams that an autoscaler watches must be those
// of a real run.
//
// `make kubernetes` runs it, with kustomize and kubeconform of deployments/ci/kubernetes.mod.
package kubernetes
