package mutation

import "testing"

// TestApplies checks that every mutation still fits the source.
func TestApplies(t *testing.T) {
	all, err := All()
	if err != nil || len(all) < 25 {
		t.Fatalf("%d mutations, %v", len(all), err)
	}
	for _, m := range all {
		if _, err := m.Apply("../../.."); err != nil {
			t.Error(err)
		}
		if m.What == "" {
			t.Errorf("mutation %s does not say what is wrong", m.Name)
		}
	}
}
