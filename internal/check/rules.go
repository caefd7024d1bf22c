package check

import (
	"fmt"
	"slices"

	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/origin"
	"github.com/fairlead-cd/fairlead/internal/schema"
)

// Rule is something that is looked for.
type Rule struct {
	Name     string
	Severity Severity // unless the configuration says otherwise
	Doc      string   // a sentence
	check    func(*call)
}

// Rules that are not functions of an object.
const (
	ruleSyntax = "syntax"
	ruleRender = "render"

	ruleElsewhere = "not-fetched"
	ruleUnpinned  = "unpinned-chart"
	ruleSealed    = "sealed-secret"
	ruleDoubled   = "duplicate-value"
)

// table is all rules, in the order of the reference page.
var table = []Rule{
	{ruleSyntax, Error, "A file that is to be read is not YAML.", nil},
	{ruleRender, Error, "An app does not render: a file is missing, a patch has no target, an object has no name, and what else stops the controller.", nil},
	{"unknown-kind", Error, "Kubernetes has no such kind, or a CustomResourceDefinition does not serve the version.", unknownKind},
	{"removed-api", Error, "The version of Kubernetes that is checked for does not serve the apiVersion any more, or not yet.", removedAPI},
	{"deprecated-api", Warning, "The apiVersion is deprecated in the version of Kubernetes that is checked for.", deprecatedAPI},
	{"no-schema", Note, "The definition of a custom kind is not known, so that its fields are not checked. Said once for each kind.", noSchema},
	{string(schema.UnknownField), Error, "The kind has no such field.", ofSchema(schema.UnknownField)},
	{string(schema.MissingField), Error, "A field that the kind needs is not there.", ofSchema(schema.MissingField)},
	{string(schema.WrongType), Error, "A field has a text where a number is wanted, a map where a list is, and the like.", ofSchema(schema.WrongType)},
	{string(schema.WrongValue), Error, "A field has none of the values that it may have, is too long or too large, or does not match its pattern.", ofSchema(schema.WrongValue)},
	{string(schema.WrongQuantity), Error, "An amount of CPU, memory or storage cannot be read, such as 512MB.", ofSchema(schema.WrongQuantity)},
	{string(schema.DuplicateItem), Error, "A list has two items of one name, of which an apply cannot say which is meant.", ofSchema(schema.DuplicateItem)},
	{"wrong-name", Error, "A name or a label is one that API servers refuse.", wrongName},
	{"duplicate", Error, "Two apps of an environment want the same object, or one app wants it twice.", duplicate},
	{ruleDoubled, Warning, "A key stands twice in a map of a chart's values: the last one counts, as it does for Helm.", nil},
	{"cluster-scoped-namespace", Warning, "An object that lives in no namespace names one.", clusterScoped},
	{"missing-namespace", Warning, "Nothing in the tree makes the namespace that an object names. A note, unless the name is nearly one that is made.", missingNamespace},
	{"missing-config-map", Warning, "A ConfigMap that a pod needs is not in its namespace.", missingConfig("ConfigMap")},
	{"missing-secret", Warning, "A Secret that is needed is not in the namespace, and nothing makes it. A note where the tree holds no Secrets at all.", missingConfig("Secret")},
	{"missing-key", Error, "A ConfigMap or Secret does not have the key that is asked for.", missingKey},
	{"missing-service-account", Warning, "The ServiceAccount of a pod, or of a binding, does not exist.", missingServiceAccount},
	{"missing-claim", Warning, "The PersistentVolumeClaim of a volume does not exist.", missingClaim},
	{"missing-storage-class", Note, "The tree has StorageClasses, but not the one that a claim names.", missingStorageClass},
	{"missing-class", Note, "The tree has IngressClasses, PriorityClasses or RuntimeClasses, but not the one that is named.", missingClass},
	{"missing-service", Warning, "The Service of an Ingress, a route, a webhook or a StatefulSet does not exist.", missingService},
	{"missing-port", Error, "A Service has no such port, or a container no port of that name.", missingPort},
	{"missing-target", Warning, "What an autoscaler scales does not exist.", missingTarget},
	{"missing-role", Warning, "The role of a binding does not exist.", missingRole},
	{"missing-volume", Error, "A container mounts a volume that its pod does not have.", missingVolume},
	{"empty-selector", Warning, "The selector of a Service or a PodDisruptionBudget matches no pods of the tree. A note for a NetworkPolicy.", emptySelector},
	{"own-selector", Error, "A workload does not select the pods that it makes.", ownSelector},
	{"unknown-rule", Warning, "The annotation fairlead.dev/check-ignore names a rule that there is not.", unknownRule},
	{"contradicting-marks", Warning, "Annotations of two systems say different things of one object: how it is applied, pruned, ordered or run.", contradictingMarks},
	{"hook-not-run", Warning, "A hook is to be run at a moment that nobody knows.", hookNotRun},
	{"unheeded-mark", Warning, "An annotation of Argo CD, Flux or Helm has a word that means nothing, so that it has no effect.", unheededMark},
	{"never-applied", Note, "An object is not applied, as its annotation or spec.render.neverApply of the Environment says. Jobs are not looked at: they may be smoke tests.", neverApplied},
	{ruleSealed, Error, "A SealedSecret can be opened by nobody: it has nothing sealed in it, a value is no base64 or cut off, or its scope is misspelt.", nil},
	{ruleElsewhere, Warning, "A chart or a base is in a registry or another repository, so that the app was not looked at: --fetch fetches it.", nil},
	{ruleUnpinned, Note, "A chart of a registry or repository is named by a range of versions, or by none.", nil},
	{"image-tag", Note, "An image has no tag, or the tag latest.", imageTag},
}

