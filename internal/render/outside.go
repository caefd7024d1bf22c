package render

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Place is where an app's objects go: what templates and substitutions may speak of.
type Place struct {
	App, Environment string
	// Home is the namespace of the Environment: the ConfigMaps, Secrets and keys that its apps may use are there.
	Home string
	// Namespace is given to objects that name none.
	Namespace string
}

// Outside is whom a render asks for what is not in its tree. It fetches and caches; a render itself never does. Every question that a render asked is noted
// with what identifies the answer, as the files are that it read. It has to be safe for concurrent use.
//
// An error of kind fault.Transient passes by itself: the render is to be tried again. Any other is the app's to mend.
type Outside interface {
	Ask(Question) (Answer, error)
}

// Question is one thing that is asked of an Outside. It is comparable; equal questions have equal answers for as long as nothing changed outside.
type Question struct {
	About About
	// Of kind Object, Setting and Objects: what is asked for. Objects are all of a namespace, or of the cluster if none is named.
	GVK             object.GVK
	Namespace, Name string
	// Label leaves of Objects those that have it, whatever its value.
	Label string
	// Of kind Chart and Base: from where. Version is a version or a range of a chart, or the commit of a base.
	URL, Chart, Version string
	// Of kind Seed, of which Namespace and Name are those of the Environment: how many days a certificate is good for that is to be made of it; 0: it is for something
	// that stays.
	Days int
}

// Compare orders questions.
func (q Question) Compare(o Question) int {
	return cmp.Or(
		cmp.Compare(q.About, o.About),
		cmp.Compare(q.GVK.Group, o.GVK.Group), cmp.Compare(q.GVK.Version, o.GVK.Version), cmp.Compare(q.GVK.Kind, o.GVK.Kind),
		cmp.Compare(q.Namespace, o.Namespace), cmp.Compare(q.Name, o.Name), cmp.Compare(q.Label, o.Label),
		cmp.Compare(q.URL, o.URL), cmp.Compare(q.Chart, o.Chart), cmp.Compare(q.Version, o.Version), cmp.Compare(q.Days, o.Days),
	)
}

// String is the question as people read it, such as "Secret shop/db".
func (q Question) String() string {
	key := object.Key{Group: q.GVK.Group, Kind: q.GVK.Kind, Namespace: q.Namespace, Name: q.Name}
	switch q.About {
	case AboutObject, AboutSetting:
		return key.String()
	case AboutObjects:
		text := "every " + key.KindName()
		if q.Label != "" {
			text += " with the label " + q.Label
		}
		if q.Namespace == "" {
			return text
		}
		return text + " in namespace " + q.Namespace
	case AboutCluster:
		return "what the cluster serves"
	case AboutChart:
		return strings.TrimSpace("chart "+q.Chart+" "+q.Version) + " of " + q.URL
	case AboutBase:
		return q.URL + " at " + q.Version
	case AboutKey:
		return "the key of hashes of what is secret"
	case AboutSeed:
		return "what generated values are drawn from"
	}
	return string(q.About)
}

// About is what a question is about.
type About string

// The kinds of questions. What is read of the cluster is read with the rights of the environment's ServiceAccount.
const (
	AboutObject  About = "object"  // one object as it is now; no Objects in the answer: there is none
	AboutSetting About = "setting" // the same, of a ConfigMap or Secret of which only a hash is wanted, for those who read it
	AboutObjects About = "objects" // all objects of a kind
	AboutCluster About = "cluster" // which Kubernetes it is, and which kinds it serves
	AboutChart   About = "chart"   // the files of a Helm chart
	AboutBase    About = "base"    // the files of another repository at a commit
	AboutKey     About = "key"     // a key of this Fairlead's, for hashes of what is secret
	AboutSeed    About = "seed"    // what generated values of the environment are drawn from: see decision 16
)

// Nothing is the ID of an answer that there is no such object.
const Nothing = "nothing"

// Answer is what an Outside says. It is not changed by who gets it.
type Answer struct {
	// ID is equal for equal answers.
	ID      string
	Objects []object.Object
	Cluster Cluster
	// Tree are the files of a chart or base, and Version which one it is: a range was resolved to it. Digest identifies them.
	Tree            source.Tree
	Version, Digest string
	Key             []byte
	// Seed is a secret that stays the same, and Since the point in time that templates take for now: it stays as well, but for certificates, for which it moves on
	// by half of what they are good for.
	Seed  []byte
	Since time.Time
}

// Cluster is what a cluster can do.
type Cluster struct {
	// Version is that of Kubernetes, such as v1.36.3.
	Version string
	// APIs are the versions, such as apps/v1, and the kinds, such as apps/v1/Deployment, that are served. Ordered.
	APIs []string
}

// Asked are the questions of a render, and what identified the answers. The zero Asked means that nothing was asked.
type Asked struct {
	answers map[Question]string
}

// Questions returns what was asked, ordered.
func (a Asked) Questions() []Question {
	return slices.SortedFunc(maps.Keys(a.answers), Question.Compare)
}

// Change is a question that has another answer than it had.
type Change struct {
	Question
	// Came says that it is about a setting which was not there before: pods that need it have waited for it.
	Came bool
}

// Changed returns what has another answer than it had, ordered. An error is one of asking: nothing is known then.
func (a Asked) Changed(o Outside) ([]Change, error) {
	var out []Change
	for _, q := range a.Questions() {
		now, err := o.Ask(q)
		if err != nil {
			return nil, err
		}
		if was := a.answers[q]; now.ID != was {
			out = append(out, Change{q, q.About == AboutSetting && was == Nothing})
		}
	}
	return out, nil
}

// Unchanged reports whether every question has the answer that it had. An error is one of asking: nothing is known then.
func (a Asked) Unchanged(o Outside) (bool, error) {
	for _, q := range a.Questions() {
		if o == nil {
			return false, nil
		}
		now, err := o.Ask(q)
		if err != nil {
			return false, err
		}
		if now.ID != a.answers[q] {
			return false, nil
		}
	}
	return true, nil
}

// asker notes what is asked.
type asker struct {
	outside Outside
	fetch   Outside // for charts and bases alone, if there is no outside

	mu      sync.Mutex
	answers map[Question]Answer
}

// ask asks each question once in a render: all of it sees the same world.
func (a *asker) ask(q Question) (Answer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known, ok := a.answers[q]; ok {
		return known, nil
	}
	to := a.outside
	if to == nil && (q.About == AboutChart || q.About == AboutBase) {
		to = a.fetch
	}
	if to == nil {
		return Answer{}, fault.Newf(fault.Invalid, "%s is not at hand: nothing outside of the tree can be asked here", q.About)
	}
	answer, err := to.Ask(q)
	if err != nil {
		return Answer{}, err
	}
	if a.answers == nil {
		a.answers = map[Question]Answer{}
	}
	a.answers[q] = answer
	return answer, nil
}

// fetches reports whether there is anybody to ask for charts and bases.
func (a *asker) fetches() bool { return a.outside != nil || a.fetch != nil }

// each calls f with every object of the answers so far.
func (a *asker) each(f func(object.Object)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, answer := range a.answers {
		for _, o := range answer.Objects {
			f(o)
		}
	}
}

// asked is what was asked so far.
func (a *asker) asked() Asked {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.answers) == 0 {
		return Asked{}
	}
	ids := map[Question]string{}
	for q, answer := range a.answers {
		ids[q] = answer.ID
	}
	return Asked{ids}
}
