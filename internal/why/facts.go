package why

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// Facts are all that an answer is made from: the App that is asked about, and what was read for it so far.
type Facts struct {
	// Namespace and Name are those of the App.
	Namespace, Name string
	// Environment and App are the two parts of the name, if the person wrote them; else empty.
	Environment, App string
	// Replies are what was read. What is not there was not asked yet.
	Replies map[Ask]Reply
}

// Take adds a reply.
func (f *Facts) Take(a Ask, r Reply) {
	if f.Replies == nil {
		f.Replies = map[Ask]Reply{}
	}
	f.Replies[a] = r
}

// Verb says what to read.
type Verb string

// The verbs of an Ask.
const (
	// Get is one object.
	Get Verb = "get"
	// List are the objects of a kind in a namespace that have some labels.
	List Verb = "list"
	// Events are those about one object.
	Events Verb = "events"
	// Log is the end of the log of one container.
	Log Verb = "log"
)

// Ask is one thing to read. It is comparable.
type Ask struct {
	Verb Verb
	// Key is the object; of List its kind and namespace alone.
	Key object.Key
	// Selector is the labels of what to list.
	Selector string
	// Container is whose log, and Previous that of its run before this one.
	Container string
	Previous  bool
}

// String is such as "get Deployment shop/web".
func (a Ask) String() string {
	switch a.Verb {
	case List:
		text := fmt.Sprintf("list %s", a.what())
		if a.Selector != "" {
			text += " with " + a.Selector
		}
		return text
	case Events:
		return "events of " + a.Key.String()
	case Log:
		which := "log"
		if a.Previous {
			which = "earlier log"
		}
		return fmt.Sprintf("%s of container %s of %s", which, a.Container, a.Key)
	case Get:
	}
	return string(a.Verb) + " " + a.Key.String()
}

// what is the thing, as the right to read it names it: "pods in namespace shop".
func (a Ask) what() string {
	kind := strings.ToLower(a.Key.Kind) + "s"
	switch {
	case a.Verb == Events:
		kind = "events"
	case a.Verb == Log:
		kind = "the logs of pods"
	case strings.HasSuffix(a.Key.Kind, "y"):
		kind = strings.ToLower(strings.TrimSuffix(a.Key.Kind, "y")) + "ies"
	case strings.HasSuffix(a.Key.Kind, "s"):
		kind = strings.ToLower(a.Key.Kind) + "es"
	}
	if a.Key.Namespace == "" {
		return kind
	}
	return kind + " in namespace " + a.Key.Namespace
}

// Reply is what came of an Ask.
type Reply struct {
	// Objects are what was read, Event objects among them. A Get without one, and without trouble, says that the object does not exist.
	Objects []object.Object
	// Lines are the last lines of a log.
	Lines []string
	// Denied says that the person has no right to read it.
	Denied bool
	// Trouble is why else there is no reply.
	Trouble string
	// Dead says that the trouble is that of the whole cluster: nothing can be read.
	Dead bool
}

// answered reports whether what was asked is known.
func (r Reply) answered() bool { return !r.Denied && r.Trouble == "" }

// look is one search for an answer.
type look struct {
	Facts
	asks []Ask

	app  *v1alpha1.App
	env  *v1alpha1.Environment
	repo *v1alpha1.Repository
	// unread is what could not be read, in words.
	unread []string
}

// ask returns the reply to an ask; false if there is none yet, or none that says anything.
func (l *look) ask(a Ask) (Reply, bool) {
	r, ok := l.Replies[a]
	if !ok {
		if !slices.Contains(l.asks, a) {
			l.asks = append(l.asks, a)
		}
		return Reply{}, false
	}
	switch {
	case r.Denied:
		l.miss("you may not read " + a.what())
	case r.Trouble != "":
		l.miss(fmt.Sprintf("%s could not be read: %s", strings.TrimPrefix(strings.TrimPrefix(a.String(), "get "), "list "), clip(r.Trouble, maxSays)))
	}
	return r, r.answered()
}

func (l *look) miss(text string) {
	if !slices.Contains(l.unread, text) {
		l.unread = append(l.unread, text)
	}
}

// get returns an object. It is zero, and known is true, if the object does not exist.
func (l *look) get(k object.Key) (o object.Object, known bool) {
	r, ok := l.ask(Ask{Verb: Get, Key: k})
	if !ok || len(r.Objects) == 0 {
		return object.Object{}, ok
	}
	return r.Objects[0], true
}

// list returns objects of a kind by labels; false if that is not known.
func (l *look) list(group, kind, namespace, selector string) ([]object.Object, bool) {
	r, ok := l.ask(Ask{Verb: List, Key: object.Key{Group: group, Kind: kind, Namespace: namespace}, Selector: selector})
	return r.Objects, ok
}

const ours = "fairlead.dev"

// read takes the objects of Fairlead out of the replies.
func (l *look) read() {
	l.app, _ = decoded[v1alpha1.App](l, "App", l.Name)
	env := l.Environment
	if l.app != nil {
		env = l.app.Spec.Environment
		l.repo, _ = decoded[v1alpha1.Repository](l, "Repository", l.app.Spec.Repository)
	}
	if env != "" {
		l.env, _ = decoded[v1alpha1.Environment](l, "Environment", env)
	}
	if l.repo == nil && l.env != nil && len(l.env.Spec.Sources) == 1 {
		l.repo, _ = decoded[v1alpha1.Repository](l, "Repository", l.env.Spec.Sources[0].Repository)
	}
}

func (l *look) ourKey(kind, name string) object.Key {
	return object.Key{Group: ours, Kind: kind, Namespace: l.Namespace, Name: name}
}

func decoded[T any](l *look, kind, name string) (*T, bool) {
	o, known := l.get(l.ourKey(kind, name))
	if !known || o.IsZero() {
		return nil, known
	}
	out := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Content(), out); err != nil {
		l.miss(fmt.Sprintf("%s cannot be understood: %s: is this program older than the controller?", o, err))
		return nil, false
	}
	return out, true
}
