package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/nearest"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/origin"
)

const (
	atValue = origin.Value
	atKey   = origin.Key
)

// meant is the remedy that names the nearest known word, or another.
func meant(word string, known []string, otherwise string) string {
	if near, ok := nearest.Of(word, known); ok {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return otherwise
}

// selected are the workloads of a namespace whose pods have labels.
func (c *call) selected(labels map[string]any) []*workload {
	var out []*workload
	for _, p := range c.pods {
		if c.near(c.o.app, p.thing, c.o.key.Namespace) && includes(p.labels, labels) {
			out = append(out, p)
		}
	}
	return out
}

func includes(all, some map[string]any) bool {
	for k, v := range some {
		if all[k] != v {
			return false
		}
	}
	return true
}

// selector is the labels that an object selects pods by, and where it says so. Selectors of expressions are not looked at.
func (c *call) selector() (at, bool) {
	spec := c.o.root().field("spec")
	switch c.o.key.GroupKind() {
	case object.GroupKind{Kind: "Service"}:
		return spec.field("selector"), spec.text("type") != "ExternalName"
	case object.GroupKind{Group: "policy", Kind: "PodDisruptionBudget"}:
		return spec.field("selector").field("matchLabels"), spec.field("selector").value["matchExpressions"] == nil
	case object.GroupKind{Group: "networking.k8s.io", Kind: "NetworkPolicy"}:
		return spec.field("podSelector").field("matchLabels"), spec.field("podSelector").value["matchExpressions"] == nil
	}
	return at{}, false
}

func emptySelector(c *call) {
	labels, ok := c.selector()
	if !ok || len(labels.value) == 0 || len(c.selected(labels.value)) > 0 || c.podsMade(labels.value) {
		return
	}
	severity := c.rule.Severity
	if c.o.Kind() == "NetworkPolicy" {
		severity = Note // it may be about pods that come and go
	}
	near, differs := c.nearly(labels.value)
	if near == nil {
		c.sayAs(severity, labels.path, atKey, "label the pods so, or select them by labels that they have", "selects no pods: no workload has the labels %s", show(labels.value))
		return
	}
	remedy := fmt.Sprintf("%s has no label %s", near.key, differs)
	if has, ok := near.labels[differs].(string); ok {
		remedy = fmt.Sprintf("%s has %s: %s", near.key, differs, has)
	}
	c.sayAs(severity, labels.path.Field(differs), atValue, remedy, "selects no pods: no workload has the labels %s", show(labels.value))
}

// podsMade reports whether a custom resource, or whoever set up the cluster, may make pods of such labels.
func (c *call) podsMade(labels map[string]any) bool {
	if strings.HasPrefix(c.o.key.Namespace, "kube-") {
		return true
	}
	for _, v := range labels {
		name, _ := v.(string)
		for _, t := range c.makers {
			if name != "" && !refersOnly(t) && (t.Name() == name || mentions(t.Content(), name, 0)) && c.near(c.o.app, t, c.o.key.Namespace) {
				return true
			}
		}
	}
	return false
}

// nearly is a workload of the app that has all labels but one, and which.
func (c *call) nearly(labels map[string]any) (*workload, string) {
	for _, p := range c.pods {
		if p.app != c.o.app || !c.near(c.o.app, p.thing, c.o.key.Namespace) {
			continue
		}
		var wrong []string
		for _, k := range slices.Sorted(maps.Keys(labels)) {
			if p.labels[k] != labels[k] {
				wrong = append(wrong, k)
			}
		}
		if len(wrong) == 1 {
			return p, wrong[0]
		}
	}
	return nil, ""
}

func show(labels map[string]any) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		out = append(out, fmt.Sprintf("%s=%v", k, labels[k]))
	}
	return strings.Join(out, ",")
}

// ownSelector is the rule for workloads that do not select the pods that they make: API servers refuse them.
func ownSelector(c *call) {
	switch c.o.key.GroupKind() {
	case object.GroupKind{Group: "apps", Kind: "Deployment"}, object.GroupKind{Group: "apps", Kind: "StatefulSet"},
		object.GroupKind{Group: "apps", Kind: "DaemonSet"}, object.GroupKind{Group: "apps", Kind: "ReplicaSet"}:
	default:
		return
	}
	labels := c.o.root().field("spec").field("selector").field("matchLabels")
	made := c.o.at(object.PathOf("spec", "template", "metadata", "labels"))
	for _, k := range slices.Sorted(maps.Keys(labels.value)) {
		if made.value[k] == labels.value[k] {
			continue
		}
		remedy := fmt.Sprintf("add %s: %v to the labels of the template", k, labels.value[k])
		if has, ok := made.value[k]; ok {
			remedy = fmt.Sprintf("the template has %s: %v", k, has)
		}
		c.say(labels.path.Field(k), atValue, remedy, "the selector does not match the labels of the template: API servers refuse that")
	}
}
