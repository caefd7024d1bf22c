package block

import (
	"strings"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// Environment is what the policies of an Environment depend on.
type Environment struct {
	Namespace, Name string
	// Places are where in Git its apps are, in the order of its sources.
	Places []Place
	// Users and Groups may write besides those that always may.
	Users, Groups []string
	// Policy says which field managers are people's.
	Policy app.Policy
	// Fairlead is the namespace of Fairlead itself.
	Fairlead string
	// Relatives are needed to tell "eu-web" of "prod" from "web" of "prod-eu": both are App prod-eu-web.
	Relatives
}

// Relatives are the Environments in the same namespace whose names make the names of apps ambiguous. Lists are sorted.
type Relatives struct {
	// Longer are the names of Environments that begin with this one's and a dash.
	Longer []string
	// Own are the App objects of this Environment whose names might be those of a longer one's.
	Own []string
	// Foreign are the App objects of Environments with shorter names that might be this one's.
	Foreign []string
}

// Place is where in Git apps are: a glob over directories, as in a source of an Environment.
type Place struct {
	URL, Ref, Path string
}

// Labels of the policies and bindings: whose they are.
const (
	LabelManagedBy   = "app.kubernetes.io/managed-by"
	LabelEnvironment = "fairlead.dev/environment"
	LabelNamespace   = "fairlead.dev/environment-namespace"
	ManagedBy        = "fairlead"
)

// Kinds of the objects.
const (
	KindPolicy  = "ValidatingAdmissionPolicy"
	KindBinding = "ValidatingAdmissionPolicyBinding"
)

// Policies returns what has to exist for an Environment in Block mode, in the order in which it is to be made. Whatever the API server would set by itself is
// written out, so that what is stored can be compared.
func Policies(e Environment) []object.Object {
	name := e.Namespace + "." + e.Name // a namespace has no dot: no two environments share a name
	owned := map[string]any{"matchExpressions": []any{
		map[string]any{"key": app.LabelApp, "operator": "Exists"},
		map[string]any{"key": app.LabelNamespace, "operator": "In", "values": []any{e.Namespace}},
	}}
	marks := policy{
		name: "fairlead." + name, selector: owned, rule: rule("*", "*", "*/*", "CREATE", "UPDATE", "DELETE"),
		param:      map[string]any{"apiVersion": "fairlead.dev/v1alpha1", "kind": "Environment"},
		paramRef:   map[string]any{"namespace": e.Namespace, "name": e.Name, "parameterNotFoundAction": "Allow"},
		conditions: append([]condition{{"switched-on", switchedOn}, {"claimed", e.claimed()}}, e.writers()...),
		variables:  []condition{{"of", e.marked()}, {"app", e.appOf("variables.of")}, {"file", fileOf("variables.of")}, {"what", what}},
	}
	out := e.objects(marks)
	for _, s := range []struct{ kind, plural string }{{"Deployment", "deployments"}, {"StatefulSet", "statefulsets"}} {
		out = append(out, e.objects(policy{
			name: "fairlead-scale-" + s.plural + "." + name, selector: map[string]any{}, rule: rule("apps", "*", s.plural+"/scale", "UPDATE"),
			param:      map[string]any{"apiVersion": "apps/v1", "kind": s.kind},
			paramRef:   map[string]any{"selector": owned, "parameterNotFoundAction": "Allow"},
			conditions: append([]condition{{"claimed", "params.metadata.name == request.name && " + e.owns("params")}}, e.writers()...),
			variables: []condition{
				{"app", e.appOf("params")}, {"file", fileOf("params")}, {"what", quote("the scale of "+s.kind+" ") + " + request.name"},
			},
		})...)
	}
	return out
}

// policy is what is different from one policy to the other.
type policy struct {
	name                            string
	selector, rule, param, paramRef map[string]any
	conditions, variables           []condition
}

// condition is an expression with a name.
type condition struct{ name, expression string }

func rule(group, version, resource string, operations ...any) map[string]any {
	return map[string]any{
		"apiGroups": []any{group}, "apiVersions": []any{version}, "resources": []any{resource}, "operations": operations, "scope": "*",
	}
}

// objects are a policy and its binding.
func (e Environment) objects(p policy) []object.Object {
	named := func(key string, all []condition) []any {
		var out []any
		for _, c := range all {
			out = append(out, map[string]any{key: c.name, "expression": c.expression})
		}
		return out
	}
	spec := map[string]any{
		// What slips through is corrected, as in Correct. A guard that cannot be asked must not stop the cluster.
		"failurePolicy": "Ignore",
		"paramKind":     p.param,
		"matchConstraints": map[string]any{
			"matchPolicy": "Equivalent", "namespaceSelector": map[string]any{}, "objectSelector": p.selector, "resourceRules": []any{p.rule},
		},
		"matchConditions": named("name", p.conditions),
		"variables":       named("name", p.variables),
		"validations":     []any{map[string]any{"expression": "false", "reason": "Forbidden", "messageExpression": e.message()}},
	}
	binding := map[string]any{"policyName": p.name, "paramRef": p.paramRef, "validationActions": []any{"Deny"}}
	return []object.Object{e.object(KindPolicy, p.name, spec), e.object(KindBinding, p.name, binding)}
}

func (e Environment) object(kind, name string, spec map[string]any) object.Object {
	return object.New(map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
		"metadata": map[string]any{"name": name, "labels": map[string]any{
			LabelManagedBy: ManagedBy, LabelEnvironment: e.Name, LabelNamespace: e.Namespace,
		}},
		"spec": spec,
	})
}

// message tells whoever is refused what to do instead.
func (e Environment) message() string {
	var places []string
	for _, p := range e.Places {
		places = append(places, p.expression())
	}
	where := `"Git"`
	if len(places) > 0 {
		where = "(" + strings.Join(places, " + ") + `).join(" or ")`
	}
	return `variables.what + " is managed by Fairlead for app " + variables.app + ": change it in " + ` + where + " + " +
		quote("; in an emergency, act in group "+BreakGlass+" (see docs/tasks/block.md)")
}

// expression is a list of texts: where the app is, if it can be there. The first * is the app's name; without one, the last element is.
func (p Place) expression() string {
	rest := quote(" of " + p.URL + " (" + p.Ref + ")")
	before, after, glob := strings.Cut(p.Path, "*")
	file := func(dir string) string {
		return `[(variables.file != "" ? variables.file : ` + dir + `) + ` + rest + "]"
	}
	if glob {
		return file(quote(before) + " + variables.app + " + quote(after))
	}
	return "(variables.app == " + quote(p.Path[strings.LastIndex(p.Path, "/")+1:]) + " ? " + file(quote(p.Path)) + " : [])"
}
