package bench

import (
	"os"
	"testing"
)

func TestUsed(t *testing.T) {
	u, err := used(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if u.peak < u.settled || u.settled < 1<<20 {
		t.Errorf("the peak is %d, now %d are in use", u.peak, u.settled)
	}
}
