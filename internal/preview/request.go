package preview

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// MostRequest bounds the body of a request: the objects of a large environment.
const MostRequest = 8 << 20

// Request asks what would be done to an environment, or to one app of it, if Git were different. The zero want asks what is to be done as Git is now.
type Request struct {
	Namespace   string `json:"namespace"`
	Environment string `json:"environment"`
	// App is one app; empty: all of the environment.
	App string `json:"app,omitempty"`
	// To is the commit, branch or tag that the environment's sources would be read at. Those of one Repository, if it has several.
	To         string `json:"to,omitempty"`
	Repository string `json:"repository,omitempty"`
	// From is another one: then what both want is compared with each other, and the cluster is not looked at.
	From string `json:"from,omitempty"`
	// Rendered is what apps would want, instead of To: what is rendered elsewhere.
	Rendered []Rendered `json:"rendered,omitempty"`
	// Whole says that Rendered is all that the environment would have.
	Whole bool `json:"whole,omitempty"`
	// Resumed says that what is suspended would not be.
	Resumed bool `json:"resumed,omitempty"`
}

// Rendered is what one app would want: a stream of YAML documents.
type Rendered struct {
	App       string   `json:"app"`
	DependsOn []string `json:"dependsOn,omitempty"`
	Manifests string   `json:"manifests,omitempty"`
	// Origins are where the documents are from, one for each, as "file:line".
	Origins []string `json:"origins,omitempty"`
	// Unread is what the render would have read of the cluster and could not, with file and line: the app may want something else.
	Unread []string `json:"unread,omitempty"`
	// Broken is why the app does not render, with file and line, and no manifests.
	Broken string `json:"broken,omitempty"`
}

// ParseRequest reads a request. Fields that are not known are an error: who asks for more than there is must not be answered as if he had not.
func ParseRequest(data []byte) (Request, error) {
	var r Request
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return Request{}, fault.Newf(fault.Invalid, "read request: %w", err)
	}
	if d.More() {
		return Request{}, fault.Newf(fault.Invalid, "read request: there is more than one document")
	}
	return r, r.check()
}

func (r Request) check() error {
	switch {
	case r.Namespace == "" || r.Environment == "":
		return fault.Newf(fault.Invalid, "namespace and environment have to be named")
	case r.To != "" && len(r.Rendered) > 0:
		return fault.Newf(fault.Invalid, "to and rendered cannot both be meant")
	case r.From != "" && r.To == "":
		return fault.Newf(fault.Invalid, "from needs to: two commits are compared")
	case r.Whole && len(r.Rendered) == 0:
		return fault.Newf(fault.Invalid, "an environment without any app is not planned from a directory")
	}
	for _, ref := range []string{r.To, r.From} {
		if len(ref) > 250 || strings.ContainsFunc(ref, func(c rune) bool { return c <= ' ' || c == 0x7f }) || strings.HasPrefix(ref, "-") {
			return fault.Newf(fault.Invalid, "%q is no commit, branch or tag", ref)
		}
	}
	seen := map[string]bool{}
	for _, x := range r.Rendered {
		if x.App == "" || seen[x.App] {
			return fault.Newf(fault.Invalid, "rendered: app %q is nameless, or there twice", x.App)
		}
		if x.Broken != "" && x.Manifests != "" {
			return fault.Newf(fault.Invalid, "rendered: app %s has manifests, and is broken as well: an app is one of the two", x.App)
		}
		seen[x.App] = true
	}
	return nil
}

// Objects reads the objects.
func (r Rendered) Objects() ([]object.Object, error) {
	objs, err := object.Parse(r.App, []byte(r.Manifests))
	if err != nil {
		return nil, err
	}
	for i := range objs {
		at := object.Origin{}
		if i < len(r.Origins) {
			at.File = r.Origins[i]
		}
		objs[i] = objs[i].WithOrigin(at)
	}
	return objs, nil
}
