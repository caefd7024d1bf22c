package app

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// Name identifies an app within a Fairlead: the namespace of its Environment, the Environment, and the app in it.
type Name struct {
	Namespace, Environment, App string
}

// Object is the name of the App object, "<environment>-<app>": also the value of the owner mark.
func (n Name) Object() string { return n.Environment + "-" + n.App }

// String is "namespace/environment-app".
func (n Name) String() string { return n.Namespace + "/" + n.Object() }

// Compare orders names by namespace, environment and app.
func (n Name) Compare(o Name) int {
	return cmp.Or(strings.Compare(n.Namespace, o.Namespace), strings.Compare(n.Environment, o.Environment), strings.Compare(n.App, o.App))
}

// Names that Fairlead gives meaning to, on any rendered object. See docs/reference for what each does.
const (
	// LabelApp and LabelNamespace together are the owner mark: the name and the namespace of the App that claims an object.
	LabelApp       = "fairlead.dev/app"
	LabelNamespace = "fairlead.dev/app-namespace"

	AnnotationWave   = "fairlead.dev/wave"
	AnnotationPrune  = "fairlead.dev/prune"
	AnnotationApply  = "fairlead.dev/apply"
	AnnotationIgnore = "fairlead.dev/ignore"
	// AnnotationRestart says whether a workload is restarted when a ConfigMap or Secret changes that it reads, or, on one of these, whether anybody is for it.
	AnnotationRestart = "fairlead.dev/restart-on-change"
	// AnnotationCheckIgnore names the rules of `fairlead check` that are not for an object; the controller does not look at it.
	AnnotationCheckIgnore = "fairlead.dev/check-ignore"

	// AnnotationFile is set by Fairlead in Block mode: the file in Git that an object was written in.
	AnnotationFile = "fairlead.dev/file"
)

// Manager is the field manager of every server-side apply that Fairlead sends.
const Manager = "fairlead"

// Owner is the owner mark on a live object. The zero Owner means that no app has marked it.
type Owner struct{ Namespace, Name string }

// String is "namespace/name" of the App, empty for the zero Owner.
func (o Owner) String() string {
	if o == (Owner{}) {
		return ""
	}
	return o.Namespace + "/" + o.Name
}

// Owner is the mark that the app's objects carry.
func (n Name) Owner() Owner { return Owner{Namespace: n.Namespace, Name: n.Object()} }

// OwnerOf reads the owner mark of an object.
func OwnerOf(o object.Object) Owner {
	return Owner{Namespace: o.Label(LabelNamespace), Name: o.Label(LabelApp)}
}

// Mark returns the object with the owner mark of n.
func (n Name) Mark(o object.Object) object.Object {
	return o.With(n.Object(), "metadata", "labels", LabelApp).With(n.Namespace, "metadata", "labels", LabelNamespace)
}

// Policy is the rules of an environment that bear on a plan.
type Policy struct {
	// ReportDrift leaves hand edits in place and only reports them.
	ReportDrift bool
	// Suspended allows no write at all.
	Suspended bool
	// Apart has an app to itself: all of its objects go into its one namespace, whichever they name, those that are in none are left out, nothing that is there
	// already is taken over, and nothing that was made is too precious to be deleted.
	Apart bool
	// NameFiles has each object say in which file in Git it was written.
	NameFiles bool
	// Interactive are the field managers of people, beyond the usual ones.
	Interactive []string
}

// defaultInteractive are the field managers that people write with. A trailing * matches any ending.
var defaultInteractive = []string{"kubectl*", "k9s*", "Lens*", "freelens*", "OpenLens*", "Headlamp*", "headlamp*", "Mozilla*", "dashboard*", "oc", "node-fetch", "kubectl.exe"}

// InteractiveManagers lists the field managers of people, the usual ones first. A trailing * matches any ending.
func (p Policy) InteractiveManagers() []string {
	return slices.Concat(defaultInteractive, p.Interactive)
}

// IsInteractive reports whether a field manager is one that people write with.
func (p Policy) IsInteractive(manager string) bool {
	match := func(pattern string) bool {
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
			return strings.HasPrefix(manager, prefix)
		}
		return manager == pattern
	}
	return slices.ContainsFunc(p.InteractiveManagers(), match)
}

// Claim is one object that an app says it owns. A claim is recorded before the first step that touches the object and dropped
// after its deletion is confirmed, or after the object is handed to another owner.
type Claim struct {
	Key object.Key
	// Version is the API version that the object was last applied with, such as "v1".
	Version string
	// Want is object.Object.Hash of what was last applied, empty until then.
	Want string
	// Print is the fingerprint that the apply left, empty until then.
	Print string
	// Begun says that Want and Print are what is being applied, as a dry run foretold it: that it was applied is not recorded here.
	Begun bool `json:",omitempty"`
	// Anew is how often the object was made anew since somebody deleted it. It is counted before that is done: if who deleted it has the app too, and is about to
	// drop the claim, the two records meet.
	Anew int `json:",omitempty"`
	// Ended is the health of an object that has done its work and may be gone since then: see health.Ended. Empty for every other.
	Ended string `json:",omitempty"`
	// Confirmed says that a person approved the deletion of this object.
	Confirmed bool
	// Yielded says that an app of another process may take the object over: this one no longer wants it, and writes it no more.
	Yielded bool `json:",omitempty"`
	// Found says that the object was there before the app applied it first.
	Found bool `json:",omitempty"`
	// Wave is the wave that the object was applied in: deletions go the other way.
	Wave int
	// Run is for which release a hook was made last, and when in it; empty for what is no hook. Ended is how that ended, empty until it has, and Why says why it
	// failed.
	Run string `json:",omitempty"`
	Why string `json:",omitempty"`
}

