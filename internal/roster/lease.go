package roster

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Label marks the Leases of replicas.
const Label = "fairlead.dev/replica"

const (
	namePrefix = "fairlead-"
	annKnows   = "fairlead.dev/knows"
	annWords   = "fairlead.dev/words"
)

// word is what a member tells the others about what a key names.
type word struct {
	Key  string `json:"key"`
	Word string `json:"word"`
}

// told bounds how many words a Lease keeps: who did not hear the older ones looks by itself sooner or later.
const told = 30

// say adds a word, in place of an older one about the same.
func say(words []word, w word) []word {
	words = slices.DeleteFunc(slices.Clone(words), func(o word) bool { return o.Key == w.Key })
	words = append(words, w)
	return words[max(0, len(words)-told):]
}

func idOf(l *coordinationv1.Lease) string { return strings.TrimPrefix(l.Name, namePrefix) }

// decode reads a Lease. What is not readable in it is as if it were not there.
func decode(l *coordinationv1.Lease, usual time.Duration) (Lease, []word) {
	out := Lease{ID: idOf(l), Version: l.ResourceVersion, Lasts: usual}
	if s := l.Spec.LeaseDurationSeconds; s != nil && *s > 0 {
		out.Lasts = time.Duration(*s) * time.Second
	}
	if knows := l.Annotations[annKnows]; knows != "" {
		out.Knows = strings.Split(knows, ",")
	}
	var words []word
	_ = json.Unmarshal([]byte(cmp.Or(l.Annotations[annWords], "[]")), &words)
	return out, words
}

// encode writes what a Lease says into it.
func encode(l *coordinationv1.Lease, knows []string, words []word, now time.Time) error {
	data, err := json.Marshal(words)
	if err != nil {
		return err
	}
	l.Annotations = map[string]string{annKnows: strings.Join(knows, ",")}
	if len(words) > 0 {
		l.Annotations[annWords] = string(data)
	}
	l.Labels = map[string]string{Label: "controller"}
	at := metav1.NewMicroTime(now)
	l.Spec.RenewTime = &at
	return nil
}
