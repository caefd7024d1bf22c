package kubetest

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// namer replaces what differs between servers by names.
type namer struct {
	namespace string
	known     map[string]string
	counts    map[string]int
}

func newNamer(namespace string) *namer {
	return &namer{namespace: namespace, known: map[string]string{}, counts: map[string]int{}}
}

// name names a value by the order in which its like appeared.
func (n *namer) name(like, value string) string {
	if value == "" {
		return ""
	}
	key := like + "\x00" + value
	if n.known[key] == "" {
		n.counts[like]++
		n.known[key] = like + "-" + strconv.Itoa(n.counts[like])
	}
	return n.known[key]
}

// print writes an answer as YAML.
func (n *namer) print(answer any) string {
	if answer == nil {
		return ""
	}
	data, err := yaml.Marshal(n.plain(answer, ""))
	if err != nil {
		return err.Error() + "\n"
	}
	return n.words(string(data))
}

// plain returns a copy of a value without what differs.
func (n *namer) plain(v any, at string) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, k := range sortedKeys(v) {
			out[k] = n.plain(v[k], at+"."+k)
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, x := range v {
			out = append(out, n.plain(x, at))
		}
		if strings.HasSuffix(at, ".managedFields") {
			slices.SortFunc(out, func(a, b any) int { return cmp.Compare(entryOf(a), entryOf(b)) })
		}
		return out
	case string:
		return n.scalar(v, at[strings.LastIndexByte(at, '.')+1:])
	}
	return v
}

// sortedKeys has the metadata first: what it names is named before its other mentions, in all transcripts alike.
func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(btoi(b == "metadata"), btoi(a == "metadata")), cmp.Compare(a, b))
	})
	return keys
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// entryOf orders managedFields without the times, by which servers order them first.
func entryOf(v any) string {
	m, _ := v.(map[string]any)
	return fmt.Sprint(m["operation"], " ", m["manager"], " ", m["subresource"], " ", m["apiVersion"])
}

var (
	uid  = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	date = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	ip   = regexp.MustCompile(`\b10\.\d+\.\d+\.\d+\b`)
)

func (n *namer) scalar(v, field string) string {
	if field == "resourceVersion" {
		return n.name("rv", v)
	}
	return n.words(v)
}

// words replaces what differs inside a text.
func (n *namer) words(text string) string {
	text = uid.ReplaceAllStringFunc(text, func(s string) string { return n.name("uid", s) })
	text = date.ReplaceAllString(text, "time")
	text = ip.ReplaceAllStringFunc(text, func(s string) string { return n.name("ip", s) })
	return strings.ReplaceAll(text, n.namespace, "NAMESPACE")
}

// refusal prints the status with which a request was refused.
func (n *namer) refusal(st metav1.Status) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s: %s\n", st.Code, cmp.Or(string(st.Reason), "-"), n.message(st.Message))
	if d := st.Details; d != nil {
		fmt.Fprintf(&b, "  about %s %s %s\n", cmp.Or(d.Group, "-"), cmp.Or(d.Kind, "-"), cmp.Or(n.words(d.Name), "-"))
		causes := []string{}
		for _, c := range d.Causes {
			causes = append(causes, fmt.Sprintf("  %s at %s: %s\n", c.Type, cmp.Or(c.Field, "-"), n.message(c.Message)))
		}
		slices.Sort(causes)
		b.WriteString(strings.Join(slices.Compact(causes), ""))
	}
	return b.String()
}

var (
	version = regexp.MustCompile(`(ResourceVersion[^0-9]*?|resource version:? |StorageError: [^,]*, )(\d+)`)
	// repeated is an object, or a part of one, that a message repeats: a Go value on one server, JSON on the other.
	repeated = regexp.MustCompile(`(Invalid value: )(\S*[{\[].*|null)(: )`)
	// several are errors that a server finds in the order of a map: the causes have them sorted.
	several = regexp.MustCompile(`( is invalid: \[).*\]`)
	// kept is where a server keeps an object.
	kept = regexp.MustCompile(`Key: [^,]*`)
	// typed is an object named by a field manager.
	typed = regexp.MustCompile(`(object \()[^)]*(\))`)
)

func (n *namer) message(text string) string {
	text = kept.ReplaceAllString(text, "Key: …")
	text = several.ReplaceAllString(text, "${1}…]")
	text = repeated.ReplaceAllString(strings.Join(strings.Fields(n.words(text)), " "), "${1}…${3}")
	return version.ReplaceAllString(typed.ReplaceAllString(text, "${1}…${2}"), "${1}N")
}
