// Package test holds the tests of the whole system: the real binary, on a real control plane, following a real Git server.
package test

import (
	"testing"

	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// TestScript runs every script in script/: see the README there.
func TestScript(t *testing.T) {
	testkit.Scripts(t, "script")
}
