#!/usr/bin/env bash
# Prints ScaledObjects that scale readers and transforms by the lag of one run, with KEDA's
# nats-jetstream scaler: for clusters without Prometheus that run one pipeline at a time.
#
#   keda-run.sh RUN STAGE... | kubectl apply --namespace levada --filename -
#
# STAGE... are the stages of the pipeline's spec, in their order. The next run's objects
# replace these: KEDA lets only one ScaledObject have a Deployment. Writers are left as
# they are: this scaler counts what they hold until a cut as lag, so it says nothing.
#
# NATS_MONITOR is where the servers show themselves (default: as nats-values.yaml has it),
# NATS_ACCOUNT whose streams they are (default $G, the account of servers without any).
set -euo pipefail

if (($# < 1)) || ! [[ $1 =~ ^[0-9a-hjkmnp-tv-z]{26}$ ]]; then
	printf 'usage: %s RUN STAGE...\nRUN is the id that levada submit prints, 26 characters.\n' "$0" >&2
	exit 2
fi
run=$1
shift
monitor=${NATS_MONITOR:-nats-headless.nats.svc.cluster.local:8222}
account=${NATS_ACCOUNT:-\$G}

# object ROLE MAX prints one without triggers. It keeps a pod of each role: a consumer is
# there only after the first of its role has asked for it.
object() {
	cat <<-EOF
		---
		apiVersion: keda.sh/v1alpha1
		kind: ScaledObject
		metadata:
		  name: $1
		spec:
		  scaleTargetRef: { name: $1 }
		  minReplicaCount: 1
		  maxReplicaCount: $2
		  pollingInterval: 15
		  fallback: { failureThreshold: 4, replicas: 1 } # the run has ended: its streams are gone
		  triggers:
	EOF
}

# trigger STREAM CONSUMER LAG prints one: LAG messages a pod.
trigger() {
	cat <<-EOF
		    - type: nats-jetstream
		      metadata:
		        natsServerMonitoringEndpoint: $monitor
		        account: "$account"
		        stream: $1
		        consumer: $2
		        lagThreshold: "$3"
	EOF
}

object reader 4
trigger "levada-tasks-$run" readers 2

if (($# > 0)); then
	object transform 8
	from=source
	for stage; do
		trigger "levada-blocks-$run-$from" "to-$stage" 8
		from=$stage
	done
fi