// Rules returns all rules.
func Rules() []Rule { return slices.Clone(table) }

func ruleNames() []string {
	var names []string
	for _, r := range table {
		names = append(names, r.Name)
	}
	return names
}

// call is one rule at one object.
type call struct {
	*world
	o        *thing
	rule     Rule
	findings []Finding
}

// say adds a finding about a field.
func (c *call) say(p object.Path, at origin.At, remedy, format string, args ...any) {
	c.sayAs(c.rule.Severity, p, at, remedy, format, args...)
}

// sayAs is say with a severity other than the rule's own, unless the configuration has one.
func (c *call) sayAs(s Severity, p object.Path, at origin.At, remedy, format string, args ...any) {
	if c.ignored() {
		return
	}
	place := c.o.place(p, at)
	if s = c.config.severity(c.rule.Name, s, place.File); s == Off {
		return
	}
	c.findings = append(c.findings, Finding{
		Rule: c.rule.Name, Severity: s, App: c.o.app.Title(), Object: c.o.key, Path: c.o.Show(p), Place: place,
		Message: fmt.Sprintf(format, args...), Remedy: remedy,
	})
}

// ofSchema is a rule about what the schema says of an object.
func ofSchema(f schema.Fault) func(*call) {
	return func(c *call) {
		for _, p := range c.o.problems(c.world) {
			if p.Fault != f {
				continue
			}
			at := origin.Value
			switch f {
			case schema.UnknownField:
				at = origin.Key
			case schema.MissingField:
				at = origin.Holder
			default:
			}
			message, remedy := p.Message, p.Remedy
			if c.o.key.GroupKind() == (object.GroupKind{Kind: "Secret"}) && len(p.Path) == 2 {
				message, remedy = withoutValue(p)
			}
			c.say(p.Path, at, remedy, "%s", message)
		}
	}
}

// withoutValue is a problem of a Secret's data without what it quotes.
func withoutValue(p schema.Problem) (message, remedy string) {
	if p.Fault == schema.WrongType {
		return "wants a text, found something else", "put it in quotes"
	}
	return p.Message, p.Remedy // which says nothing of the value: see package schema
}
