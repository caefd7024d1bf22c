package health

import (
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// reporting are the kinds, by group, whose controllers are known to write a status soon after they see an object: without one they have
// not. A group with no kinds stands for all of its kinds. For every other kind an absent status says nothing, since most kinds never
// get one, and waiting for it would hold up a release for ever; a user who knows better writes a rule.
var reporting = map[string][]string{
	"acme.cert-manager.io":           nil,
	"cert-manager.io":                nil,
	"bitnami.com":                    {"SealedSecret"},
	"cluster.x-k8s.io":               {"Cluster", "Machine", "MachineDeployment", "MachineSet", "MachinePool"},
	"external-secrets.io":            nil,
	"helm.toolkit.fluxcd.io":         nil,
	"image.toolkit.fluxcd.io":        nil,
	"k8s.mariadb.com":                {"MariaDB", "Database", "User", "Grant"},
	"kafka.strimzi.io":               nil,
	"keda.sh":                        {"ScaledObject", "ScaledJob"},
	"kustomize.toolkit.fluxcd.io":    nil,
	"kyverno.io":                     {"ClusterPolicy", "Policy"},
	"monitoring.coreos.com":          {"Alertmanager", "Prometheus", "ThanosRuler"},
	"notification.toolkit.fluxcd.io": {"Receiver"},
	"postgresql.cnpg.io":             {"Backup", "Cluster", "Database"},
	"rabbitmq.com":                   nil,
	"serving.knative.dev":            {"Configuration", "Revision", "Route", "Service"},
	"source.toolkit.fluxcd.io":       nil,
	"tekton.dev":                     {"PipelineRun", "TaskRun"},
}

// silent are kinds of Crossplane and its providers that nobody reports on; all others of theirs do.
var silent = map[string]bool{
	"ClusterProviderConfig":   true,
	"Composition":             true,
	"ControllerConfig":        true,
	"DeploymentRuntimeConfig": true,
	"EnvironmentConfig":       true,
	"ImageConfig":             true,
	"ProviderConfig":          true,
	"ProviderConfigUsage":     true,
	"StoreConfig":             true,
	"Usage":                   true,
}

// reports says whether an object of this kind is known to get a status.
func reports(gk object.GroupKind) bool {
	if strings.HasSuffix(gk.Group, ".crossplane.io") || strings.HasSuffix(gk.Group, ".upbound.io") {
		return !silent[gk.Kind]
	}
	kinds, ok := reporting[gk.Group]
	if !ok {
		return false
	}
	for _, kind := range kinds {
		if kind == gk.Kind {
			return true
		}
	}
	return len(kinds) == 0
}
