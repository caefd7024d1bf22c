package health

import "github.com/fairlead-cd/fairlead/internal/object"

// builtin are the kinds that conditions alone do not judge right, by group. All others are judged by custom.
var builtin = map[string]map[string]func(object.Object) Verdict{
	"": {
		"ConfigMap":             exists,
		"Namespace":             namespace,
		"PersistentVolume":      volume,
		"PersistentVolumeClaim": claim,
		"Pod":                   pod,
		"ReplicationController": replicaSet,
		"Secret":                exists,
		"Service":               service,
	},
	"apps": {
		"DaemonSet":   daemonSet,
		"Deployment":  deployment,
		"ReplicaSet":  replicaSet,
		"StatefulSet": statefulSet,
	},
	"batch":       {"CronJob": cronJob, "Job": job},
	"autoscaling": {"HorizontalPodAutoscaler": autoscaler},
	"policy":      {"PodDisruptionBudget": disruptionBudget},
	// An Ingress is Healthy without an address too: many controllers never write one, and traffic flows all the same.
	"networking.k8s.io":      {"Ingress": exists},
	"apiextensions.k8s.io":   {"CustomResourceDefinition": definition},
	"apiregistration.k8s.io": {"APIService": apiService},
	"admissionregistration.k8s.io": {
		"MutatingWebhookConfiguration":   webhooks,
		"ValidatingWebhookConfiguration": webhooks,
	},
	"gateway.networking.k8s.io": {
		"Gateway":      gateway,
		"GatewayClass": gateway,
		"GRPCRoute":    route,
		"HTTPRoute":    route,
		"TCPRoute":     route,
		"TLSRoute":     route,
		"UDPRoute":     route,
	},
	"argoproj.io": {"Application": application, "Rollout": rollout},
}

// exists judges what has no state of its own.
func exists(object.Object) Verdict { return say(Healthy, "") }

// ignoreCheck is Argo CD's annotation for an object whose health is not to count.
const ignoreCheck = "argocd.argoproj.io/ignore-healthcheck"

// Assess judges one live object; the zero Object is Missing. It never panics, whatever the shape of the object, and may be
// called from several goroutines at once.
func (r Rules) Assess(o object.Object) Verdict {
	switch {
	case o.IsZero():
		return say(Missing, "not in the cluster")
	case o.Deleting():
		return deleting(o)
	case o.Annotation(ignoreCheck) == "true":
		return sayf(Healthy, "its health is ignored (annotation %s)", ignoreCheck)
	}
	if len(r.rules) > 0 {
		if rule, ok := r.rules[target{o.APIVersion(), o.Kind()}]; ok {
			return rule.assess(o)
		}
	}
	if r.isWhere(o) {
		return say(Healthy, "")
	}
	if judge, ok := builtin[o.Key().Group][o.Kind()]; ok {
		return judge(o)
	}
	return custom(o)
}
