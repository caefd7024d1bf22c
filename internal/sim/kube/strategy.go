package kube

import (
	"encoding/base64"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	names "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func prepareNamespace(_ *Server, next, old *state, _ bool) {
	if old == nil {
		next.edit("spec")["finalizers"] = []any{string(corev1.FinalizerKubernetes)}
		next.Object["status"] = map[string]any{"phase": string(corev1.NamespaceActive)}
		return
	}
	next.Object["spec"] = old.Object["spec"]
}

// prepareService gives a Service its address, and keeps the one it has.
func prepareService(s *Server, next, old *state, dry bool) {
	spec := next.edit("spec")
	if t := spec["type"]; t == string(corev1.ServiceTypeExternalName) {
		return
	}
	if old != nil {
		for _, name := range []string{"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} {
			if spec[name] == nil {
				put(spec, name, old.at("spec", name))
			}
		}
	}
	ip, _ := spec["clusterIP"].(string)
	if ip == "" {
		ip = s.address(dry)
		spec["clusterIP"] = ip
	}
	if all, _ := spec["clusterIPs"].([]any); len(all) == 0 || all[0] != ip {
		spec["clusterIPs"] = []any{ip}
	}
	if spec["ipFamilies"] == nil {
		spec["ipFamilies"] = []any{string(corev1.IPv4Protocol)}
	}
	if spec["ipFamilyPolicy"] == nil {
		spec["ipFamilyPolicy"] = string(corev1.IPFamilyPolicySingleStack)
	}
}

// address is one that no Service has; that of a dry run is always the same.
func (s *Server) address(dry bool) string {
	if dry {
		return "10.0.0.0"
	}
	s.addresses++
	return "10.0." + strconv.Itoa(s.addresses>>8&255) + "." + strconv.Itoa(s.addresses&255)
}

// prepareJob makes the Job select the Pods that carry its own uid.
func prepareJob(_ *Server, next, old *state, _ bool) {
	if old != nil || next.at("spec", "manualSelector") == true {
		return
	}
	uid := string(next.GetUID())
	l := next.edit("spec", "template", "metadata", "labels")
	for name, v := range map[string]string{
		"job-name": next.GetName(), "batch.kubernetes.io/job-name": next.GetName(), "controller-uid": uid, "batch.kubernetes.io/controller-uid": uid,
	} {
		if l[name] == nil {
			l[name] = v
		}
	}
	if match := next.edit("spec", "selector", "matchLabels"); match["batch.kubernetes.io/controller-uid"] == nil {
		match["batch.kubernetes.io/controller-uid"] = uid
	}
}

// prepareDefinition notes the version that is stored, which is all of the status that is not a controller's.
func prepareDefinition(_ *Server, next, old *state, _ bool) {
	if old != nil {
		return
	}
	versions, _ := next.at("spec", "versions").([]any)
	for _, v := range versions {
		if m, _ := v.(map[string]any); m["storage"] == true {
			next.Object["status"] = map[string]any{
				"acceptedNames": map[string]any{"kind": "", "plural": ""}, "conditions": nil, "storedVersions": []any{m["name"]},
			}
		}
	}
}

// largest is how much a ConfigMap or a Secret may hold.
const largest = 1 << 20

func checkConfigMap(next, old *state) field.ErrorList {
	errs := append(checkImmutable(next, old, "data", "binaryData"), checkKeys(next, "data", "binaryData")...)
	size := 0
	for _, v := range mapAt(next, "data") {
		size += len(text(v))
	}
	for _, v := range mapAt(next, "binaryData") {
		size += base64.StdEncoding.DecodedLen(len(text(v)))
	}
	if size > largest {
		errs = append(errs, field.TooLong(field.NewPath(""), "", largest))
	}
	return errs
}

func checkSecret(next, old *state) field.ErrorList {
	errs := append(checkImmutable(next, old, "data"), checkKeys(next, "data")...)
	if old != nil && next.Object["type"] != old.Object["type"] {
		errs = append(errs, field.Invalid(field.NewPath("type"), next.Object["type"], validation.FieldImmutableErrorMsg))
	}
	size := 0
	for _, v := range mapAt(next, "data") {
		size += base64.StdEncoding.DecodedLen(len(text(v)))
	}
	if size > largest {
		errs = append(errs, field.TooLong(field.NewPath("data"), "", largest))
	}
	return errs
}

func checkImmutable(next, old *state, fields ...string) field.ErrorList {
	if old == nil || old.Object["immutable"] != true {
		return nil
	}
	const words = "field is immutable when `immutable` is set"
	var errs field.ErrorList
	if next.Object["immutable"] != true {
		errs = append(errs, field.Forbidden(field.NewPath("immutable"), words))
	}
	for _, f := range fields {
		if !equal(next.Object[f], old.Object[f]) {
			errs = append(errs, field.Forbidden(field.NewPath(f), words))
		}
	}
	return errs
}

func checkKeys(next *state, fields ...string) field.ErrorList {
	var errs field.ErrorList
	for _, f := range fields {
		for key := range mapAt(next, f) {
			for _, msg := range names.IsConfigMapKey(key) {
				errs = append(errs, field.Invalid(field.NewPath(f).Key(key), key, msg))
			}
		}
	}
	return errs
}