// Applied reports whether the object is known to have been applied.
func (c Claim) Applied() bool { return c.Want != "" && !c.Begun }

func (c Claim) done() Claim {
	c.Begun = false
	return c
}

// Tells reports whether claims that were recorded before a step, and the word that all of them were applied, tell the same as now: the steps did just what
// was foretold, and there is nothing to record after them.
func (c Claims) Tells(now Claims) bool {
	return maps.EqualFunc(c, now, func(was, is Claim) bool { return was == is || was.done() == is })
}

// Begun reports whether there is a claim of which it is not known that it was applied.
func (c Claims) Begun() bool {
	for _, claim := range c {
		if claim.Begun {
			return true
		}
	}
	return false
}

// Done returns claims of which it is known that all that was begun was applied.
func (c Claims) Done() Claims {
	out := maps.Clone(c)
	for k, claim := range out {
		out[k] = claim.done()
	}
	return out
}

// Claims are the objects that an app owns, by key. Treat as read-only: And returns new ones.
type Claims map[object.Key]Claim

// And returns the claims, and those of others on what is not among them.
func (c Claims) And(others Claims) Claims {
	out := make(Claims, max(len(c), len(others)))
	maps.Copy(out, others)
	maps.Copy(out, c)
	return out
}

// Keys returns the claimed keys in order.
func (c Claims) Keys() []object.Key {
	keys := make([]object.Key, 0, len(c))
	for k := range c {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, object.Key.Compare)
	return keys
}

// Health is a user's additions to the health rules.
type Health struct {
	// Deadline is how long an object may be on its way before it is Degraded. 0: not set here.
	Deadline time.Duration
	Rules    []HealthRule
}

// HealthRule judges one kind by CEL expressions over `object`: the first that is true decides, in the order Failed, Healthy, Progressing;
// if none is, the object is progressing.
type HealthRule struct {
	APIVersion, Kind             string
	Failed, Healthy, Progressing string
}

// Declaration is what an app's own fairlead.yaml says. The zero value is an app without one.
type Declaration struct {
	// DependsOn are apps of the same environment that must be ready first.
	DependsOn []string
	Health    Health
	// Gates are added to those of the Environment. They ask nothing that only the Environment may ask.
	Gates []Gate
	// Verify are trials that are added to those of the Environment. They reach nothing but what the environment's ServiceAccount may.
	Verify []Trial
	// Helm is how the app's chart is rendered; nil: nothing is said of it.
	Helm *Helm
	// Jsonnet is how the app is made of Jsonnet; nil: nothing is said of it.
	Jsonnet *Jsonnet
}

// BundleID names the stored bundle; empty if there is none.
func (r Record) BundleID() string {
	if r.Digest == "" {
		return ""
	}
	return r.Digest + "-" + strconv.Itoa(r.Serial)
}

// Identity is the ServiceAccount as which an app's objects are read and written.
type Identity struct{ Namespace, ServiceAccount string }

// User is the user name under which the API server knows the ServiceAccount.
func (i Identity) User() string {
	return "system:serviceaccount:" + i.Namespace + ":" + i.ServiceAccount
}

// Bundle is objects, placed and marked, and what identifies them.
type Bundle struct {
	Digest  string // empty: there is none
	Objects []object.Object
}

// Record is what is kept of one app between two passes, and across restarts.
type Record struct {
	App    Name
	Claims Claims
	// Bundle is the objects that were applied last, or are being applied: placed and marked.
	Bundle []object.Object
	// Revision is the commit of the bundle, as status shows it.
	Revision string
	// Digest identifies the content of the bundle, and Serial counts the bundles of the app: the same content may be applied again later.
	Digest string
	Serial int
	// Keep are the digests of the stored bundles that are to stay beside this one. It is given to be saved, and not read.
	Keep []string
	// Also is another bundle that is to be stored, and kept: of something that was never applied here. It is given to be saved, and not read.
	Also Bundle
	// Releases is how far the app's releases are, and Handled the requests of people that were acted upon last, the
	// newest last: who starts may see an old one again.
	Releases release.State
	Handled  []string
	// Untold are the phases of releases of which nobody has confirmed yet that they are in the history.
	Untold []release.Release
	// Version is what the store needs to know which state it was read from. Empty: nothing is stored yet.
	Version string
}
