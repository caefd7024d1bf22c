package sourcetest_test

import (
	"testing"

	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

func TestTree(t *testing.T) {
	sourcetest.Run(t, func(_ *testing.T, f sourcetest.Files) source.Tree { return sourcetest.New(f) })
}

// TestRecorder: a recorder is a Tree like the one that it records.
func TestRecorder(t *testing.T) {
	sourcetest.Run(t, func(_ *testing.T, f sourcetest.Files) source.Tree {
		return source.NewRecorder(sourcetest.New(f))
	})
}
