package order

import (
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// The tiers, in the order in which they are applied. Deletions go the other way.
const (
	tierEarly    = iota // what other objects need to exist at all
	tierClass           // looked up when pods and claims are admitted
	tierLimit           // bounds that must hold from the first pod on
	tierAccount         // a token Secret of an unknown ServiceAccount is deleted by its controller
	tierConfig          // what pods mount, what makes it, and roles
	tierBinding         // a binding to an unknown role is refused to all but administrators
	tierService         // before pods, which receive a Service's address in their environment
	tierWorkload        // what runs
	tierRest            // what looks at workloads, and custom resources
	tierGuard           // what may refuse or break requests for everything else while it is not served
)

// tiers are the known kinds by group.
var tiers = map[string]map[string]int{
	"": {
		"Namespace":             tierEarly,
		"ResourceQuota":         tierLimit,
		"LimitRange":            tierLimit,
		"ServiceAccount":        tierAccount,
		"Secret":                tierConfig,
		"ConfigMap":             tierConfig,
		"PersistentVolume":      tierConfig,
		"PersistentVolumeClaim": tierConfig,
		"Service":               tierService,
		"Endpoints":             tierService,
		"Pod":                   tierWorkload,
		"ReplicationController": tierWorkload,
	},
	"apps": {
		"DaemonSet":   tierWorkload,
		"Deployment":  tierWorkload,
		"ReplicaSet":  tierWorkload,
		"StatefulSet": tierWorkload,
	},
	"batch": {"Job": tierWorkload, "CronJob": tierWorkload},
	"rbac.authorization.k8s.io": {
		"Role":               tierConfig,
		"ClusterRole":        tierConfig,
		"RoleBinding":        tierBinding,
		"ClusterRoleBinding": tierBinding,
	},
	"networking.k8s.io":      {"NetworkPolicy": tierLimit},
	"discovery.k8s.io":       {"EndpointSlice": tierService},
	"apiextensions.k8s.io":   {"CustomResourceDefinition": tierEarly},
	"apiregistration.k8s.io": {"APIService": tierGuard},

	// Custom resources of which others make Secrets that pods mount, and workloads by another name.
	"argoproj.io":        {"Rollout": tierWorkload},
	"bitnami.com":        {"SealedSecret": tierConfig},
	"isindir.github.com": {"SopsSecret": tierConfig},
	"cert-manager.io": {
		"Certificate":   tierConfig,
		"Issuer":        tierConfig,
		"ClusterIssuer": tierConfig,
	},
	"external-secrets.io": {
		"ExternalSecret":     tierConfig,
		"SecretStore":        tierConfig,
		"ClusterSecretStore": tierConfig,
	},
}

// guards are the groups of which every kind bears on admission.
var guards = map[string]bool{
	"admissionregistration.k8s.io": true, // webhook configurations, admission policies and their bindings
	"constraints.gatekeeper.sh":    true,
	"kyverno.io":                   true,
	"policies.kyverno.io":          true,
}

// Tier returns the place of a kind within its batch: lower tiers are applied first. A kind that is not known comes after
// workloads and before what guards admission.
func Tier(gk object.GroupKind) int {
	if t, ok := tiers[gk.Group][gk.Kind]; ok {
		return t
	}
	switch {
	case guards[gk.Group]:
		return tierGuard
	case strings.HasSuffix(gk.Kind, "Class"): // StorageClass, PriorityClass, GatewayClass, those of custom resources
		return tierClass
	}
	return tierRest
}

// Early reports whether a kind holds others, so that it is made before every wave and goes after all of them.
func Early(gk object.GroupKind) bool { return Tier(gk) == tierEarly }
