package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// backend is a Service that an object sends requests to.
type backend struct {
	reference
	namespace string
	port      any // the name or number of its port; nil: none is named
	portPath  object.Path
}

var serviceKind = object.GroupKind{Kind: "Service"}

// backends are the Services that an object names.
func (c *call) backends() []backend {
	switch c.o.key.Group {
	case "networking.k8s.io":
		if c.o.Kind() == "Ingress" {
			return c.ingressBackends()
		}
	case "gateway.networking.k8s.io":
		return c.routeBackends()
	case "admissionregistration.k8s.io":
		var out []backend
		for _, hook := range c.o.root().items("webhooks") {
			out = append(out, c.calls(hook.field("clientConfig").field("service")))
		}
		return out
	case "apiregistration.k8s.io":
		return []backend{c.calls(c.o.root().field("spec").field("service"))}
	case "apps":
		spec := c.o.root().field("spec")
		if c.o.Kind() == "StatefulSet" {
			return []backend{{reference: service(spec, "serviceName"), namespace: c.o.key.Namespace}}
		}
	}
	return nil
}

func service(a at, field string) reference {
	return reference{path: a.path.Field(field), kind: serviceKind, name: a.text(field)}
}

// calls is a Service that the API server calls.
func (c *call) calls(a at) backend {
	return backend{service(a, "name"), a.text("namespace"), a.value["port"], a.path.Field("port")}
}

func (c *call) ingressBackends() []backend {
	spec := c.o.root().field("spec")
	all := []at{spec.field("defaultBackend")}
	for _, r := range spec.items("rules") {
		for _, p := range r.field("http").items("paths") {
			all = append(all, p.field("backend"))
		}
	}
	var out []backend
	for _, b := range all {
		s := b.field("service")
		to := backend{reference: service(s, "name"), namespace: c.o.key.Namespace}
		for _, form := range []string{"name", "number"} {
			// A name such as use-annotation is a word of a controller's.
			if v := s.field("port").value[form]; v != nil && v != "use-annotation" {
				to.port, to.portPath = v, s.path.Field("port", form)
			}
		}
		if to.port == nil && s.field("port").text("name") == "use-annotation" {
			continue
		}
		out = append(out, to)
	}
	return out
}

func (c *call) routeBackends() []backend {
	var out []backend
	for _, r := range c.o.root().field("spec").items("rules") {
		refs := r.items("backendRefs")
		for _, f := range r.items("filters") {
			refs = append(refs, f.field("requestMirror").field("backendRef"))
		}
		for _, b := range refs {
			if kind := b.text("kind"); kind != "" && kind != "Service" || b.text("group") != "" {
				continue
			}
			namespace := b.text("namespace")
			if namespace == "" {
				namespace = c.o.key.Namespace
			}
			out = append(out, backend{service(b, "name"), namespace, b.value["port"], b.path.Field("port")})
		}
	}
	return out
}

func missingService(c *call) {
	for _, b := range c.backends() {
		if b.name == "" || c.exists(serviceKind, b.namespace, b.name) {
			continue
		}
		if b.namespace != c.o.key.Namespace && !c.holds(serviceKind, b.namespace) {
			continue // the namespace is another repository's
		}
		c.missing(c.rule.Severity, b.namespace, b.reference)
	}
}

func missingPort(c *call) {
	for _, b := range c.backends() {
		found := c.find(c.o.app, serviceKind, b.namespace, b.name)
		if b.name == "" || b.port == nil || len(found) == 0 || slices.ContainsFunc(found, func(s *thing) bool { return offers(s, b.port) }) {
			continue
		}
		ports := portsOf(found[0])
		c.say(b.portPath, atValue, meant(fmt.Sprint(b.port), ports, "its ports are "+strings.Join(ports, ", ")), "%s has no port %v", found[0].key, b.port)
	}
	if c.o.key.GroupKind() == serviceKind {
		c.targetPorts()
	}
	if pod, ok := c.o.pod(); ok {
		c.probePorts(pod)
	}
}

// offers reports whether a Service has a port of that name or number.
func offers(s *thing, port any) bool {
	ports := s.root().field("spec").items("ports")
	if s.Text("spec", "type") == "ExternalName" && len(ports) == 0 {
		return true
	}
	return slices.ContainsFunc(ports, func(p at) bool { return p.value["port"] == port || p.value["name"] == port })
}

func portsOf(s *thing) []string {
	var out []string
	for _, p := range s.root().field("spec").items("ports") {
		text := fmt.Sprint(p.value["port"])
		if name := p.text("name"); name != "" {
			text = fmt.Sprintf("%s (%s)", name, text)
		}
		out = append(out, text)
	}
	return out
}

// targetPorts are the named ports of the pods that a Service selects.
func (c *call) targetPorts() {
	spec := c.o.root().field("spec")
	selector := spec.field("selector").value
	if len(selector) == 0 {
		return
	}
	pods := c.selected(selector)
	if len(pods) == 0 {
		return
	}
	var known []string
	for _, w := range pods {
		pod, _ := w.pod()
		if w.GVK().Group == "argoproj.io" || w.GVK().Group == "serving.knative.dev" {
			return
		}
		known = append(known, portNames(containers(pod))...)
	}
	for _, p := range spec.items("ports") {
		name, isName := p.value["targetPort"].(string)
		if !isName || name == "" || slices.Contains(known, name) {
			continue
		}
		c.say(p.path.Field("targetPort"), atValue, meant(name, known, named(known)), "no container of %s has a port %q", pods[0].key, name)
	}
}

func named(known []string) string {
	if len(known) == 0 {
		return "name the port in the container, or write its number"
	}
	return "the ports of its containers are " + strings.Join(slices.Compact(slices.Sorted(slices.Values(known))), ", ")
}

func portNames(all []at) []string {
	var out []string
	for _, ctr := range all {
		for _, p := range ctr.items("ports") {
			if name := p.text("name"); name != "" {
				out = append(out, name)
			}
		}
	}
	return out
}

// probePorts are the named ports that the probes and hooks of a container ask.
func (c *call) probePorts(pod at) {
	for _, ctr := range containers(pod) {
		known := portNames([]at{ctr})
		life := ctr.field("lifecycle")
		for _, p := range []at{
			ctr.field("livenessProbe"), ctr.field("readinessProbe"), ctr.field("startupProbe"), life.field("postStart"), life.field("preStop"),
		} {
			for _, form := range []string{"httpGet", "tcpSocket"} {
				name, isName := p.field(form).value["port"].(string)
				if isName && name != "" && !slices.Contains(known, name) {
					c.say(p.field(form).path.Field("port"), atValue, meant(name, known, named(known)), "the container has no port %q", name)
				}
			}
		}
	}
}
