package kubetest

import (
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// Op is one request of a case. Which fields count depends on what it does.
type Op struct {
	// Do is create, update, merge, json, apply, delete, deletecollection, get, list, watch, events, gone, going, discover, or compact.
	Do string `json:"do"`
	// As is the field manager.
	As string `json:"as,omitempty"`
	// At is RESOURCE[.GROUP/VERSION]/NAME[/SUBRESOURCE], such as configmaps/flags or deployments.apps/v1/web/status. Without a slash it is all of the resource.
	At string `json:"at,omitempty"`
	// Namespace is another than the case's own; "-" is none.
	Namespace  string `json:"namespace,omitempty"`
	Force      bool   `json:"force,omitempty"`
	DryRun     bool   `json:"dryRun,omitempty"`
	Validation string `json:"validation,omitempty"`
	// Body is what is sent. $uid(NAME) and $rv(NAME) in it are what the newest answer about an object of that name had, $first(NAME) the oldest resourceVersion.
	// NAMESPACE is the case's own.
	Body any `json:"body,omitempty"`
	// Onto lays the body over the newest answer about the object: who reads, edits and writes.
	Onto bool `json:"onto,omitempty"`
	// UID, RV and Policy are the options of a deletion.
	UID    string `json:"uid,omitempty"`
	RV     string `json:"rv,omitempty"`
	Policy string `json:"policy,omitempty"`
	// Selector, From, Limit and Continue are those of a list or watch; From is a resourceVersion, such as $list, that of the newest list.
	Selector string `json:"selector,omitempty"`
	From     string `json:"from,omitempty"`
	Match    string `json:"match,omitempty"`
	Limit    int64  `json:"limit,omitempty"`
	Continue bool   `json:"continue,omitempty"`
	Initial  bool   `json:"initial,omitempty"`
	// Count is how many events to take.
	Count int `json:"count,omitempty"`
}

// parse reads the requests of a case.
func parse(text string) ([]Op, error) {
	var ops []Op
	for doc := range strings.SplitSeq(text, "\n---\n") {
		var op Op
		if err := yaml.UnmarshalStrict([]byte(doc), &op); err != nil {
			return nil, fmt.Errorf("read %q: %w", strings.TrimSpace(doc), err)
		}
		if op.Do != "" {
			ops = append(ops, op)
		}
	}
	return ops, nil
}

// object is what a request is about.
type object struct {
	gvr       schema.GroupVersionResource
	name, sub string
}

func (o Op) object() object {
	var out object
	head, rest, _ := strings.Cut(o.At, "/")
	resource, group, grouped := strings.Cut(head, ".")
	out.gvr = schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource}
	if grouped {
		out.gvr.Version, rest, _ = strings.Cut(rest, "/")
	}
	out.name, out.sub, _ = strings.Cut(rest, "/")
	return out
}

// String is the request as one line of a transcript.
func (o Op) String() string {
	words := []string{o.Do}
	if o.At != "" {
		words = append(words, o.At)
	}
	for name, v := range map[string]string{"as": o.As} {
		if v != "" {
			words = append(words, name, v)
		}
	}
	if o.Force {
		words = append(words, "by force")
	}
	if o.DryRun {
		words = append(words, "(dry run)")
	}
	return strings.Join(words, " ")
}

// body is what is sent, with the names in it replaced.
func (o Op) body(replace func(string) string) ([]byte, error) {
	if text, ok := o.Body.(string); ok {
		return []byte(replace(text)), nil
	}
	data, err := json.Marshal(o.Body)
	return []byte(replace(string(data))), err
}

// Format writes requests as a case has them.
func Format(ops []Op) string {
	var b strings.Builder
	for i, op := range ops {
		data, err := json.Marshal(op)
		if err != nil {
			panic(err)
		}
		if i > 0 {
			b.WriteString("---\n")
		}
		b.Write(data)
		b.WriteByte('\n')
	}
	return b.String()
}
