package block_test

import (
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/block"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// TestPolicies writes out the policies of the environment of the table, to be read.
func TestPolicies(t *testing.T) {
	golden.Run(t, "testdata/policies.txtar", func(t *testing.T, ar *txtar.Archive) {
		ar.Files = []txtar.File{{Name: "policies.yaml", Data: object.Stream(block.Policies(prod))}}
	})
}
