package render_test

import (
	"os"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/render/jsonnet"
)

func TestMain(m *testing.M) {
	jsonnet.Main() // this program is the child that evaluates
	os.Exit(m.Run())
}
