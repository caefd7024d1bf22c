package render

import (
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// answers is an Outside that has them by name.
type answers map[string]string

func (a answers) Ask(q Question) (Answer, error) {
	if a[q.Name] == "" {
		return Answer{}, fault.Newf(fault.Transient, "nobody answers")
	}
	return Answer{ID: a[q.Name]}, nil
}

func TestAsked(t *testing.T) {
	world := answers{"settings": "1", "keys": "1"}
	r := &asker{outside: world}
	for _, name := range []string{"settings", "keys", "settings"} {
		if _, err := r.ask(Question{About: AboutObject, Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	asked := r.asked()
	if n := len(asked.Questions()); n != 2 {
		t.Errorf("%d questions were asked, and not 2: the same one is asked once", n)
	}
	unchanged := func() bool {
		t.Helper()
		same, err := asked.Unchanged(world)
		if err != nil {
			t.Fatal(err)
		}
		return same
	}
	if !unchanged() {
		t.Error("nothing changed, and is not as it was")
	}
	world["keys"] = "2"
	if unchanged() {
		t.Error("another answer is taken for the same")
	}
	if answer, err := r.ask(Question{About: AboutObject, Name: "keys"}); err != nil || answer.ID != "1" {
		t.Errorf("a render that began before sees %q, %v: all of it has to see the same world", answer.ID, err)
	}
	delete(world, "keys")
	if _, err := asked.Unchanged(world); fault.KindOf(err) != fault.Transient {
		t.Errorf("asking in vain is %v: nothing is known then, and it has to be said", err)
	}
}

func TestAskedNobody(t *testing.T) {
	r := &asker{}
	if _, err := r.ask(Question{About: AboutObject}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("with nobody to ask: %v", err)
	}
	if same, err := (Asked{}).Unchanged(nil); !same || err != nil {
		t.Errorf("who asked nothing does not depend on it: %v, %v", same, err)
	}
}
