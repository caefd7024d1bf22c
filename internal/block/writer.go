package block

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/app"
)

// BreakGlass is the group in which people may write though an environment is in Block mode. Followed by a colon, the namespace, a colon and the name it is for one
// environment alone.
const BreakGlass = "fairlead:break-glass"

// What Fairlead adds to the identity of a ServiceAccount that it acts as. Nobody else may, unless he was granted to impersonate it: that tells Fairlead from
// who has a token of the same ServiceAccount.
const (
	ExtraKey   = "fairlead.dev/by"
	ExtraValue = "controller"
)

// Who of the cluster itself may write anything.
var (
	controlPlane = []string{"system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "system:cloud-controller-manager"}
	controllers  = []string{"system:nodes", "system:serviceaccounts:kube-system"}
)

// podName is what the API server notes of a token that was made for a Pod: who has it is a program in the cluster.
const podName = "authentication.kubernetes.io/pod-name"

const (
	switchedOn = `params != null && has(params.spec.sync) && has(params.spec.sync.drift) && params.spec.sync.drift == "Block" && !has(params.metadata.deletionTimestamp)`
	what       = `request.kind.kind + " " + (has(variables.of.metadata.name) ? variables.of.metadata.name : request.name)`
	manager    = `(request.options != null && has(request.options.fieldManager) ? request.options.fieldManager : "")`
)

// writers are the conditions under which somebody is refused: all have to hold. The first that does not ends the matter.
func (e Environment) writers() []condition {
	users := append(append([]string{}, controlPlane...), e.Users...)
	groups := append(append([]string{}, controllers...), BreakGlass, BreakGlass+":"+e.Namespace+":"+e.Name)
	if e.Fairlead != "" {
		groups = append(groups, "system:serviceaccounts:"+e.Fairlead)
	}
	groups = append(groups, e.Groups...)
	return []condition{
		{"not-fairlead", fmt.Sprintf("!(%s && %s in request.userInfo.extra[%s])", extra(ExtraKey), quote(ExtraValue), quote(ExtraKey))},
		{"not-a-user-that-may", "!(request.userInfo.username in " + list(users) + ")"},
		{"not-a-group-that-may", "!(has(request.userInfo.groups) && request.userInfo.groups.exists(g, g in " + list(groups) + "))"},
		{"not-a-program", fmt.Sprintf(`!(%s && request.operation != "DELETE" && !(%s))`, extra(podName), e.interactive())},
		{"not-a-request-to-fairlead", `!(request.resource.group == "fairlead.dev" && ` + manager + ` == "fairlead-cli")`},
	}
}

// interactive is whether the field manager is a person's.
func (e Environment) interactive() string {
	var matches []string
	for _, pattern := range e.Policy.InteractiveManagers() {
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
			matches = append(matches, "m.startsWith("+quote(prefix)+")")
		} else {
			matches = append(matches, "m == "+quote(pattern))
		}
	}
	return "[" + manager + "].exists(m, " + strings.Join(matches, " || ") + ")"
}

func extra(key string) string {
	return "has(request.userInfo.extra) && " + quote(key) + " in request.userInfo.extra"
}

// claimed is whether the object carries the mark of an app of the environment, or will. One that a controller made of another one and gave the same labels,
// such as the EndpointSlice of a Service, is that controller's.
func (e Environment) claimed() string {
	return fmt.Sprintf("(%s || %s) && !(oldObject != null ? %s : %s)", e.owns("oldObject"), e.owns("object"), child("oldObject"), child("object"))
}

// marked is the object that carries the mark.
func (e Environment) marked() string { return e.owns("oldObject") + " ? oldObject : object" }

func child(o string) string {
	return fmt.Sprintf("(has(%[1]s.metadata.ownerReferences) && %[1]s.metadata.ownerReferences.exists(r, has(r.controller) && r.controller))", o)
}

func (e Environment) owns(o string) string {
	app, namespace := quote(app.LabelApp), quote(app.LabelNamespace)
	return fmt.Sprintf("(%[1]s != null && has(%[1]s.metadata.labels) && %[2]s in %[1]s.metadata.labels && %[3]s in %[1]s.metadata.labels && "+
		"%[1]s.metadata.labels[%[3]s] == %[4]s && [%[1]s.metadata.labels[%[2]s]].all(n, %[5]s))", o, app, namespace, quote(e.Namespace), e.named())
}

// named is whether n is the name of an App of the environment.
func (e Environment) named() string {
	is := "n.startsWith(" + quote(e.Name+"-") + ")"
	if len(e.Foreign) > 0 {
		is += " && !(n in " + list(e.Foreign) + ")"
	}
	for _, longer := range e.Longer {
		is += " && (!n.startsWith(" + quote(longer+"-") + ")"
		if len(e.Own) > 0 {
			is += " || n in " + list(e.Own)
		}
		is += ")"
	}
	return is
}

// appOf is the name of the app in its directory.
func (e Environment) appOf(o string) string {
	return fmt.Sprintf("%s.metadata.labels[%s].substring(%d)", o, quote(app.LabelApp), len(e.Name)+1)
}

// fileOf is the file in Git that an object says it was written in; empty if it does not.
func fileOf(o string) string {
	file := quote(app.AnnotationFile)
	return fmt.Sprintf(`has(%[1]s.metadata.annotations) && %[2]s in %[1]s.metadata.annotations ? %[1]s.metadata.annotations[%[2]s] : ""`, o, file)
}

func list(all []string) string {
	quoted := make([]string, 0, len(all))
	for _, s := range all {
		quoted = append(quoted, quote(s))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// quote writes a string of CEL.
func quote(s string) string { return strconv.QuoteToASCII(s) }