func checkService(next, old *state) field.ErrorList {
	at := field.NewPath("spec")
	errs := checkPorts(next, at.Child("ports"))
	if v := next.at("spec", "sessionAffinity"); v != string(corev1.ServiceAffinityNone) && v != string(corev1.ServiceAffinityClientIP) {
		errs = append(errs, field.NotSupported(at.Child("sessionAffinity"), text(v), []string{"ClientIP", "None"}))
	}
	if old == nil {
		return errs
	}
	was, _ := old.at("spec", "clusterIPs").([]any)
	is, _ := next.at("spec", "clusterIPs").([]any)
	if len(was) > 0 && len(is) > 0 && was[0] != is[0] {
		errs = append(errs, field.Invalid(at.Child("clusterIPs").Index(0), is, "may not change once set"))
	}
	return errs
}

func checkPorts(next *state, at *field.Path) field.ErrorList {
	ports, _ := next.at("spec", "ports").([]any)
	if len(ports) == 0 && next.at("spec", "clusterIP") != corev1.ClusterIPNone && next.at("spec", "type") != string(corev1.ServiceTypeExternalName) {
		return field.ErrorList{field.Required(at, "")}
	}
	var errs field.ErrorList
	named, used := map[string]bool{}, map[[2]any]bool{}
	for i, p := range ports {
		m, _ := p.(map[string]any)
		at, name, port := at.Index(i), text(m["name"]), [2]any{m["protocol"], m["port"]}
		switch {
		case name == "" && len(ports) > 1:
			errs = append(errs, field.Required(at.Child("name"), ""))
		case named[name]:
			errs = append(errs, field.Duplicate(at.Child("name"), name))
		}
		if used[port] {
			errs = append(errs, field.Duplicate(at, m))
		}
		named[name], used[port] = true, true
	}
	return errs
}

func checkDeployment(next, old *state) field.ErrorList {
	at := field.NewPath("spec")
	errs := checkPod(next, at.Child("template", "spec"))
	selector, err := selectorOf(next)
	if next.at("spec", "selector") == nil {
		errs = append(errs, field.Required(at.Child("selector"), ""))
	}
	switch {
	case err != nil:
		errs = append(errs, field.Invalid(at.Child("selector"), next.at("spec", "selector"), "invalid label selector"))
	case selector.Empty():
		errs = append(errs, field.Invalid(at.Child("selector"), next.at("spec", "selector"), "empty selector is invalid for deployment"))
	case !selector.Matches(templateLabels(next)):
		errs = append(errs, field.Invalid(at.Child("template", "metadata", "labels"), templateLabels(next), "`selector` does not match template `labels`"))
	}
	if n, _ := next.at("spec", "replicas").(int64); n < 0 {
		errs = append(errs, field.Invalid(at.Child("replicas"), n, "must be greater than or equal to 0"))
	}
	if next.at("spec", "strategy", "type") == string(appsv1.RecreateDeploymentStrategyType) && next.at("spec", "strategy", "rollingUpdate") != nil {
		errs = append(errs, field.Forbidden(at.Child("strategy", "rollingUpdate"), "may not be specified when strategy `type` is 'Recreate'"))
	}
	if old != nil {
		errs = append(errs, fixed(next, old, "spec", "selector")...)
	}
	return errs
}

func checkJob(next, old *state) field.ErrorList {
	at := field.NewPath("spec", "template", "spec")
	errs := checkPod(next, at)
	if policy := next.at("spec", "template", "spec", "restartPolicy"); policy != string(corev1.RestartPolicyNever) && policy != string(corev1.RestartPolicyOnFailure) {
		errs = append(errs, field.Required(at.Child("restartPolicy"), "valid values: \"OnFailure\", \"Never\""))
	}
	if old == nil {
		return errs
	}
	for _, f := range []string{"selector", "template", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "completions"} {
		errs = append(errs, fixed(next, old, "spec", f)...)
	}
	return errs
}

// fixed refuses a change of a field.
func fixed(next, old *state, path ...string) field.ErrorList {
	if equal(next.at(path...), old.at(path...)) {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath(path[0], path[1:]...), next.at(path...), validation.FieldImmutableErrorMsg)}
}

func checkPod(next *state, at *field.Path) field.ErrorList {
	containers, _ := next.at("spec", "template", "spec", "containers").([]any)
	if len(containers) == 0 {
		return field.ErrorList{field.Required(at.Child("containers"), "")}
	}
	var errs field.ErrorList
	seen := map[string]bool{}
	for i, c := range containers {
		m, _ := c.(map[string]any)
		name, at := text(m["name"]), at.Child("containers").Index(i)
		switch {
		case name == "":
			errs = append(errs, field.Required(at.Child("name"), ""))
		case seen[name]:
			errs = append(errs, field.Duplicate(at.Child("name"), name))
		}
		seen[name] = true
		if text(m["image"]) == "" {
			errs = append(errs, field.Required(at.Child("image"), ""))
		}
	}
	return errs
}

func selectorOf(s *state) (labels.Selector, error) {
	m, ok := s.at("spec", "selector").(map[string]any)
	if !ok {
		return labels.Nothing(), nil
	}
	var sel metav1.LabelSelector
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(m, &sel); err != nil {
		return nil, err
	}
	return metav1.LabelSelectorAsSelector(&sel)
}

func templateLabels(s *state) labels.Set {
	l, _, _ := unstructured.NestedStringMap(s.Object, "spec", "template", "metadata", "labels")
	return l
}

func mapAt(s *state, path ...string) map[string]any {
	m, _ := s.at(path...).(map[string]any)
	return m
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
